"""State that comes back from the changelog: an engine is killed, and another one without its folder goes on."""

from __future__ import annotations

import signal
import statistics
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.over_kafka.contenders import Engine, Task
from benchmarks.over_kafka.footprint import Footprint
from benchmarks.over_kafka.loads import N_KEYS, unpack_double
from benchmarks.over_kafka.racing import ContenderFailed, Track, end, running, tail

N_PRICES = 30
LOAD_S = 600.0  # a million keys take half a minute
LOOK_S = 0.05
QUIET_S = 0.5  # some commits
INSTANCE = "restored"  # one that is gone by another name is missed for the session time-out before anybody goes on


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restart took.

    Parameters
    ----------
    load_s : float
        To score one record of every key, and keep its prices.
    first_score_s : float
        From the start of the new process to its first right output.
    cpu_s : float
        CPU seconds of its processes until then.
    rss_bytes : int
        The most that they had.
    """

    load_s: float
    first_score_s: float
    cpu_s: float
    rss_bytes: int


def prices_of(key: int) -> list[float]:
    """Return a key's prices: different in every key, and cheap."""
    return [float((key * 31 + nth) % 1000) for nth in range(N_PRICES)]


def _record(key: int, prices: list[float]) -> tuple[bytes, bytes]:
    """Return the Kafka key and an Avro array: one block of less than 64 items, and the end."""
    return b"K%07d" % key, struct.pack(f"<B{len(prices)}dB", 2 * len(prices), *prices, 0)


def measure(track: Track, n_keys: int) -> Restored:
    """Return how long an engine takes to go on with so many keys that it has never seen.

    Raises
    ------
    ContenderFailed
        It does not, or not rightly.
    """
    source = f"prices-{time.monotonic_ns()}"
    track.topics.make(source)
    try:
        track.topics.fill(source, _records(n_keys))
        with track.task(source, "last_prices") as task:
            return _restart(track, task, n_keys)
    finally:
        track.topics.remove(source)


def _records(n_keys: int) -> Iterator[tuple[bytes, bytes]]:
    return (_record(key, prices_of(key)) for key in range(n_keys))


def _restart(track: Track, task: Task, n_keys: int) -> Restored:
    log, engine = task.folder / "log", Engine()
    began_s = time.perf_counter()
    with running(engine.command(task, instance=INSTANCE), log) as process:
        while (n_visible := track.topics.n_visible(task.target)) < n_keys or not _is_still(track, task, n_visible):
            if process.poll() is not None or time.perf_counter() - began_s > LOAD_S:
                raise ContenderFailed(f"{n_visible} of {n_keys} keys were loaded.\n{tail(log)}")
        load_s = time.perf_counter() - began_s - QUIET_S
        end(process, signal.SIGKILL)
    n_before = sum(map(len, track.topics.outputs(task.target).values()))
    if n_before != n_keys:
        raise ContenderFailed(f"{n_before} outputs of {n_keys} keys came.\n{tail(log)}")
    key, price = (n_keys - 1) // N_KEYS * N_KEYS, 5000.0  # a key of partition 0, where the only record of a fill goes
    track.topics.fill(task.source, [_record(key, [price])])
    with track.topics.reader_of_new(task.target) as consumer:
        began_s = time.perf_counter()
        with running(engine.command(task, instance=INSTANCE, state=task.folder / "elsewhere"), log) as process:
            footprint = Footprint(process.pid)
            while (message := consumer.poll(LOOK_S)) is None or message.error():
                footprint.look()
                if process.poll() is not None or time.perf_counter() - began_s > LOAD_S:
                    raise ContenderFailed(f"No output came after the restart.\n{tail(log)}")
            took_s = time.perf_counter() - began_s
            cpu_s = footprint.look()
    score, expected = unpack_double(message.value())[0], statistics.fmean([*prices_of(key)[1:], price])
    if abs(score - expected) > 1e-9:  # a mean may differ in the last bit
        raise ContenderFailed(f"After the restart {score} came, and {expected} is right.\n{tail(log)}")
    return Restored(load_s, took_s, cpu_s, footprint.peak_rss_bytes)


def _is_still(track: Track, task: Task, n_visible: int) -> bool:
    """Wait a moment, and return whether no more was committed."""
    time.sleep(QUIET_S)
    return track.topics.n_visible(task.target) == n_visible
