"""What hurts a group, and how is seen what came of it; no broker is needed for these."""

from __future__ import annotations

import base64
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from engine.torture import Report
from engine.torture.kafka import GROUP_CASES, GroupReport, GroupSubject, torture_group
from engine.torture.kafka.brokers import Found, _java_hash
from engine.torture.kafka.cases import N_HANGING, N_SLOW, SLOW_S, TIMEOUT, _without_time
from engine.torture.kafka.group import Group
from engine.torture.kafka.inputs import SPOILT, Recipe, in_transactions, mix
from engine.torture.kafka.members import Member
from engine.torture.kafka.recovery import Recovery
from engine.torture.kafka.troubles import FENCED_S, MAX_GUESTS, Trouble, Troublemaker
from engine.torture.kills import Life, Plan
from engine.torture.stages import TortureFailed

MIXED = mix(Recipe(5000, 0.001, N_SLOW, SLOW_S, N_HANGING), seed=7)


def test_every_record_is_written_once_for_good_and_some_are_aborted_before() -> None:
    written = list(in_transactions(MIXED))
    kept = [record for records, holds in written if holds for record in records]
    assert kept == MIXED
    aborted = [record for records, holds in written if not holds for record in records]
    assert set(aborted) < set(kept)
    assert len(aborted) > 1000


def test_an_input_has_records_of_every_kind_and_is_the_same_every_time() -> None:
    assert mix(Recipe(5000, 0.001, N_SLOW, SLOW_S, N_HANGING), seed=7) == MIXED
    ticks = [json.loads(value) for _, value in MIXED if value != SPOILT]
    pauses = Counter(tick["pause_s"] for tick in ticks)
    assert (pauses[SLOW_S], pauses[3600.0]) == (N_SLOW, N_HANGING)
    assert 5 < sum(tick["fails"] for tick in ticks) < 60
    assert 5 < len(MIXED) - len(ticks) < 60
    assert len({key for key, _ in MIXED}) == 20


def test_a_script_that_hangs_has_a_limit_that_slow_records_keep() -> None:
    assert float(TIMEOUT.removeprefix("# engine.timeout: ").strip().removesuffix("s")) > 2 * SLOW_S


@pytest.mark.parametrize(
    ("places", "is_over"),
    [
        ({0: 5, 1: 5, 2: 5}, False),
        ({0: 6, 1: 5, 2: 5}, False),
        ({0: 5, 1: 6, 2: 5}, True),
        ({0: 5, 1: 5, 2: 6}, True),
    ],
)
def test_a_group_has_recovered_when_a_partition_of_who_was_killed_gets_on(
    places: dict[int, int], is_over: bool
) -> None:
    recovery = Recovery()
    recovery.begin({0: 5, 1: 5, 2: 5}, frozenset({1, 2}))
    assert (recovery.look(places, []) is not None) is is_over


def test_a_recovery_is_measured_once() -> None:
    recovery = Recovery()
    recovery.begin({0: 5}, frozenset({0}))
    assert recovery.look({0: 6}, []) is not None
    assert recovery.look({0: 7}, []) is None


def test_what_is_measured_beside_other_trouble_does_not_count() -> None:
    recovery = Recovery()
    recovery.begin({0: 5}, frozenset({0}))
    recovery.disturb()
    assert recovery.look({0: 6}, []) is None


def make_member(folder: Path, name: str = "m0", *lines: str, is_guest: bool = False) -> Member:
    member = Member(name, ["sleep", "60"], folder, {}, is_guest=is_guest)
    member._log.write_text("".join(f"{line}\n" for line in lines))
    return member


def assigned(seconds: float, *tasks: int) -> str:
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return json.dumps({"event": "group.assigned", "tasks": tasks, "of": tasks, "timestamp": f"{when}+00:00"})


def test_recovery_counts_from_the_last_assignment_and_the_total_from_the_kill(tmp_path: Path) -> None:
    soon = int(time.time()) + 1
    lines = ("--- engine run", assigned(soon, 0), assigned(soon + 1, 0, 1), assigned(soon + 5, 1), "group.assigned")
    member = make_member(tmp_path, "m0", *lines)
    recovery = Recovery()
    recovery.begin({0: 5}, frozenset({0}))
    found = recovery.look({0: 6}, [member])
    assert found is not None
    assert found.total_s - found.from_assignment_s == pytest.approx(soon + 1 - time.time(), abs=0.5)
    assert member.partitions == {1}


class FakeBrokers:
    def __init__(self) -> None:
        self.shut: list[str] = []

    def shut_out(self, name: str) -> None:
        self.shut.append(name)

    def coordinator(self, _group: str) -> int:
        return 2


class FakeBouncer:
    numbers = (1, 2, 3)

    def __init__(self) -> None:
        self.bounced: list[int] = []

    def bounce(self, number: int, *, is_hard: bool) -> None:
        self.bounced.append(number)


