"""The brokers between the engines, as the torturer sees them: topics, offsets, coordinators."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType  # type: ignore[attr-defined]  # its stubs forget
from confluent_kafka.cimpl import NewTopic

from engine.torture.stages import TortureFailed

TIMEOUT_S = 60.0  # a broker that is bounced is back in five
ASK_S = 2.0  # a question that is asked again soon
RETRY_S = 0.1
DEFAULT_SESSION_MS = 6000  # the shortest session that brokers allow where nobody has said otherwise
OFFSETS_TOPIC = "__consumer_offsets"
QUIET = 0  # librdkafka would write of every broker that ends


class Bouncer(Protocol):
    """Whoever may stop brokers, and start them again with the same data."""

    @property
    def numbers(self) -> Sequence[int]:
        """The brokers' node ids."""

    def bounce(self, number: int, *, is_hard: bool) -> None:
        """Stop a broker, in order or as a power cut does, and return when it takes part again."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record that was committed."""

    partition: int
    offset: int
    key: bytes
    value: bytes


class Brokers:
    """A cluster.

    Parameters
    ----------
    address : str
        Of its brokers, as clients take it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._settings: dict[str, Any] = {"bootstrap.servers": address, "log_level": QUIET}
        self._admin = AdminClient(dict(self._settings))
        self._askers: dict[str, Consumer] = {}

    def make_topics(self, names: Iterable[str], n_partitions: int) -> None:
        """Make topics, and wait until they can be used."""
        made = self._admin.create_topics([NewTopic(name, n_partitions) for name in names], operation_timeout=TIMEOUT_S)
        for name, future in made.items():
            future.result(TIMEOUT_S)
            self._wait_for_leaders(name, n_partitions)

    def _wait_for_leaders(self, name: str, n_partitions: int) -> None:
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            found = self._admin.list_topics(name, timeout=TIMEOUT_S).topics[name].partitions
            if len(found) == n_partitions and all(one.leader >= 0 for one in found.values()):
                return
            time.sleep(RETRY_S)
        raise TortureFailed(f"The topic {name} has no leaders after {TIMEOUT_S:g} s.", "")

    def remove_topics(self, *prefixes: str) -> None:
        """Remove all topics whose name begins with one of them."""
        with suppress(KafkaException):
            names = [name for name in self._admin.list_topics(timeout=TIMEOUT_S).topics if name.startswith(prefixes)]
            for future in self._admin.delete_topics(names).values() if names else ():
                with suppress(KafkaException):
                    future.result(TIMEOUT_S)

    def write(self, topic: str, transactions: Iterable[tuple[Sequence[tuple[bytes, bytes]], bool]]) -> None:
        """Write keys and values in transactions; those that are not to hold are aborted."""
        producer = Producer(
            {**self._settings, "transactional.id": f"writer-of-{topic}", "partitioner": "murmur2_random"}
        )
        producer.init_transactions(TIMEOUT_S)
        for records, holds in transactions:
            producer.begin_transaction()
            for key, value in records:
                producer.produce(topic, value, key)
            producer.flush(TIMEOUT_S)
            (producer.commit_transaction if holds else producer.abort_transaction)(TIMEOUT_S)

    def read(self, topic: str) -> list[Found]:
        """Return all that is committed, partition by partition; waits for transactions that are open."""
        n_partitions = len(self._admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions)
        self._wait_until_decided(topic, n_partitions)
        consumer = Consumer(
            {
                **self._settings,
                "group.id": f"reader-of-{topic}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        with closing(consumer):
            consumer.assign([TopicPartition(topic, nth, OFFSET_BEGINNING) for nth in range(n_partitions)])
            found: list[Found] = []
            n_open, deadline_s = n_partitions, time.monotonic() + TIMEOUT_S
            while n_open:
                messages = consumer.consume(1000, RETRY_S)
                found += [_found(one) for one in messages if not one.error()]
                n_open -= sum(_is_end(one) for one in messages)
                if time.monotonic() > deadline_s:
                    raise TortureFailed(f"{topic} could not be read in {TIMEOUT_S:g} s.", "")
        return sorted(found, key=lambda one: (one.partition, one.offset))

    def _wait_until_decided(self, topic: str, n_partitions: int) -> None:
        """Return when no transaction is open: behind one, readers of what is committed see nothing."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            with suppress(KafkaException, TimeoutError):
                ends, seen = (
                    self._ends(topic, n_partitions, level)
                    for level in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED)
                )
                if ends == seen:
                    return
            time.sleep(RETRY_S)
        raise TortureFailed(f"A transaction on {topic} is open for more than {TIMEOUT_S:g} s.", "")

    def _ends(self, topic: str, n_partitions: int, level: IsolationLevel) -> list[int]:
        asked = {TopicPartition(topic, nth): OffsetSpec.latest() for nth in range(n_partitions)}  # type: ignore[no-untyped-call]
        futures = self._admin.list_offsets(asked, isolation_level=level, request_timeout=ASK_S)
        return [future.result(ASK_S).offset for future in futures.values()]

    def committed(self, group: str, topic: str, n_partitions: int) -> dict[int, int] | None:
        """Return where a group stands, by partition; None when nobody answers now."""
        # An AdminClient of librdkafka 2.16 ends the process when the coordinator has moved; a consumer asks it again.
        if group not in self._askers:
            self._askers[group] = Consumer(
                {
                    **self._settings,
                    "group.id": group,
                    "isolation.level": "read_uncommitted",
                    "enable.auto.commit": False,
                }
            )
        try:
            asked = [TopicPartition(topic, nth) for nth in range(n_partitions)]
            places = self._askers[group].committed(asked, ASK_S)
        except KafkaException:
            return None
        return {place.partition: max(place.offset, 0) for place in places if place.error is None}

    def coordinator(self, group: str) -> int | None:
        """Return which broker keeps a group; None when nobody knows now.

        It leads the group's partition of the offsets. To ask for it ends the process, with librdkafka 2.16, when a
        broker is gone before it answers.
        """
        try:
            partitions = self._admin.list_topics(OFFSETS_TOPIC, timeout=ASK_S).topics[OFFSETS_TOPIC].partitions
        except KafkaException:
            return None
        leader = partitions[abs(_java_hash(group)) % len(partitions)].leader if partitions else -1
        return leader if leader >= 0 else None

    def shut_out(self, transactional_id: str) -> None:
        """Begin as a producer of this name: the transaction of another one is aborted, and it writes no more."""
        with suppress(KafkaException):  # the brokers may be away just now
            Producer({**self._settings, "transactional.id": transactional_id}).init_transactions(TIMEOUT_S)

    def shortest_session_ms(self) -> int:
        """Return the shortest session that the brokers allow; what is usual, if they do not say."""
        try:
            number = min(self._admin.list_topics(timeout=TIMEOUT_S).brokers)
            asked = ConfigResource(ResourceType.BROKER, str(number))
            (future,) = self._admin.describe_configs([asked], request_timeout=TIMEOUT_S).values()
            settings: dict[str, Any] = future.result(TIMEOUT_S)
            return int(settings["group.min.session.timeout.ms"].value)
        except (KafkaException, KeyError, ValueError):
            return DEFAULT_SESSION_MS


def _found(message: Message) -> Found:
    return Found(message.partition() or 0, message.offset() or 0, message.key() or b"", message.value() or b"")


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - its name


def _java_hash(text: str) -> int:
    """Return what Java's String.hashCode() does."""
    number = 0
    for character in text:
        number = (31 * number + ord(character)) & 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number
