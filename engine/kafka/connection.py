"""How the brokers of a stream are reached, and with which settings of librdkafka."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engine.kafka.chatter import LOGGER

Setting: TypeAlias = str | int | float | bool

MAX_MESSAGE_BYTES = 18 << 20
"""The longest message that the engine writes: a record or a value of the state of 16 MiB, and what is round it."""

OWNED: Mapping[str, str] = {
    "bootstrap.servers": "BootstrapServers says it",
    "metadata.broker.list": "BootstrapServers says it",
    "group.id": "Group says it",
    "group.instance.id": "the engine's --instance says it",
    "auto.offset.reset": "SkipToRecord says it",
    "security.protocol": "Security.Protocol says it",
    "sasl.mechanism": "Security.Mechanism says it",
    "sasl.mechanisms": "Security.Mechanism says it",
    "sasl.username": "Security.Username says it",
    "sasl.password": "Security.Password says it, as a reference",
    "ssl.ca.location": "Security.CaFile says it",
    "ssl.certificate.location": "Security.CertificateFile says it",
    "ssl.key.location": "Security.KeyFile says it",
    "ssl.key.password": "Security.KeyPassword says it, as a reference",
    "enable.ssl.certificate.verification": "certificates are always checked",
    "ssl.endpoint.identification.algorithm": "certificates are always checked, the name of the broker too",
    "enable.auto.commit": "the engine commits offsets with the outputs",
    "auto.commit.enable": "the engine commits offsets with the outputs",
    "auto.commit.interval.ms": "the engine commits offsets with the outputs",
    "enable.auto.offset.store": "the engine commits offsets with the outputs",
    "offset.store.method": "the engine commits offsets with the outputs",
    "isolation.level": "the engine reads only what was committed",
    "transactional.id": "the engine names its transactions, so that a second one of it is shut out",
    "transaction.timeout.ms": "the engine sets it",
    "enable.idempotence": "the engine writes in transactions",
    "acks": "the engine writes in transactions, which every replica in sync confirms",
    "request.required.acks": "the engine writes in transactions, which every replica in sync confirms",
    "partitioner": "the engine finds a record's partition as Java programs do",
    "partition.assignment.strategy": "the engine needs partitions of one number together",
    "group.remote.assignor": "the engine needs partitions of one number together",
    "enable.partition.eof": "the engine sets it",
    "allow.auto.create.topics": "a topic that is not there is an error",
    "plugin.library.paths": "the engine loads no libraries that a descriptor names",
}
"""What a descriptor's Config cannot set, and why not."""

_OF_CONSUMERS = (
    "auto.offset.", "check.crcs", "consume.", "coordinator.query.", "fetch.", "group.", "heartbeat.", "max.partition.",
    "max.poll.", "queued.", "session.",
)  # fmt: skip
_OF_PRODUCERS = (
    "batch.", "compression.", "delivery.", "enable.gapless.", "linger.", "message.send.", "message.timeout.",
    "queue.buffering.", "queuing.", "request.timeout.", "retries", "sticky.", "transaction",
)  # fmt: skip
_ASSIGNOR = "range"  # gives partitions of one number, of every topic, to one member


@dataclass(frozen=True, slots=True)
class Connection:
    """The brokers of a stream; two that are equal reach the same ones as the same user.

    Its methods return what the clients of `confluent_kafka` are made with. They take more settings by librdkafka's
    names, which hold over those of the descriptor: ``connection.consumer(**{"group.id": "prices"})``.

    Parameters
    ----------
    servers : str
        Addresses of brokers, ``HOST:PORT``, with commas in between.
    settings : mapping of str
        Settings of librdkafka: what Security and Config of the descriptor say, secrets in place.
    """

    servers: str
    settings: Mapping[str, Setting] = field(default_factory=dict, repr=False)  # there are passwords in it

    def consumer(self, **more: Any) -> dict[str, Any]:
        """Return the settings of a consumer, which commits nothing and says when there is no place to begin from."""
        assignor = "group.remote.assignor" if self.has_new_protocol else "partition.assignment.strategy"
        return {
            **self._common(_OF_PRODUCERS),
            assignor: _ASSIGNOR,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",  # where a partition begins, the engine says
            **more,
        }

    def producer(self, **more: Any) -> dict[str, Any]:
        """Return the settings of a producer, which finds partitions as Java programs do."""
        return {
            "message.max.bytes": MAX_MESSAGE_BYTES,
            **self._common(_OF_CONSUMERS),
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            **more,
        }

    def admin(self, **more: Any) -> dict[str, Any]:
        """Return the settings of a client that asks about topics and groups."""
        return {**self._common(_OF_CONSUMERS + _OF_PRODUCERS), **more}

    @property
    def has_new_protocol(self) -> bool:
        """Whether consumer groups are kept by the brokers: ``group.protocol`` is ``consumer``."""
        return str(self.settings.get("group.protocol", "classic")).lower() == "consumer"

    def _common(self, without: tuple[str, ...]) -> dict[str, Any]:
        """Return what every client gets; librdkafka complains of settings that are for another kind of client."""
        return {
            "client.id": "scoring-engine",
            "logger": LOGGER,
            **{name: value for name, value in self.settings.items() if not name.startswith(without)},
            "bootstrap.servers": self.servers,
        }