class FakeVictim:
    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda: self.done.append(name)


def at_work(folder: Path, name: str = "m0", *, is_guest: bool = False) -> tuple[Member, FakeVictim]:
    member, victim = make_member(folder, name, is_guest=is_guest), FakeVictim()
    member._victim, member.worked_s = victim, 0.0  # type: ignore[assignment]
    return member, victim


def troublemaker(kind: Trouble, *, brokers: Any = None, bouncer: Any = None, invite: Any = None) -> Troublemaker:
    rng = random.Random(1)
    return Troublemaker([kind], brokers or FakeBrokers(), bouncer, "group", 2.0, rng, invite or (lambda: None))


LATER_S = 1e9  # it is time for the next one


def test_only_so_many_guests_come(tmp_path: Path) -> None:
    invited: list[int] = []
    maker = troublemaker(Trouble.JOIN, invite=lambda: invited.append(1))
    guests = [at_work(tmp_path, f"guest{nth}", is_guest=True)[0] for nth in range(MAX_GUESTS)]
    assert maker.look(guests[:1], LATER_S, is_over=False) is Trouble.JOIN
    assert maker.look(guests, 2 * LATER_S, is_over=False) is None
    assert len(invited) == 1


def test_who_stands_still_goes_on_behind_its_session(tmp_path: Path) -> None:
    maker = troublemaker(Trouble.FREEZE)
    member, victim = at_work(tmp_path)
    assert maker.look([member], LATER_S, is_over=False) is Trouble.FREEZE
    assert victim.done == ["freeze"]
    assert member.frozen_until_s is not None
    assert member.frozen_until_s > time.monotonic() + 2.0
    maker.look([member], member.frozen_until_s + 0.1, is_over=True)
    assert victim.done == ["freeze", "thaw"]
    assert not member.is_frozen


def test_nobody_is_shut_out_twice_in_half_a_minute(tmp_path: Path) -> None:
    brokers = FakeBrokers()
    maker = troublemaker(Trouble.FENCE, brokers=brokers)
    member, _ = at_work(tmp_path)
    assert maker.look([member], LATER_S, is_over=False) is Trouble.FENCE
    maker._pool.shutdown()
    assert brokers.shut == ["group-m0"]
    assert not maker._make(Trouble.FENCE, [member], LATER_S + FENCED_S - 1)


def test_the_broker_that_keeps_the_group_is_moved_away_from(tmp_path: Path) -> None:
    bouncer = FakeBouncer()
    maker = troublemaker(Trouble.MOVE, bouncer=bouncer)
    assert maker.look([make_member(tmp_path)], LATER_S, is_over=False) is None  # there is no group yet
    assert maker.look([at_work(tmp_path)[0]], 2 * LATER_S, is_over=False) is Trouble.MOVE
    maker._pool.shutdown()
    assert bouncer.bounced == [2]


@pytest.mark.parametrize(("text", "number"), [("", 0), ("group", 98629247), ("torture-kafka-brokers-2-group", None)])
def test_the_partition_of_a_group_is_found_as_brokers_find_it(text: str, number: int | None) -> None:
    assert -(1 << 31) <= _java_hash(text) < 1 << 31
    assert number is None or _java_hash(text) == number


def test_no_more_trouble_is_made_when_there_was_enough(tmp_path: Path) -> None:
    member, victim = at_work(tmp_path)
    assert troublemaker(Trouble.FREEZE).look([member], LATER_S, is_over=True) is None
    assert victim.done == []


def reject(value: bytes, stage: str = "action", at: str = "2026-01-01") -> Found:
    said = {"slot": 0, "stage": stage, "error": "ValueError", "value": base64.b64encode(value).decode(), "time": at}
    return Found(0, 0, b"", json.dumps(said).encode())


class Cluster(FakeBrokers):
    """Gives what a pass has left."""

    address = "nowhere:1"

    def __init__(self, outputs: list[tuple[bytes, bytes]], rejects: list[Found]) -> None:
        super().__init__()
        self._found = {"target": [Found(0, nth, *record) for nth, record in enumerate(outputs)], "rejects": rejects}

    def shortest_session_ms(self) -> int:
        return 1000

    def read(self, topic: str) -> list[Found]:
        return self._found[topic]


RIGHT = [(b"A", b"1"), (b"B", b"1"), (b"A", b"2"), (b"B", b"2")]


