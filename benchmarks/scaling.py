"""Engines join a group and leave it while records come: what moves, and for how long a partition stands still.

Two engines, four, two again, one killed and started again. Records come at an even pace, so that the time between two
commits of a partition is that of its scores: what a rebalance adds to it is what a reader has to wait longer.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from benchmarks.measuring import LOCAL, machine, print_table, save
from benchmarks.over_kafka.contenders import Engine, Task
from benchmarks.over_kafka.loads import pack_double
from benchmarks.over_kafka.topics import QUIET
from engine.torture import engine_environ
from engine.torture.kafka.brokers import Brokers
from engine.torture.kafka.members import Member
from testbed.kafka import KafkaCluster

N_PARTITIONS = 8
N_KEYS = 2000  # some 60 kB of state in each partition
RATE = 400  # records a second: 50 a partition, and less than half of what one engine can do
CALM_S = 8.0  # between two changes, and before the first one
LIMIT_S = 60.0
LOOK_S = 0.02
PROTOCOLS = ("classic", "consumer")


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of the group came to.

    Parameters
    ----------
    what : str
        The change.
    n_moved : int
        Partitions that another engine has than before.
    moved_s, stayed_s : float, optional
        The longest time between two commits of a partition that moved, and of one that stayed.
    settled_s : float
        From the change to the moment from which the partitions were dealt out as they stayed.
    """

    what: str
    n_moved: int
    moved_s: float | None
    stayed_s: float | None
    settled_s: float


class Pulse(threading.Thread):
    """Writes records at an even pace until it is closed."""

    def __init__(self, brokers: str, topic: str) -> None:
        super().__init__(daemon=True)
        self._producer = Producer(
            {"bootstrap.servers": brokers, "log_level": QUIET, "linger.ms": 0, "partitioner": "murmur2_random"}
        )
        self._topic, self._is_over = topic, threading.Event()

    def run(self) -> None:
        """Write them."""
        began_s = time.perf_counter()
        for nth in itertools.count():
            if self._is_over.wait(max(0.0, began_s + nth / RATE - time.perf_counter())):
                break
            self._producer.produce(self._topic, pack_double(float(nth)), b"K%04d" % (nth * 7919 % N_KEYS))
            self._producer.poll(0)
        self._producer.flush()

    def close(self) -> None:
        """Write no more."""
        self._is_over.set()
        self.join()


class Watch(threading.Thread):
    """Looks when a group commits, partition by partition."""

    def __init__(self, brokers: Brokers, group: str, topic: str) -> None:
        super().__init__(daemon=True)
        self._brokers, self._group, self._topic = brokers, group, topic
        self._is_over = threading.Event()
        self.commits_s: dict[int, list[float]] = defaultdict(list)

    def run(self) -> None:
        """Look until closed."""
        before: dict[int, int] = {}
        while not self._is_over.wait(LOOK_S):
            places = self._brokers.committed(self._group, self._topic, N_PARTITIONS) or {}
            now_s = time.time()
            for partition, place in places.items():
                if place > before.get(partition, 0):
                    self.commits_s[partition].append(now_s)
            before |= places

    def close(self) -> None:
        """Look no more."""
        self._is_over.set()
        self.join()

    def longest_s(self, partitions: Sequence[int], since_s: float) -> float | None:
        """Return the longest time between two commits of one of the partitions, the last one before `since_s` on."""
        found = []
        for partition in partitions:
            times = list(self.commits_s[partition])
            first = max((nth for nth, at_s in enumerate(times) if at_s < since_s), default=0)
            found += [b - a for a, b in itertools.pairwise(times[first:])]
        return round(max(found), 2) if found else None


