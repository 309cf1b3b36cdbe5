"""Kills the engines of a case, pass after pass, until enough were killed, and judges what each pass gave."""

from __future__ import annotations

import random
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.torture.cases import Subject
from engine.torture.kills import Life, Plan, Way
from engine.torture.stages import Stage, TortureFailed
from engine.torture.verdicts import Verdict
from engine.torture.victim import Victim

POLL_S = 0.002  # what a recovery time is exact to
STEP_PATIENCE_S = 4.0
"""An engine that has worked so long does not reach its step any more, such as where there is nothing left to commit; it
is killed at once."""

STUCK_S = 60.0
"""An engine of which nothing comes for so long is taken as stuck: three restarts of a jet, with their pauses."""


@dataclass(slots=True)
class Report:
    """What came of a case.

    Parameters
    ----------
    name : str
        The case.
    kills : dict
        How much was killed, by `Way`, and by step.
    n_lost, n_repeated : int
        Outputs of all passes; see `Verdict`.
    n_ended : int
        Engines that ended with an error because their jet was killed; over Kafka also because their producer was shut
        out.
    recoveries_s : list of float
        For each engine that followed a killed one, and each jet: from its start, or the jet's end, to the first new
        output.
    reasons : list of str
        What was wrong, a sentence a pass; and where what it left is kept.
    note : str
        What else needs to be said, such as how the outputs were judged.
    has_resumed : bool
        An engine, or a jet, went on with what one that was killed had committed.
    """

    name: str
    kills: dict[str, int] = field(default_factory=dict)
    n_passes: int = 0
    n_outputs: int = 0
    n_lost: int = 0
    n_repeated: int = 0
    n_ended: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    note: str = ""
    has_resumed: bool = False

    @property
    def n_kills(self) -> int:
        """How much was killed."""
        return sum(self.kills.get(way.value, 0) for way in Way)

    @property
    def is_right(self) -> bool:
        """Whether nothing was lost, nothing came twice, and nothing failed."""
        return not (self.n_lost or self.n_repeated or self.reasons)

    @property
    def recovery_p50_s(self) -> float:
        """The median of the recovery times; 0 without any."""
        return statistics.median(self.recoveries_s) if self.recoveries_s else 0.0

    @property
    def recovery_max_s(self) -> float:
        """The longest recovery time."""
        return max(self.recoveries_s, default=0.0)


def torture(
    subject: Subject,
    n_kills: int,
    seed: int,
    *,
    steps: Sequence[str] | None = None,
    is_kept: bool = False,
    on_kill: Callable[[], None] = lambda: None,
) -> Report:
    """Kill engines of a case and return what came of it.

    Parameters
    ----------
    subject : Subject
        What they work on.
    n_kills : int
        How much is to be killed.
    seed : int
        Decides when.
    steps : sequence of str, optional
        Of which steps; by default of all that the case has.
    is_kept : bool
        Keep the folder of a pass in which something was wrong.
    on_kill : callable
        Called for each kill.
    """
    plan = Plan(n_kills, steps or subject.case.steps, random.Random(seed))  # noqa: S311 - no secret
    report = Report(subject.case.name)
    try:
        subject.prepare()
        report.note = subject.note
        while not plan.is_over and not report.reasons:
            _Pass(subject, plan, report, on_kill).run(is_kept=is_kept)
    except TortureFailed as exc:
        report.reasons.append(str(exc))
    report.kills = dict(sorted(plan.done.items()))
    if subject.must_resume and not report.reasons and not report.has_resumed:
        report.reasons.append(
            "Nothing was resumed, so that nothing is proved: no engine that was killed had committed anything."
            " Give a longer input, or more kills."
        )
    return report