@pytest.mark.parametrize(
    ("outputs", "rejects", "n_lost", "n_repeated"),
    [
        (RIGHT, [reject(b"x", at="2027")], 0, 0),
        ([RIGHT[1], RIGHT[0], *RIGHT[2:]], [reject(b"x")], 0, 0),
        (RIGHT[:3], [reject(b"x")], 1, 0),
        ([*RIGHT, RIGHT[3]], [reject(b"x")], 0, 1),
        ([RIGHT[2], RIGHT[1], RIGHT[0], RIGHT[3]], [reject(b"x")], 0, 2),
        ([*RIGHT[:3], (b"C", b"2")], [reject(b"x")], 1, 1),
        (RIGHT, [], 1, 0),
        (RIGHT, [reject(b"x"), reject(b"x")], 0, 1),
        (RIGHT, [reject(b"x", stage="input")], 1, 1),
    ],
)
def test_outputs_are_compared_key_by_key_and_rejects_without_their_time(
    outputs: list[tuple[bytes, bytes]], rejects: list[Found], n_lost: int, n_repeated: int, tmp_path: Path
) -> None:
    course: Any = type("Course", (), {"target": "target", "rejects": "rejects"})
    subject = GroupSubject(
        GROUP_CASES["kafka"],
        tmp_path,
        [],
        {},
        Cluster(outputs, rejects),
        name="t",
        n_records=0,  # type: ignore[arg-type]
    )
    subject._expected = {b"A": [b"1", b"2"], b"B": [b"1", b"2"]}
    subject._rejected = [_without_time(reject(b"x"))]
    verdict = subject.judge(*subject.outputs(course))
    assert (verdict.n_lost, verdict.n_repeated) == (n_lost, n_repeated)
    assert bool(verdict.reason) is bool(n_lost or n_repeated)


KILLS_ITSELF = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
print("ready", flush=True)
signal.pause()
"""


def group_of(subject: Any, report: GroupReport, plan: Plan, folder: Path) -> Group:
    course: Any = SimpleNamespace(group="g", folder=folder, arguments=lambda _name: [])
    given = {"brokers": None, "bouncer": None, "session_ms": 1000, "environ": {}, "case": GROUP_CASES["kafka"]}
    return Group(SimpleNamespace(**given, **subject), course, plan, 0, report, random.Random(1), lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("is_for_good", [False, True])
def test_a_group_that_is_told_to_stand_where_it_was_before_is_believed_after_a_while(
    is_for_good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [{0: 5, 1: 5}, {0: 5, 1: 3}, {0: 6, 1: 3} if is_for_good else {0: 6, 1: 5}]
    report = GroupReport("kafka")
    subject = {"command": [], "ends": {0: 6, 1: 6}, "committed": lambda _course: told.pop(0)}
    group = group_of(subject, report, Plan(0, [], random.Random(1)), tmp_path)
    group._members = []
    assert (group._look(), group._look(), group._places) == (False, False, {0: 5, 1: 5})
    monkeypatch.setattr("engine.torture.kafka.group.BACK_S", 0.0)
    if is_for_good:
        with pytest.raises(TortureFailed, match=r"went back from .*1: 5. to .*1: 3"):
            group._look()
    else:
        assert (group._look(), group._places, len(report.backs_s)) == (False, {0: 6, 1: 5}, 1)


@pytest.mark.parametrize("step", ["published", ""])
def test_who_reaches_its_step_while_it_is_stopped_was_killed_and_any_other_end_is_told(
    step: str, tmp_path: Path
) -> None:
    plan = Plan(1, ["published"], random.Random(1))
    group = group_of({"command": [sys.executable, "-c", KILLS_ITSELF]}, GroupReport("kafka"), plan, tmp_path)
    member = group._members[0]
    member.start(Life(step))
    while not member.log_tail().endswith("ready"):
        time.sleep(0.01)
    if step:
        group._end()
        assert (plan.n_done, plan.done["step published"]) == (1, 1)
    else:
        with pytest.raises(TortureFailed, match="exit code -9"):
            group._end()
    group.close()


def test_a_case_that_stops_brokers_needs_somebody_who_may(tmp_path: Path) -> None:
    brokers: Any = Cluster([], [])
    with pytest.raises(TortureFailed, match="nobody here may"):
        GroupSubject(GROUP_CASES["kafka-brokers"], tmp_path, [], {}, brokers, name="t", n_records=0)


def test_trouble_of_every_kind_is_wanted_so_often() -> None:
    report = GroupReport("kafka-frozen", troubles=dict.fromkeys((one.value for one in Trouble), 0) | {"frozen": 2})
    assert isinstance(report, Report)
    assert report.has_troubles([Trouble.FREEZE], 2)
    assert not report.has_troubles([Trouble.FREEZE, Trouble.JOIN], 1)


@pytest.mark.parametrize("error", [KafkaException(KafkaError(KafkaError._TIMED_OUT)), TimeoutError()])
def test_brokers_that_do_not_answer_end_a_case_and_not_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def prepare() -> None:
        raise error

    brokers: Any = Cluster([], [])
    subject = GroupSubject(GROUP_CASES["kafka"], tmp_path, [], {}, brokers, name="t", n_records=0)
    monkeypatch.setattr(subject, "prepare", prepare)
    monkeypatch.setattr(subject, "close", lambda: None)
    report = torture_group(subject, 1, 0)
    assert not report.is_right
    assert "could not be asked" in report.reasons[0]