class Fleet:
    """The engines of one group."""

    def __init__(self, task: Task, protocol: str) -> None:
        self._task, self._engine = task, Engine()
        self._protocol = protocol
        self._members: dict[str, Member] = {}
        self.alive: set[str] = set()

    def start(self, *names: str) -> None:
        """Start engines."""
        for name in names:
            if name not in self._members:
                config = {"group.protocol": "consumer"} if self._protocol == "consumer" else {}
                state = self._task.folder / f"state-{name}"
                command = self._engine.command(self._task, instance=name, state=state, config=config)
                command.insert(command.index("run"), "--debug")
                environ = engine_environ() | {"ENGINE_LOG": "json"}
                self._members[name] = Member(name, command, self._task.folder, environ)
            self._members[name].start(None)
            self.alive.add(name)

    def stop(self, *names: str) -> None:
        """Have engines leave."""
        for name in names:
            self._members[name].leave()
        for name in names:
            self._members[name].victim.wait_for_end()
            self.alive.discard(name)

    def kill(self, name: str) -> None:
        """Kill an engine."""
        self._members[name].end()

    def owners(self) -> dict[int, str]:
        """Return who has which partition."""
        return {partition: name for name in sorted(self.alive) for partition in self._members[name].partitions}

    def assigned_s(self) -> float:
        """Return when somebody was last given something."""
        return max((one.at_s for name in self.alive for one in self._members[name].assignments()), default=0.0)

    def close(self) -> None:
        """Kill them all."""
        for member in self._members.values():
            member.end()

    def is_settled(self, n_engines: int, since_s: float) -> bool:
        """Return whether they were dealt out anew: every partition is somebody's, and everybody has some."""
        owners = self.owners()
        is_dealt = len(owners) == N_PARTITIONS and len(set(owners.values())) == n_engines
        return is_dealt and self.assigned_s() > since_s


def change(fleet: Fleet, watch: Watch, what: str, act: Any, n_engines: int) -> Change:
    """Change a group, wait until it is settled and calm, and return what it came to."""
    before, began_s = fleet.owners(), time.time()
    act()
    while not fleet.is_settled(n_engines, began_s) or time.time() < fleet.assigned_s() + CALM_S:
        if time.time() > began_s + LIMIT_S + CALM_S:
            raise RuntimeError(f"{what}: the group is not settled after {LIMIT_S:g} s: {fleet.owners()}")
        time.sleep(LOOK_S)
    after = fleet.owners()
    moved = [partition for partition in after if before.get(partition) != after[partition]]
    stayed = [partition for partition in after if partition not in moved]
    return Change(
        what,
        len(moved),
        watch.longest_s(moved, began_s) if before else None,
        watch.longest_s(stayed, began_s),
        round(fleet.assigned_s() - began_s, 2),
    )


def measure(protocol: str) -> list[Change]:
    """Return what each change came to, with one of the protocols."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(KafkaCluster(is_long_lived=True))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scaling-")))
        brokers = Brokers(cluster.bootstrap)
        brokers.make_topics(["prices", "means"], N_PARTITIONS)
        fleet = Fleet(Task(cluster.bootstrap, "prices", "means", "means", "scaled", folder), protocol)
        stack.callback(fleet.close)
        pulse, watch = Pulse(cluster.bootstrap, "prices"), Watch(brokers, "means", "prices")
        for thread in (pulse, watch):
            thread.start()
            stack.callback(thread.close)
        return list(_changes(fleet, watch))


def _changes(fleet: Fleet, watch: Watch) -> Iterator[Change]:
    yield change(fleet, watch, "one engine begins", lambda: fleet.start("a"), 1)
    yield change(fleet, watch, "a second one joins", lambda: fleet.start("b"), 2)
    yield change(fleet, watch, "two more join", lambda: fleet.start("c", "d"), 4)
    yield change(fleet, watch, "two leave", lambda: fleet.stop("c", "d"), 2)

    def bounce() -> None:
        fleet.kill("b")
        fleet.start("b")

    yield change(fleet, watch, "one is killed, and started again", bounce, 2)


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    for protocol, changes in results["protocols"].items():
        rows = [
            (one["what"], one["n_moved"], _shown(one["moved_s"]), _shown(one["stayed_s"]), one["settled_s"])
            for one in changes
        ]
        head = ("what", "moved", "s between commits, moved", "stayed", "s until settled")
        print_table(f"{protocol}: {N_PARTITIONS} partitions, {RATE} records/s", head, rows)
    longest = [one["stayed_s"] for changes in results["protocols"].values() for one in changes if one["stayed_s"]]
    print(f"\nmedian of the longest waits of partitions that stayed: {statistics.median(longest):.2f} s")


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``scaling.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=PROTOCOLS, help="only this protocol")
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {"benchmark": "scaling", "machine": machine(), "rate": RATE, "n_keys": N_KEYS}
    protocols = options.only or PROTOCOLS
    results["protocols"] = {protocol: [asdict(one) for one in measure(protocol)] for protocol in protocols}
    show(results)
    save("scaling", results, options.out)


if __name__ == "__main__":
    sys.exit(main())
