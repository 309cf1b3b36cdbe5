"""The cases over Kafka: who is in the group, what is done to it, and how its outputs are judged."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.torture.cases import SCRIPTS, WATERMARK
from engine.torture.kafka.brokers import Bouncer, Brokers, Found
from engine.torture.kafka.inputs import N_PARTITIONS, Recipe, in_transactions, mix
from engine.torture.kafka.troubles import Trouble
from engine.torture.stages import TortureFailed
from engine.torture.verdicts import Verdict, compare
from engine.torture.victim import Victim

STEPS = ("cut", "state", "written", "synced", "sent", "transacted", "published")
"""The steps of a commit that is a transaction; those of the local store are met by the other cases."""

PAUSE_S = 0.001  # what a record takes: a group of two is at work for ten seconds
QUIET_MS = 500
"""Without a record for so long, behind the end of every partition, the engine that nobody hurts is through."""

SLOW_S, N_SLOW, N_HANGING = 1.5, 3, 2
"""Slow ones take longer than the shortest session, in which a member that does not poll is put out of its group."""

TIMEOUT = "# engine.timeout: 5s\n"
"""Of the script that hangs; only of that one, since an engine that stands still takes its script for late when it goes
on."""


@dataclass(frozen=True, slots=True)
class GroupCase:
    """What is done to a group.

    Parameters
    ----------
    name : str
        What it is called on the command line.
    n_members : int
        How many engines are at work, beside guests.
    troubles : tuple of Trouble
        What is done beside killing.
    protocol : str
        ``classic`` or ``consumer``: who says which partitions are whose.
    is_slow : bool
        Some records take long or never end, and the group waits for nobody.
    """

    name: str
    n_members: int = 1
    troubles: tuple[Trouble, ...] = ()
    protocol: str = "classic"
    is_slow: bool = False

    @property
    def needs_bouncer(self) -> bool:
        """Whether brokers are to be stopped."""
        return bool({Trouble.BOUNCE, Trouble.MOVE} & set(self.troubles))


_STORM = (Trouble.JOIN, Trouble.LEAVE)

GROUP_CASES = {
    case.name: case
    for case in (
        GroupCase("kafka"),
        GroupCase("kafka-storm", 2, _STORM),
        GroupCase("kafka-storm-new", 2, _STORM, "consumer"),
        GroupCase("kafka-frozen", 2, (Trouble.FREEZE,)),
        GroupCase("kafka-aborted", 2, (Trouble.FENCE,)),
        GroupCase("kafka-slow", 2, (Trouble.JOIN, Trouble.LEAVE), is_slow=True),
        GroupCase("kafka-brokers", 2, (Trouble.BOUNCE, Trouble.MOVE)),
    )
}
"""All of them, by name."""


@dataclass(frozen=True, slots=True)
class Course:
    """What engines of one group go through: topics, and the library that names them.

    Parameters
    ----------
    group, source, target, rejects : str
        The group and its topics.
    folder : Path
        Has the library, and takes states and logs.
    """

    group: str
    source: str
    target: str
    rejects: str
    folder: Path

    def arguments(self, member: str) -> list[str]:
        """Return what an engine is started with."""
        script = self.folder / "library" / "model_scripts" / "grouped.py"
        state = ["--state", str(self.folder / f"state-{member}"), "--instance", member]
        return ["--debug", "run", str(script), "inputs", "outputs", *state]


class GroupSubject:
    """The input of a case and its outputs, on somebody's brokers.

    Parameters
    ----------
    case : GroupCase
        What is done.
    folder : Path
        For everything that is made; there, and empty.
    command : sequence of str
        What starts the program ``engine``.
    environ : mapping
        The engines' environment.
    brokers : Brokers
        The cluster.
    name : str
        How all topics and groups begin; nobody else's do.
    n_records : int
        How many records there are.
    bouncer : Bouncer, optional
        Who may stop brokers.
    """

    def __init__(
        self,
        case: GroupCase,
        folder: Path,
        command: Sequence[str],
        environ: Mapping[str, str],
        brokers: Brokers,
        *,
        name: str,
        n_records: int,
        bouncer: Bouncer | None = None,
    ) -> None:
        if case.needs_bouncer and bouncer is None:
            raise TortureFailed(f"{case.name} stops brokers, and nobody here may.", "")
        self.case, self.folder, self.brokers, self.bouncer = case, folder, brokers, bouncer
        self.command, self.environ = list(command), {**environ, "ENGINE_LOG": "json"}
        self._name, self._n_records = name, n_records
        self._n_courses = 0
        self._expected: dict[bytes, list[bytes]] = {}
        self._rejected: list[bytes] = []
        self.ends: dict[int, int] = {}
        """Where the group stands when everything is scored, by partition."""
        self.session_ms = brokers.shortest_session_ms() if case.is_slow else max(2000, brokers.shortest_session_ms())

    def prepare(self) -> None:
        """Write the input, and have an engine that nobody hurts say what is expected."""
        few = (N_SLOW, SLOW_S, N_HANGING) if self.case.is_slow else ()
        records = mix(Recipe(self._n_records, PAUSE_S, *few), seed=7)
        self.brokers.make_topics([self._source], N_PARTITIONS)
        self.brokers.write(self._source, in_transactions(records))
        for found in self.brokers.read(self._source):
            self.ends[found.partition] = found.offset + 1
        course = self.course(is_ending=True)
        victim = Victim(
            [*self.command, *course.arguments("unhurt")], course.folder, course.folder / "engine.log", self.environ
        )
        try:
            if (code := victim.wait()) != 0:
                raise TortureFailed(f"The run that nobody hurts ended with exit code {code}.", victim.log_tail())
        finally:
            victim.kill()
        self._expected, self._rejected = self.outputs(course)
        n_read, n_given = len(records), sum(map(len, self._expected.values())) + len(self._rejected)
        if n_read != n_given:
            raise TortureFailed(
                f"The run that nobody hurts gave {n_given} outputs and rejects of {n_read} records.", ""
            )
        self.clear(course)

    @property
    def _source(self) -> str:
        return f"{self._name}-{self.case.name}-inputs"

    def _course_name(self, nth: int) -> str:
        return f"{self._name}-{self.case.name}-{nth}"

    def course(self, *, is_ending: bool = False) -> Course:
        """Return a fresh course, for a pass from the beginning; at its end engines wait for more, or end."""
        self._n_courses += 1
        name = self._course_name(self._n_courses)
        folder = self.folder / f"pass-{self._n_courses}"
        for part in ("model_scripts", "schemas", "streams"):
            (folder / "library" / part).mkdir(parents=True)
        script = (SCRIPTS / "grouped.py").read_text()
        (folder / "library" / "model_scripts" / "grouped.py").write_text(TIMEOUT * self.case.is_slow + script)
        course = Course(f"{name}-group", self._source, f"{name}-outputs", f"{name}-rejects", folder)
        self.brokers.make_topics([course.target, course.rejects], N_PARTITIONS)
        for stream, descriptor in self._streams(course, is_ending=is_ending).items():
            (folder / "library" / "streams" / f"{stream}.json").write_text(json.dumps(descriptor))
        return course

    def _streams(self, course: Course, *, is_ending: bool) -> dict[str, dict[str, Any]]:
        base = {"Type": "Kafka", "BootstrapServers": self.brokers.address.split(",")}
        ending = {"MaxWaitTime": QUIET_MS} if is_ending else {}
        source = {**base, "Topic": course.source, "Group": course.group, "Config": self._config(), **ending}
        return {
            "inputs": {
                "Transport": source,
                "Encoding": "json",
                "SkipToRecord": "earliest",
                "Batching": {"Watermark": WATERMARK, "NagleTime": 0},
                "Rejects": {"$ref": "rejects"},
            },
            "outputs": {"Transport": {**base, "Topic": course.target}, "Encoding": "json"},
            "rejects": {"Transport": {**base, "Topic": course.rejects}, "Encoding": "json"},
        }

    def _config(self) -> dict[str, Any]:
        if self.case.protocol == "consumer":
            return {"group.protocol": "consumer"}  # the brokers say how long a session is
        poll_ms = {"max.poll.interval.ms": self.session_ms} if self.case.is_slow else {}
        return {"session.timeout.ms": self.session_ms, "heartbeat.interval.ms": self.session_ms // 5, **poll_ms}

    def committed(self, course: Course) -> dict[int, int] | None:
        """Return where the group stands; None when nobody says it now."""
        return self.brokers.committed(course.group, course.source, N_PARTITIONS)

    def outputs(self, course: Course) -> tuple[dict[bytes, list[bytes]], list[bytes]]:
        """Return what a `read_committed` reader finds: outputs by key, in order, and rejects, in no order."""
        by_key: dict[bytes, list[bytes]] = defaultdict(list)
        for found in self.brokers.read(course.target):
            by_key[found.key].append(found.value)
        return dict(by_key), sorted(_without_time(found) for found in self.brokers.read(course.rejects))

    def judge(self, got: Mapping[bytes, Sequence[bytes]], rejected: Sequence[bytes]) -> Verdict:
        """Return what is wrong with outputs and rejects, over all keys."""
        verdicts = [compare(self._expected.get(key, ()), got.get(key, ())) for key in sorted({*self._expected, *got})]
        verdicts.append(compare(self._rejected, rejected))
        reasons = [verdict.reason for verdict in verdicts if verdict.reason]
        return Verdict(
            sum(verdict.n_lost for verdict in verdicts),
            sum(verdict.n_repeated for verdict in verdicts),
            reasons[0] if reasons else "",
        )

    def clear(self, course: Course) -> None:
        """Remove what a pass has made on the brokers, its changelog too."""
        self.brokers.remove_topics(course.group, course.target, course.rejects)

    def close(self) -> None:
        """Remove everything that was made on the brokers; other cases, whose names may begin like this one, go on."""
        courses = (self._course_name(nth) for nth in range(1, self._n_courses + 1))
        self.brokers.remove_topics(self._source, *(f"{name}-" for name in courses))


def _without_time(found: Found) -> bytes:
    """Return what of a reject is the same in every run."""
    said = json.loads(found.value)
    same = {name: said.get(name) for name in ("slot", "stage", "error", "value")}
    return json.dumps(same, sort_keys=True).encode()
