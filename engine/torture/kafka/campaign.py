"""Passes over the input, each by a group that is hurt until enough was killed."""

from __future__ import annotations

import random
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from engine.torture.kafka.cases import STEPS, Course, GroupSubject
from engine.torture.kafka.group import Group
from engine.torture.kafka.troubles import Trouble
from engine.torture.kills import Plan
from engine.torture.stages import TortureFailed
from engine.torture.torturer import Report
from engine.torture.verdicts import Verdict

KILLS_PER_TROUBLE = 8  # of each kind: a freeze takes as long as five kills


@dataclass(slots=True)
class GroupReport(Report):
    """What came of a case over Kafka.

    Parameters
    ----------
    troubles : dict
        What else was done, by `Trouble`.
    totals_s : list of float
        For each recovery the seconds from the kill; `recoveries_s` has those from the assignment.
    backs_s : list of float
        For how long the brokers told, each time that they did, that a group stood before where it had been.
    """

    troubles: dict[str, int] = field(default_factory=lambda: {trouble.value: 0 for trouble in Trouble})
    totals_s: list[float] = field(default_factory=list)
    backs_s: list[float] = field(default_factory=list)

    def has_troubles(self, kinds: Sequence[Trouble], n: int) -> bool:
        """Return whether there was so much trouble of each kind."""
        return all(self.troubles[kind.value] >= n for kind in kinds)

    @property
    def total_p50_s(self) -> float:
        """The median of the totals; 0 without any."""
        return statistics.median(self.totals_s) if self.totals_s else 0.0

    @property
    def total_max_s(self) -> float:
        """The longest total."""
        return max(self.totals_s, default=0.0)


def torture_group(
    subject: GroupSubject,
    n_kills: int,
    seed: int,
    *,
    steps: Sequence[str] = STEPS,
    is_kept: bool = False,
    on_kill: Callable[[], None] = lambda: None,
) -> GroupReport:
    """Hurt groups of a case and return what came of it.

    Parameters
    ----------
    subject : GroupSubject
        What they work on.
    n_kills : int
        How many engines and jets are to be killed.
    seed : int
        Decides when.
    steps : sequence of str
        At which steps engines end themselves.
    is_kept : bool
        Keep what a pass has left in which something was wrong.
    on_kill : callable
        Called for each kill.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    plan, report = Plan(n_kills, steps, rng), GroupReport(subject.case.name)
    n_troubles = max(1, n_kills // KILLS_PER_TROUBLE)
    try:
        subject.prepare()
        while not report.reasons and not (plan.is_over and report.has_troubles(subject.case.troubles, n_troubles)):
            n_before = plan.n_done + sum(report.troubles.values())
            _pass(Group(subject, subject.course(), plan, n_troubles, report, rng, on_kill), is_kept=is_kept)
            if plan.n_done + sum(report.troubles.values()) == n_before:
                break  # nothing more can be done to them
    except TortureFailed as exc:
        report.reasons.append(str(exc))
    except (KafkaException, OSError) as exc:  # what other cases have shown counts all the same
        report.reasons.append(f"The brokers could not be asked: {exc!r}.")
    finally:
        if not (is_kept and report.reasons):
            subject.close()
    report.kills = dict(sorted(plan.done.items()))
    if report.backs_s:
        told = f"{len(report.backs_s)} times, for {max(report.backs_s):.1f} s at most"
        report.note = f"Brokers told that a group stood before where it had been: {told}."
    if not report.reasons:
        report.reasons += _unproved(subject, report)
    return report


def _unproved(subject: GroupSubject, report: GroupReport) -> list[str]:
    """Return why a report in which nothing is wrong proves nothing."""
    if not report.has_resumed:
        return ["Nothing was resumed, so that nothing is proved: give more kills."]
    missing = [trouble.value for trouble in subject.case.troubles if not report.troubles[trouble.value]]
    return [f"Nobody was {missing[0]}, so that nothing is proved of it: give more kills."] if missing else []


def _pass(group: Group, *, is_kept: bool) -> None:
    subject, course, report = group.subject, group.course, group.report
    failure = ""
    try:
        group.run()
    except (TortureFailed, OSError) as exc:
        failure = str(exc)
    finally:
        group.close()
    outputs, rejected = subject.outputs(course)
    # Of a pass that did not get to its end, what is missing says nothing: its failure does.
    verdict = Verdict() if failure else subject.judge(outputs, rejected)
    report.n_passes += 1
    report.n_outputs += sum(map(len, outputs.values())) + len(rejected)
    report.n_lost += verdict.n_lost
    report.n_repeated += verdict.n_repeated
    report.reasons += _wrong(course, failure, verdict.reason, is_kept=is_kept)
    if not (is_kept and report.reasons):
        subject.clear(course)
        shutil.rmtree(course.folder)


def _wrong(course: Course, *reasons: str, is_kept: bool) -> list[str]:
    wrong = [reason for reason in reasons if reason]
    if wrong and is_kept:
        wrong.append(f"What it left is in {course.folder}, and in the topics {course.target} and {course.rejects}.")
    return wrong
