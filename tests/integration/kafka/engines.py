"""Whole engines over a real broker: what they are given, started, killed, and what they wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from testbed.kafka import KafkaCluster
from tests.integration.kafka.reading import PATIENCE_S, read_messages

LIMIT_S = PATIENCE_S

ROLLING = """\
# engine.key.0: $key
from engine import window

prices = window(5)
n_seen = 0


def begin():
    global n_seen
    n_seen = 0


def action(price):
    global n_seen
    n_seen += 1
    prices.append(price)
    yield [n_seen, float(sum(prices.array()))]
"""


class Site:
    """A library and state directories for the engines of one test."""

    def __init__(self, folder: Path, kafka: KafkaCluster) -> None:
        self.folder, self.kafka = folder, kafka
        (folder / "library" / "streams").mkdir(parents=True)
        (folder / "library" / "model_scripts").mkdir()
        self._engines: list[EngineProcess] = []

    def script(self, source: str, name: str = "model") -> Path:
        """Write a script and return its path."""
        path = self.folder / "library" / "model_scripts" / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        return path

    def topic(self, topic: str, name: str | None = None, **fields: Any) -> str:
        """Write the descriptor of a topic as a stream, and return its name."""
        skip = fields.pop("SkipToRecord", None)
        transport = {"Type": "Kafka", "BootstrapServers": self.kafka.bootstrap.split(","), "Topic": topic, **fields}
        descriptor = {"Version": "1.2", "Transport": transport, "Encoding": "json"}
        if skip is not None:
            descriptor["SkipToRecord"] = skip
        return self.stream(name or topic, descriptor)

    def stream(self, name: str, descriptor: Mapping[str, Any]) -> str:
        """Write a descriptor, and return its name."""
        (self.folder / "library" / "streams" / f"{name}.json").write_text(json.dumps(descriptor), encoding="utf-8")
        return name

    def start(self, *arguments: str | Path, state: str = "state", **environ: str) -> EngineProcess:
        """Start the program ``engine`` with a state directory of this site."""
        engine = EngineProcess(self, arguments, state, environ)
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        """End what still runs."""
        for engine in self._engines:
            engine.kill()


class EngineProcess:
    """An engine in a process of its own."""

    def __init__(self, site: Site, arguments: Iterable[str | Path], state: str, environ: Mapping[str, str]) -> None:
        self._log = site.folder / f"{state}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "engine", "--debug", *map(str, arguments)]
        options = ["--library", str(site.folder / "library"), "--state", str(site.folder / state)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *options],
                cwd=site.folder,
                env={**os.environ, "ENGINE_LOG": "json", **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what its log says of an event."""
        lines = (line for line in self.said.splitlines() if line.startswith("{"))
        return [event for event in map(json.loads, lines) if event.get("event") == name]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the engine, and not to its jets."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it, as a crash does; its jets die with it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Wait until it ends; return its exit code."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the engine did not end:\n{self.said}") from None

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Look at it until a condition holds, and fail if it ends before."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert self._process.poll() is None, f"it ended before {what}:\n{self.said}"
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.said}"
            time.sleep(0.05)


def url_of(engine: EngineProcess) -> str:
    """Return where a server listens, once it does."""
    engine.until(lambda: "The engine listens on" in engine.said, "it listens")
    return next(line.split()[-1] for line in engine.said.splitlines() if "The engine listens on" in line)


def write(kafka: KafkaCluster, topic: str, records: Iterable[tuple[int, bytes | None, Any]]) -> None:
    """Write records: partition, key, and the value as JSON."""
    # Otherwise what is sent while a topic is new may come there in another order.
    producer = Producer({**kafka.client_settings, "linger.ms": 5, "enable.idempotence": True})
    for partition, key, value in records:
        producer.produce(topic, json.dumps(value).encode(), key, partition)
    assert producer.flush(LIMIT_S) == 0


class Reader:
    """Reads what is committed of a topic, from its begin on."""

    def __init__(self, kafka: KafkaCluster, topic: str) -> None:
        settings = {"group.id": "reader", "isolation.level": "read_committed", "enable.auto.commit": False}
        self._consumer = Consumer({**kafka.client_settings, **settings})
        partitions = self._consumer.list_topics(topic, timeout=LIMIT_S).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        self.records: list[tuple[int, bytes | None, Any]] = []
        """Partition, key and value of all that was read."""

    def poll(self, timeout_s: float = 0.1) -> None:
        """Read what is there."""
        for message in self._consumer.consume(1000, timeout_s):
            assert message.error() is None, message.error()
            self.records.append(_record(message))

    def until(self, n_records: int, engine: EngineProcess | None = None) -> list[tuple[int, bytes | None, Any]]:
        """Read until there are so many records; return all of them."""
        deadline = time.monotonic() + LIMIT_S
        while (n_before := len(self.records)) < n_records:
            self.poll()
            if len(self.records) > n_before:
                deadline = time.monotonic() + LIMIT_S
            elif time.monotonic() > deadline:
                said = engine.said if engine is not None else ""
                raise AssertionError(f"{n_before} of {n_records} records came, and then none for {LIMIT_S:g} s\n{said}")
        return self.records

    def close(self) -> None:
        """Let go."""
        self._consumer.close()


def _record(message: Message) -> tuple[int, bytes | None, Any]:
    return message.partition() or 0, message.key(), json.loads(message.value() or b"null")


def by_key(records: Iterable[tuple[int, bytes | None, Any]]) -> dict[bytes | None, list[Any]]:
    """Return the values of each key, in order."""
    found: dict[bytes | None, list[Any]] = {}
    for _, key, value in records:
        found.setdefault(key, []).append(value)
    return found


def rolled(records: Iterable[tuple[int, bytes | None, Any]]) -> dict[bytes | None, list[Any]]:
    """Return what `ROLLING` gives for records, by key."""
    expected: dict[bytes | None, list[Any]] = {}
    prices: dict[bytes | None, list[float]] = {}
    for _, key, value in records:
        its = prices.setdefault(key, [])
        its.append(value)
        expected.setdefault(key, []).append([len(its), float(sum(its[-5:]))])
    return expected


def read_all(kafka: KafkaCluster, topic: str) -> list[tuple[int, bytes | None, Any]]:
    """Return partition, key and value of all that is committed of a topic now."""
    return [_record(message) for message in read_messages(kafka, topic)]
