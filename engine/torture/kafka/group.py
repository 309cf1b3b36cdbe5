"""A group at work on one input, and what happens to its members until the input is through."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.torture.kafka.cases import Course, GroupSubject
from engine.torture.kafka.members import Member
from engine.torture.kafka.recovery import Recovery
from engine.torture.kafka.troubles import FENCED_S, Troublemaker
from engine.torture.kills import Life, Plan, Way
from engine.torture.stages import TortureFailed

if TYPE_CHECKING:
    from engine.torture.kafka.campaign import GroupReport

POLL_S = 0.02  # what a recovery time is exact to; a question to the brokers takes one or two milliseconds
STEP_PATIENCE_S = 6.0
"""An engine that has worked so long does not reach its step any more; it is killed at once."""

STUCK_S = 90.0
"""A group that does not get on for so long is taken as stuck: a bounced broker, and then a session that runs out."""

BACK_S = 20.0
"""For so long a group may stand before where it was, as it may be told to by a coordinator that has just taken it over.
What it does twice then is found among the outputs."""

CALM_S = 10.0
"""In one that does not get on for so long engines are killed, and no other trouble is made until it does: a record that
hangs is found out when it has hung twice in one engine's hands, and no engine has it for that long where the members
change every few seconds."""

SPARED_SHARE = 0.4
"""How many engines live on where there is other trouble: who is dead cannot be frozen."""

STOPPED = (0, 128 + signal.SIGINT, -signal.SIGTERM)
"""How a run ends that was asked to: through, in order, or before it has learned to."""


class Group:
    """The members of a group, on one pass over the input.

    Parameters
    ----------
    subject : GroupSubject
        The input.
    course : Course
        This pass.
    plan : Plan
        Who is killed when.
    n_troubles : int
        How much trouble of each kind there should be.
    report : GroupReport
        Takes what happens.
    rng : random.Random
        Decides.
    on_kill : callable
        Called for each kill.
    """

    def __init__(
        self,
        subject: GroupSubject,
        course: Course,
        plan: Plan,
        n_troubles: int,
        report: GroupReport,
        rng: random.Random,
        on_kill: Callable[[], None],
    ) -> None:
        self.subject, self.course, self.report = subject, course, report
        self._plan, self._n_troubles, self._rng, self._on_kill = plan, n_troubles, rng, on_kill
        self._members = [self._member(f"m{nth}") for nth in range(subject.case.n_members)]
        self._n_guests = 0
        self._troubles = Troublemaker(
            subject.case.troubles,
            subject.brokers,
            subject.bouncer,
            course.group,
            subject.session_ms / 1e3,
            rng,
            self._invite,
        )
        self._places: dict[int, int] = {}
        self._moved_s = time.monotonic()
        self._back_s: float | None = None
        """Since when it is told to stand before its places."""
        self._recovery = Recovery()

    def _member(self, name: str, *, is_guest: bool = False) -> Member:
        command = [*self.subject.command, *self.course.arguments(name)]
        return Member(name, command, self.course.folder, self.subject.environ, is_guest=is_guest)

    def _invite(self) -> None:
        self._n_guests += 1
        guest = self._member(f"guest{self._n_guests}", is_guest=True)
        self._members.append(guest)
        guest.start(None)

    def run(self) -> None:
        """Have the input scored, whatever happens.

        Raises
        ------
        TortureFailed
            An engine ended that nobody hurt, or the group does not get on.
        """
        for member in self._members:
            self._start(member)
        while not self._look():
            now_s = time.monotonic()
            for member in list(self._members):
                self._attend(member, now_s)
            is_over = self._is_over or now_s - self._moved_s > CALM_S
            made = self._troubles.look(self._members, now_s, is_over=is_over)
            if made is not None:
                self.report.troubles[made.value] += 1
                self._recovery.disturb()
        self._troubles.close(self._members)
        self._end()

    @property
    def _is_over(self) -> bool:
        """Whether enough was done."""
        return self._plan.is_over and self.report.has_troubles(self.subject.case.troubles, self._n_troubles)

    def _start(self, member: Member) -> None:
        if not self.report.has_resumed:
            self.report.has_resumed = any(self._places.values())
        is_spared = bool(self.subject.case.troubles) and self._rng.random() < SPARED_SHARE
        member.start(None if is_spared else self._plan.draw())

    def _look(self) -> bool:
        """Look how far the group is; return whether the input is through."""
        time.sleep(POLL_S)
        places, now_s = self.subject.committed(self.course), time.monotonic()
        if places is None:
            return False
        if any(places.get(nth, 0) < place for nth, place in self._places.items()):
            self._back_s = self._back_s or now_s
            if now_s - self._back_s > BACK_S:
                raise TortureFailed(f"The group went back from {self._places} to {places}.", self._tails())
            return False
        if self._back_s is not None:
            self.report.backs_s.append(now_s - self._back_s)
            self._back_s = None
        if places != self._places:
            self._places, self._moved_s = places, now_s
            for member in self._members:
                if member.worked_s is None:
                    member.worked_s = now_s
        elif now_s - self._moved_s > STUCK_S:
            raise TortureFailed(
                f"The group stands at {places} for {STUCK_S:g} s, and the end is {self.subject.ends}.", self._tails()
            )
        if (found := self._recovery.look(places, self._members)) is not None:
            self.report.recoveries_s.append(found.from_assignment_s)
            self.report.totals_s.append(found.total_s)
        return all(places.get(nth, 0) >= end for nth, end in self.subject.ends.items())

    def _attend(self, member: Member, now_s: float) -> None:
        """Let a member live its life."""
        victim, life = member.victim, member.life
        if (code := victim.poll()) is not None:
            self._bury(member, code, now_s)
            return
        if life is None or member.is_frozen or member.is_leaving:
            return
        if life.jet_delay_s is not None and member.worked_s is not None and not member.is_jet_killed:
            if now_s > member.worked_s + life.jet_delay_s:
                member.is_jet_killed = True
                if victim.kill_jet():
                    self._note(member, Way.JET)
        elif _is_time(life, member, now_s) and victim.kill():
            self._note(member, Way.RANDOM)
            self._start(member)

    def _bury(self, member: Member, code: int, now_s: float) -> None:
        """Look how an engine has ended, and start the next one."""
        if member.is_guest and member.is_leaving and code in (*STOPPED, -signal.SIGKILL):
            self._members.remove(member)
            return
        if code == -signal.SIGKILL and member.step:
            self._note(member, Way.STEP, member.step)
        elif code > 0 and _may_end(member, now_s):
            self.report.n_ended += 1
        else:
            raise TortureFailed(f"An engine that nobody killed ended with exit code {code}.", member.log_tail())
        self._start(member)

    def _note(self, member: Member, way: Way, step: str = "") -> None:
        self._plan.note(way, step)
        self._recovery.begin(self._places, member.partitions)
        self._on_kill()

    def _end(self) -> None:
        """Have every engine end in order: those of zombies, and of guests, too."""
        for member in self._members:
            member.leave()
        for member in self._members:
            code = member.victim.wait_for_end()
            if code == -signal.SIGKILL and member.step:  # a step may lie behind what the brokers know
                self._note(member, Way.STEP, member.step)
            elif code not in STOPPED and not (code > 0 and _may_end(member, time.monotonic())):
                raise TortureFailed(f"An engine was stopped and ended with exit code {code}.", member.log_tail())

    def _tails(self) -> str:
        return "\n".join(member.log_tail() for member in self._members)

    def close(self) -> None:
        """Kill whoever is left."""
        self._troubles.close(self._members)
        for member in self._members:
            member.end()


def _may_end(member: Member, now_s: float) -> bool:
    """Tell whether what was done to an engine may end it with an error."""
    return member.is_jet_killed or now_s < member.fenced_s + FENCED_S


def _is_time(life: Life, member: Member, now_s: float) -> bool:
    if life.is_early:
        return now_s > member.victim.started_s + life.delay_s
    return member.worked_s is not None and now_s > member.worked_s + (STEP_PATIENCE_S if life.step else life.delay_s)