class _Pass:
    """One pass over the input."""

    def __init__(self, subject: Subject, plan: Plan, report: Report, on_kill: Callable[[], None]) -> None:
        self._subject, self._plan, self._report, self._on_kill = subject, plan, report, on_kill
        self._stage: Stage = subject.stage()
        self._is_first, self._is_settled = True, False

    def run(self, *, is_kept: bool) -> None:
        stage, report = self._stage, self._report
        failure = ""
        try:
            while not self._live(self._plan.draw()):
                self._is_first = False
        except (TortureFailed, OSError) as exc:
            failure = str(exc)
        finally:
            stage.close()
        got = stage.outputs()
        # Of a pass that did not get to its end, what is missing says nothing: its failure does.
        verdict = Verdict() if failure else self._subject.judge(got)
        report.n_passes += 1
        report.n_outputs += len(got)
        report.n_lost += verdict.n_lost
        report.n_repeated += verdict.n_repeated
        wrong = [reason for reason in (failure, stage.trouble(), verdict.reason) if reason]
        if wrong and is_kept:
            wrong.append(f"What it left is in {stage.folder}.")
        report.reasons += wrong
        if not is_kept or not wrong:
            shutil.rmtree(stage.folder)

    def _live(self, life: Life | None) -> bool:
        """Have one engine live its life; return whether the input was through before its end."""
        stage = self._stage
        if not self._report.has_resumed:
            self._report.has_resumed = stage.has_committed()
        victim = stage.start(life.step if life is not None else "")
        try:
            if not self._is_settled:
                try:
                    stage.settle_in(victim)
                except OSError:
                    if life is None or not life.step or not victim.was_killed():
                        raise
                    self._note(Way.STEP, life.step)
                    return False
                self._is_settled = True
            watch = _Watch(stage, victim, self._report, is_recovery=not self._is_first)
            is_through = _attend(watch, life, self._note, self._note_end)
            if is_through and victim.poll() is None and (code := victim.stop()) != 0:
                if life is None or not life.step or code != -signal.SIGKILL:
                    raise TortureFailed(f"The engine was stopped and ended with exit code {code}.", victim.log_tail())
                self._note(Way.STEP, life.step)  # a step may lie behind the last output
            return is_through
        finally:
            victim.kill()

    def _note(self, way: Way, step: str = "") -> None:
        self._plan.note(way, step)
        self._on_kill()

    def _note_end(self) -> None:
        self._report.n_ended += 1


class _Watch:
    """Looks at an engine: whether something new has come out of it, and whether it still lives."""

    def __init__(self, stage: Stage, victim: Victim, report: Report, *, is_recovery: bool) -> None:
        self.stage, self.victim, self._report = stage, victim, report
        self.worked_s: float | None = None
        """When the first new output came."""
        self._since_s, self._is_recovery = victim.started_s, is_recovery
        self._is_jet = False
        self._size, self._changed_s = stage.output_size(), victim.started_s

    def jet_killed(self) -> None:
        """Measure until the next output: an earlier one was seen, so that there is something to go on with."""
        self._is_jet = True
        self._since_s, self._is_recovery, self.worked_s = time.monotonic(), True, None

    def look(self) -> float:
        """Look once, and return the time."""
        time.sleep(POLL_S)
        size, now_s = self.stage.output_size(), time.monotonic()
        if size > self._size:
            self._changed_s = now_s
            if self.worked_s is None:
                self.worked_s = now_s
                if self._is_jet:
                    self._report.has_resumed = True
                if self._is_recovery:
                    self._report.recoveries_s.append(now_s - self._since_s)
        elif now_s - self._changed_s > STUCK_S:
            raise TortureFailed(f"Nothing came for {STUCK_S:g} s.", self.victim.log_tail())
        self._size = size
        return now_s


def _attend(watch: _Watch, life: Life | None, note: Callable[..., None], note_end: Callable[[], None]) -> bool:
    """Watch an engine until it dies as its life says, or the input is through; return whether it is.

    One that ends with an error because its jet was killed, such as before it had its state, is followed by the next.
    """
    victim = watch.victim
    jet_delay_s, is_jet_killed = life.jet_delay_s if life is not None else None, False
    while True:
        now_s = watch.look()
        if watch.stage.is_through(victim):
            return True
        if (code := victim.poll()) is not None:
            if is_jet_killed and code > 0:
                note_end()
                return False
            if life is None or not life.step or code != -signal.SIGKILL:
                raise TortureFailed(f"An engine that nobody killed ended with exit code {code}.", victim.log_tail())
            note(Way.STEP, life.step)
            return False
        if trouble := watch.stage.error:
            raise TortureFailed(trouble, victim.log_tail())
        if life is None:
            continue
        if jet_delay_s is not None and watch.worked_s is not None and now_s > watch.worked_s + jet_delay_s:
            jet_delay_s = None
            if victim.kill_jet():
                is_jet_killed = True
                watch.jet_killed()
                note(Way.JET)
        elif jet_delay_s is None and _is_time(life, watch, now_s) and victim.kill():
            note(Way.RANDOM)
            return False


def _is_time(life: Life, watch: _Watch, now_s: float) -> bool:
    if life.is_early:
        return now_s > watch.victim.started_s + life.delay_s
    return watch.worked_s is not None and now_s > watch.worked_s + (STEP_PATIENCE_S if life.step else life.delay_s)
