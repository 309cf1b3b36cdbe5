"""One Kafka broker: its settings, its folder and its process."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.archive import archive_of, use_options
from testbed.errors import ServerDied
from testbed.java import find_java
from testbed.maven import fetch
from testbed.process import ServerProcess, tail_of
from testbed.security import Security

VERSION = "4.3.1"

_CLIENTS = "CLIENTS"  # the listener for everybody but brokers

# The jars alone bring no logger, and a broker without one dies in silence: log4j-slf4j-impl is the one it looks for.
_ARTIFACTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
_CLUSTER_ID = "dGVzdGJlZC1rYWZrYQAAAA"  # any 16 bytes as URL-safe base64; all clusters here are strangers to each other
_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",  # the others spread over cores that the tests need
    "-Dlog4j2.level=WARN",
)
_START_FAST = "-XX:TieredStopAtLevel=1"  # a broker that lives for one test never earns the costly compiler back


@dataclass(frozen=True)
class Place:
    """Where one broker of a cluster listens."""

    number: int
    port: int
    internal_port: int
    controller_port: int

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def vote(self) -> str:
        """How the settings of the quorum name it."""
        return f"{self.number}@127.0.0.1:{self.controller_port}"


def _settings(place: Place, places: Sequence[Place], folder: Path, security: Security | None) -> dict[str, str]:
    listeners = f"{_CLIENTS}://{place.address},INTERNAL://127.0.0.1:{place.internal_port}"
    n_copies = min(len(places), 3)
    n_in_sync = max(1, n_copies - 1)  # one may be down
    return {
        "process.roles": "broker,controller",
        "node.id": str(place.number),
        "controller.quorum.voters": ",".join(each.vote for each in places),
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{place.controller_port}",
        "advertised.listeners": listeners,
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": (
            f"{_CLIENTS}:{'SASL_SSL' if security else 'PLAINTEXT'},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "log.dirs": str(folder / "data"),
        # A topic that nobody made is an error here: a misspelled name must not become a topic.
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(n_copies),
        "min.insync.replicas": str(n_in_sync),
        # Records of a test may be as old as they like: brokers count the time to keep them from their own timestamps.
        "log.retention.ms": "-1",
        # One partition each: they are made when first used, and the first to use them waits for it.
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": str(n_copies),
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": str(n_copies),
        "transaction.state.log.min.isr": str(n_in_sync),
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": str(n_copies),
        "share.coordinator.state.topic.min.isr": str(n_in_sync),
        # Waits that make sense among strangers, and in a test are only waiting.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.min.heartbeat.interval.ms": "100",
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.heartbeat.interval.ms": "500",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
        # A broker that was killed is let in again when its session is over.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "300",
        "log.cleaner.backoff.ms": "1000",
        # The cleaner takes this from the heap at the start: the 128 MiB of the default are half of it.
        "log.cleaner.dedupe.buffer.size": str(8 << 20),
    } | (security.broker_settings(_CLIENTS) if security else {})


class Broker:
    """One broker that can be started, stopped and killed; it keeps its port and its data."""

    def __init__(
        self,
        place: Place,
        places: Sequence[Place],
        folder: Path,
        *,
        security: Security | None,
        config: Mapping[str, str],
        heap_mib: int,
        is_long_lived: bool,
        java_options: Sequence[str],
    ) -> None:
        self.place = place
        self._folder = folder
        self._config = _settings(place, places, folder, security) | dict(config)
        self._format_options = security.format_options() if security else []
        self._java_options = [
            f"-Xmx{heap_mib}m",
            *_JAVA_OPTIONS,
            *([] if is_long_lived else [_START_FAST]),
            *(java_options or use_options(archive_of(kafka_jars(), find_java()))),
        ]
        self._process: ServerProcess | None = None

    @property
    def name(self) -> str:
        """What an error calls it."""
        return f"Kafka broker {self.place.number} at {self.place.address}"

    @property
    def is_running(self) -> bool:
        """Whether its process lives; it may not be ready yet."""
        return self._process is not None and self._process.is_running

    @property
    def process(self) -> ServerProcess:
        """The process of the last start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process

    def format(self) -> None:
        """Make its data folder, before the first start."""
        self._folder.mkdir(parents=True)
        self._settings_file.write_text("".join(f"{key}={value}\n" for key, value in self._config.items()))
        arguments = ["format", "-t", _CLUSTER_ID, "-c", str(self._settings_file), *self._format_options]
        ran = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments), capture_output=True, text=True, timeout=120
        )
        if ran.returncode:
            raise ServerDied(self.name, "could not make its data folder", tail_of(ran.stdout + ran.stderr))

    def start(self) -> None:
        """Start its process; it is ready somewhat later."""
        self.kill()  # it may have ended by itself: its guard has not
        log = self._folder / "broker.log"
        self._process = ServerProcess(self._java("kafka.Kafka", str(self._settings_file)), self._folder.parent, log)

    def kill(self) -> None:
        """End its process, if there is one, as a power cut does."""
        if self._process is not None:
            self._process.kill()

    @property
    def _settings_file(self) -> Path:
        return self._folder / "server.properties"

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [find_java(), *self._java_options, "-cp", f"{kafka_jars()}/*", main, *arguments]


def kafka_jars() -> Path:
    """Return the folder of Kafka's jars; fetch them if they are not there."""
    return fetch(f"kafka-{VERSION}", _ARTIFACTS)
