"""Groups of engines are killed, frozen and shut out, and guests come and go: every key has what an unhurt engine gave.

The same torture of an engine with one promise broken must see it: else it would prove nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.torture import engine_environ
from engine.torture.kafka import GROUP_CASES, Brokers, GroupReport, GroupSubject, torture_group
from testbed.kafka import KafkaCluster

BROKEN = Path(__file__).parents[1] / "broken_engine.py"
ENGINE = (sys.executable, "-m", "engine")
N_RECORDS = 2_000
SEEDS = range(1, 6)
"""Of what is done to an engine with a promise broken, until it is found out; nearly always, the first time."""


@pytest.fixture
def brokers(kafka: KafkaCluster) -> Iterator[Brokers]:
    return Brokers(kafka.bootstrap)


def hurt(
    name: str,
    brokers: Brokers,
    folder: Path,
    topics: str,
    command: Sequence[str] = ENGINE,
    n_records: int = N_RECORDS,
    seed: int = 1,
    **options: Any,
) -> GroupReport:
    folder.mkdir(exist_ok=True)
    subject = GroupSubject(
        GROUP_CASES[name], folder, command, engine_environ(), brokers, name=topics, n_records=n_records
    )
    return torture_group(subject, 4, seed, **options)


def test_a_case_that_is_over_leaves_the_topics_of_the_others(
    brokers: Brokers, kafka: KafkaCluster, name: str, tmp_path: Path
) -> None:
    left: set[str] = set()
    subjects = []
    for case in ("kafka", "kafka-storm", "kafka-storm-new"):  # each begins as the one before
        (tmp_path / case).mkdir()
        subject = GroupSubject(
            GROUP_CASES[case], tmp_path / case, ENGINE, engine_environ(), brokers, name=name, n_records=1
        )
        course = subject.course()
        left |= {course.target, course.rejects}
        subjects.append((subject, course))
    for subject, course in subjects:
        assert {course.target, course.rejects} <= left <= set(kafka.admin().list_topics(timeout=10).topics)
        subject.close()
        left -= {course.target, course.rejects}


@pytest.mark.parametrize("case", ["kafka", "kafka-frozen"])
def test_hurt_groups_lose_nothing_and_repeat_nothing(case: str, brokers: Brokers, name: str, tmp_path: Path) -> None:
    report = hurt(case, brokers, tmp_path, name)
    assert report.reasons == []
    assert (report.n_lost, report.n_repeated) == (0, 0)
    assert report.n_kills >= 4
    assert report.n_outputs == report.n_passes * N_RECORDS
    assert all(report.troubles[trouble.value] for trouble in GROUP_CASES[case].troubles)


@pytest.mark.parametrize(
    ("fault", "step", "is_seen"),
    [
        ("transaction", "sent", lambda report: report.n_repeated > 0),
        ("one-transaction", "sent", lambda report: report.n_lost > 0),
        ("restoring", "published", lambda report: report.n_lost > 0),
    ],
)
def test_a_group_that_breaks_a_promise_is_found_out(
    fault: str, step: str, is_seen: Callable[[GroupReport], bool], brokers: Brokers, name: str, tmp_path: Path
) -> None:
    command = sys.executable, str(BROKEN), fault
    reports: list[GroupReport] = []
    for seed in SEEDS:  # one that is hurt may also end by itself, and then nothing of it is judged
        options = {"n_records": N_RECORDS // 2, "seed": seed, "steps": (step,)}
        reports.append(hurt("kafka", brokers, tmp_path / f"{seed}", f"{name}-{seed}", command, **options))
        if is_seen(reports[-1]):
            assert not reports[-1].is_right
            return
    pytest.fail("\n".join(str((report.kills, report.n_passes, report.reasons)) for report in reports))
