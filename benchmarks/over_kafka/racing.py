"""One run of one contender: started, watched from outside, ended, and its outputs checked."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from benchmarks.over_kafka.contenders import Contender, Task
from benchmarks.over_kafka.footprint import Footprint, busy_s
from benchmarks.over_kafka.loads import Load
from benchmarks.over_kafka.topics import Topics

LOOK_S = 0.02  # between two looks at the target: a commit comes every 0.1 s
FOOTPRINT_S = 0.25  # between two looks at the processes: reading them all takes some ms
QUIET_S = 1.0  # so long after the last output the run is over
START_S = 120.0  # a first output that has not come by then will not
STUCK_S = 60.0
END_S = 10.0
TAIL_LINES = 20

_numbers = itertools.count(1)


class ContenderFailed(Exception):
    """A contender ended, came to a halt, or gave wrong outputs; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took.

    Parameters
    ----------
    rate : float
        Outputs a second, from the first that could be seen to the last.
    start_s : float
        From the start of the process to the first output.
    cpu_s : float
        CPU seconds of all its processes, from the start to the last output.
    cpu_us : float
        CPU microseconds an output, while `rate` was measured.
    rss_bytes : int
        The most that its processes had.
    others_share : float
        Cores that neither it nor the broker nor this process used while `rate` was measured.
    """

    rate: float
    start_s: float
    cpu_s: float
    cpu_us: float
    rss_bytes: int
    others_share: float


@contextlib.contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a contender, and end it with all that it started."""
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=_environ(), start_new_session=True)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], *signals: signal.Signals) -> None:
    """End a contender: in order, else by force."""
    for number in signals or (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
            return


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}


class Track:
    """The topics with the inputs, on which contenders run one after the other.

    Parameters
    ----------
    topics : Topics
        Of the broker.
    brokers : tuple of int
        Its processes.
    """

    def __init__(self, topics: Topics, brokers: Sequence[int] = ()) -> None:
        self.topics = topics
        self._brokers = [Footprint(pid) for pid in brokers]

    @contextlib.contextmanager
    def task(self, source: str, load: str) -> Iterator[Task]:
        """Give a task with a fresh target, group and folder, and remove what was made for it."""
        name = f"{load.replace('_', '-')}-{next(_numbers)}-{os.getpid()}"
        before = self.topics.names()
        self.topics.make(f"out-{name}")
        folder = Path(tempfile.mkdtemp(prefix="over-kafka-"))
        try:
            yield Task(self.topics.brokers, source, f"out-{name}", f"group-{name}", load, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            made = self.topics.names() - before  # changelogs too
            self.topics.remove(*(topic for topic in made if not topic.startswith("__")))

    def run(self, contender: Contender, load: Load, source: str) -> Run:
        """Have a contender score a load, and return what it took.

        Raises
        ------
        ContenderFailed
            It did not get through, or not rightly.
        """
        with self.task(source, load.name) as task:
            log = task.folder / "log"
            with running(contender.command(task), log) as process:
                measured = self._watch(process, task, load, contender, log)
            if wrong := load.check(self.topics.outputs(task.target)):
                raise ContenderFailed(f"{contender.name}: {wrong}\n{tail(log)}")
            return measured

    def _watch(self, process: subprocess.Popen[bytes], task: Task, load: Load, contender: Contender, log: Path) -> Run:
        started_s = looked_s = time.perf_counter()
        footprint = Footprint(process.pid)
        first: _Mark | None = None
        last: _Mark | None = None
        while True:
            time.sleep(LOOK_S)
            with contextlib.suppress(KafkaException):
                n_visible = self.topics.n_visible(task.target)
            now_s = time.perf_counter()
            if n_visible and (last is None or n_visible != last.n_visible):
                last = _Mark(n_visible, now_s, footprint.look(), self._ours_s(), busy_s())
                first = first or last
                looked_s = now_s
            elif now_s - looked_s > FOOTPRINT_S:
                footprint.look()
                looked_s = now_s
            if last is not None and last.n_visible >= load.n_outputs and now_s - last.at_s > QUIET_S:
                break
            is_late = now_s - started_s > START_S if last is None else now_s - last.at_s > STUCK_S
            if process.poll() is not None or is_late:
                what = f"ended with {process.poll()}" if process.poll() is not None else "came to a halt"
                raise ContenderFailed(f"{contender.name} {what} after {n_visible} outputs.\n{tail(log)}")
        assert first is not None
        assert last is not None
        seconds = max(last.at_s - first.at_s, LOOK_S)
        n_measured = max(load.n_outputs - first.n_visible, 1)
        cpu_s, ours_s = last.cpu_s - first.cpu_s, last.ours_s - first.ours_s
        return Run(
            rate=n_measured / seconds,
            start_s=first.at_s - started_s,
            cpu_s=last.cpu_s,
            cpu_us=cpu_s / n_measured * 1e6,
            rss_bytes=footprint.peak_rss_bytes,
            others_share=(last.busy_s - first.busy_s - cpu_s - ours_s) / seconds,
        )

    def _ours_s(self) -> float:
        return sum(broker.look() for broker in self._brokers) + time.process_time()


@dataclass(frozen=True, slots=True)
class _Mark:
    """What was seen when new outputs were."""

    n_visible: int
    at_s: float
    cpu_s: float
    ours_s: float
    busy_s: float


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
