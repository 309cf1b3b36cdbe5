"""How long a record takes: from the moment it is written to the moment a `read_committed` reader has its output."""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, Producer

from benchmarks.over_kafka.contenders import Contender
from benchmarks.over_kafka.loads import key_of, pack_double, partition_of, unpack_double
from benchmarks.over_kafka.racing import ContenderFailed, Track, running, tail
from benchmarks.over_kafka.topics import QUIET, Topics

RATE = 1000  # records a second
N_WARM = 2000  # first records, that are not counted: a JVM warms up
N_RECORDS = 10_000
AHEAD_S = 60.0  # until the first output: by then everybody has joined the group
STUCK_S = 30.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds from the input to the output."""

    p50_ms: float
    p99_ms: float
    max_ms: float


class _Pulse(threading.Thread):
    """Writes records at an even pace; each says which it is."""

    def __init__(self, topics: Topics, source: str, n_records: int) -> None:
        super().__init__(daemon=True)
        self._producer = Producer({"bootstrap.servers": topics.brokers, "log_level": QUIET, "linger.ms": 0})
        self._source = source
        self.sent_s = [0.0] * n_records

    def write(self, nth: int) -> None:
        """Write one record now."""
        self.sent_s[nth] = time.perf_counter()
        self._producer.produce(self._source, pack_double(float(nth)), key_of(nth), partition=partition_of(nth))
        self._producer.poll(0)

    def run(self) -> None:
        """Write all but the first."""
        began_s = time.perf_counter()
        for nth in range(1, len(self.sent_s)):
            if (wait_s := began_s + nth / RATE - time.perf_counter()) > 0:
                time.sleep(wait_s)
            self.write(nth)
        self._producer.flush()


def measure(track: Track, contender: Contender, n_records: int = N_RECORDS) -> Latencies:
    """Return the latencies of a contender with the no-op.

    Raises
    ------
    ContenderFailed
        An output is missing or came twice.
    """
    n_warm = min(N_WARM, n_records // 5)
    source = f"pulse-{time.monotonic_ns()}"
    track.topics.make(source)
    try:
        with track.task(source, "no_op") as task:
            pulse = _Pulse(track.topics, source, n_records)
            with track.topics.reader_of_new(task.target) as consumer:
                log = task.folder / "log"
                with running(contender.command(task), log):
                    came_s = _listen(consumer, pulse, f"{contender.name}: {{}}", log)
            pulse.join()
    finally:
        track.topics.remove(source)
    waits_ms = [1e3 * (b - a) for a, b in zip(pulse.sent_s[n_warm:], came_s[n_warm:], strict=True)]
    quantiles = statistics.quantiles(waits_ms, n=100)
    return Latencies(statistics.median(waits_ms), quantiles[98], max(waits_ms))


def _listen(consumer: Consumer, pulse: _Pulse, said: str, log: Path) -> list[float]:
    """Return when each output came; the first one lets the pulse go."""
    came_s = [0.0] * len(pulse.sent_s)
    pulse.write(0)
    n_got, deadline_s = 0, time.perf_counter() + AHEAD_S
    while n_got < len(came_s):
        message, now_s = consumer.poll(0.1), time.perf_counter()
        if now_s > deadline_s:
            raise ContenderFailed(said.format(f"{n_got} of {len(came_s)} outputs came.\n{tail(log)}"))
        if message is None or message.error():
            continue
        nth = int(unpack_double(message.value())[0])
        if came_s[nth]:
            raise ContenderFailed(said.format(f"the output of record {nth} came twice.\n{tail(log)}"))
        came_s[nth] = now_s
        n_got += 1
        deadline_s = now_s + STUCK_S
        if n_got == 1:
            pulse.start()
    return came_s
