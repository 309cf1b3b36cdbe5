"""A Kafka cluster of this machine: one broker or several, on free ports, gone when it is left."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic

from testbed.archive import archive_of, make_options
from testbed.broker import Broker, Place, kafka_jars
from testbed.errors import ServerDied
from testbed.java import find_java
from testbed.ports import free_ports
from testbed.security import Security

READY_LIMIT_S = 90  # a broker starts in 2 s, and a machine that is busy with eight other things is slow
_LOOK_S = 0.05
_HEAP_MIB = 256


class KafkaCluster:
    """Brokers that are real, and that tests may kill.

    As a context manager it starts them all, and at the end removes them and their data.

    Parameters
    ----------
    n_brokers
        How many; with three each topic is kept three times and one broker may be down.
    security
        Who may come in; without it, everybody.
    config
        Settings of the brokers beside, or instead of, those of the testbed.
    heap_mib
        The heap of each.
    is_long_lived
        Whether it is worth to compile its code well: for measuring.
    java_options
        More options of Java, in place of those that make the start fast.

    Examples
    --------
    >>> with KafkaCluster() as kafka:  # doctest: +SKIP
    ...     kafka.create_topic("prices", 3)
    ...     Producer({"bootstrap.servers": kafka.bootstrap})
    """

    def __init__(
        self,
        n_brokers: int = 1,
        *,
        security: Security | None = None,
        config: Mapping[str, str] | None = None,
        heap_mib: int = _HEAP_MIB,
        is_long_lived: bool = False,
        java_options: Sequence[str] = (),
    ) -> None:
        ports = free_ports(3 * n_brokers)
        places = [Place(number, *ports[3 * number - 3 : 3 * number]) for number in range(1, n_brokers + 1)]
        self.security = security
        self._folder = Path(tempfile.mkdtemp(prefix="kafka-"))
        self._brokers = {
            place.number: Broker(
                place,
                places,
                self._folder / str(place.number),
                security=security,
                config=config or {},
                heap_mib=heap_mib,
                is_long_lived=is_long_lived,
                java_options=java_options,
            )
            for place in places
        }
        self._is_formatted = False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def bootstrap(self) -> str:
        """The addresses of all brokers, as clients take them."""
        return ",".join(broker.place.address for broker in self._brokers.values())

    @property
    def client_settings(self) -> dict[str, str | int | float | bool]:
        """What a client of librdkafka needs to connect, as one who may do everything."""
        return {"bootstrap.servers": self.bootstrap, **(self.security.client_settings() if self.security else {})}

    def admin(self) -> AdminClient:
        """Return a client that makes topics and the like."""
        return AdminClient(self.client_settings)

    def broker(self, number: int) -> Broker:
        """Return one broker; the first is number 1."""
        return self._brokers[number]

    def start(self, number: int | None = None) -> None:
        """Start one broker, or all that do not run, and return when every running one takes part.

        Raises
        ------
        ServerDied
            A broker ended, or was not ready in time; its last words are in the text.
        """
        if not self._is_formatted:
            for broker in self._brokers.values():
                broker.format()
            self._is_formatted = True
        for broker in self._chosen(number):
            if not broker.is_running:
                broker.start()
        self._wait_until_ready()

    def stop(self, number: int | None = None) -> None:
        """End one broker, or all, in order. Their data stay."""
        for broker in self._chosen(number):
            if broker.is_running:
                broker.process.stop()

    def kill(self, number: int | None = None) -> None:
        """End one broker, or all, as a power cut does. Their data stay."""
        for broker in self._chosen(number):
            broker.kill()

    def bounce(self, number: int | None = None) -> None:
        """Stop one broker, or all, and start again on the same ports with the same data."""
        self.stop(number)
        self.start(number)

    def create_topic(self, name: str, n_partitions: int = 1, **config: str | int) -> str:
        """Make a topic and return its name when it can be written to. A dot of a setting is an underscore here."""
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        admin = self.admin()
        admin.create_topics([NewTopic(name, n_partitions, config=settings)])[name].result(READY_LIMIT_S)
        deadline = time.monotonic() + READY_LIMIT_S
        while True:
            topic = admin.list_topics(name, timeout=READY_LIMIT_S).topics[name]
            if len(topic.partitions) == n_partitions and all(each.leader > 0 for each in topic.partitions.values()):
                return name
            if time.monotonic() > deadline:
                raise TimeoutError(f"topic {name} has no leaders after {READY_LIMIT_S} s")
            time.sleep(_LOOK_S)

    def delete_topic(self, name: str) -> None:
        """Delete a topic and return when the brokers know it no more."""
        admin = self.admin()
        admin.delete_topics([name])[name].result(READY_LIMIT_S)
        deadline = time.monotonic() + READY_LIMIT_S
        while name in admin.list_topics(timeout=READY_LIMIT_S).topics:
            if time.monotonic() > deadline:
                raise TimeoutError(f"topic {name} is still there after {READY_LIMIT_S} s")
            time.sleep(_LOOK_S)

    def grant(self, user: str, kind: str, name: str, *operations: str) -> None:
        """Allow a user something of this very name: ``grant("alice", "topic", "prices", "read", "describe")``.

        The kinds are topic, group, transactional_id and broker (whose name is kafka-cluster).
        """
        rights = [
            AclBinding(
                ResourceType[kind.upper()],
                name,
                ResourcePatternType.LITERAL,
                f"User:{user}",
                "*",
                AclOperation[operation.upper()],
                AclPermissionType.ALLOW,
            )
            for operation in operations
        ]
        admin = self.admin()  # what it has not answered is lost when it goes
        for granted in admin.create_acls(rights).values():
            granted.result(READY_LIMIT_S)

    def close(self) -> None:
        """End all brokers and remove what they kept."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _chosen(self, number: int | None) -> list[Broker]:
        return list(self._brokers.values()) if number is None else [self._brokers[number]]

    def _wait_until_ready(self) -> None:
        """Return when every broker that runs listens, and the cluster counts it among its own."""
        deadline = time.monotonic() + READY_LIMIT_S
        running = {number: broker for number, broker in self._brokers.items() if broker.is_running}
        for broker in running.values():
            while not _is_listening(broker.place.port):
                self._look_again(broker, deadline)
        admin = AdminClient(self.client_settings | {"log_level": 0})  # it need not say that nobody is there yet
        while not running.keys() <= _members(admin):
            for broker in running.values():
                self._look_again(broker, deadline)

    def _look_again(self, broker: Broker, deadline: float) -> None:
        if not broker.is_running:
            raise ServerDied(broker.name, "ended", broker.process.log_tail())
        if time.monotonic() > deadline:
            raise ServerDied(broker.name, f"was not ready after {READY_LIMIT_S} s", broker.process.log_tail())
        time.sleep(_LOOK_S)


def quicken() -> Path:
    """Make the archive with which brokers start in half the time, if there is none; return it."""
    archive = archive_of(kafka_jars(), find_java())
    if not archive.exists():
        with tempfile.TemporaryDirectory(prefix=".quickening-", dir=archive.parent) as work:
            made = Path(work, archive.name)
            with KafkaCluster(java_options=make_options(made)) as cluster:
                cluster.create_topic("seen", 1)
                cluster.stop()  # in order: Java writes it at its end
            made.rename(archive)
    return archive


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _members(admin: AdminClient) -> set[int]:
    try:
        return set(admin.list_topics(timeout=5).brokers)
    except KafkaException:
        return set()
