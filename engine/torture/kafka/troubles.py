"""What is done to a group beside killing its engines, and who does it."""

from __future__ import annotations

import enum
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from engine.torture.kafka.brokers import Bouncer, Brokers
from engine.torture.kafka.members import Member

PAUSE_S = (1.0, 4.0)
"""Between two troubles: a rebalance takes about a second, so that some of them meet one that is under way."""

MAX_GUESTS = 2
FROZEN_S = (0.5, 3.0)
"""How much longer than its session an engine stands still: the others have its partitions by then."""

HARD_SHARE = 0.5
"""How many of the brokers and guests that go are killed."""

FENCED_S = 32.0
"""An engine that is shut out twice within half a minute takes it that another one has its name, and ends."""


class Trouble(enum.Enum):
    """What is done."""

    JOIN = "joined"
    """Another member comes."""
    LEAVE = "left"
    """It goes again: in order, or killed, and then it is missed."""
    FREEZE = "frozen"
    """An engine stands still for longer than the group waits for it, and goes on."""
    FENCE = "aborted"
    """Somebody begins as the engine's producer: its transaction is aborted, and it must begin anew, too."""
    BOUNCE = "bounced"
    """A broker ends, in order or killed, and starts again."""
    MOVE = "moved"
    """So does the broker that keeps the group and its transactions, and another one takes over, where there is one."""


class Troublemaker:
    """Makes trouble for a group, of each kind in turn.

    Parameters
    ----------
    kinds : sequence of Trouble
        Which.
    brokers : Brokers
        The cluster.
    bouncer : Bouncer, optional
        Who may stop brokers.
    group : str
        The group.
    session_s : float
        How long it waits for a member that says nothing.
    rng : random.Random
        Decides.
    invite : callable
        Makes a member more, and starts it.
    """

    def __init__(
        self,
        kinds: Sequence[Trouble],
        brokers: Brokers,
        bouncer: Bouncer | None,
        group: str,
        session_s: float,
        rng: random.Random,
        invite: Callable[[], None],
    ) -> None:
        self._kinds, self._brokers, self._bouncer, self._group = list(kinds), brokers, bouncer, group
        self._session_s, self._rng, self._invite = session_s, rng, invite
        self._deck: list[Trouble] = []
        self._pool = ThreadPoolExecutor(1)  # for what takes seconds; the members are watched in the meantime
        self._under_way: Future[None] | None = None
        self._due_s = time.monotonic() + rng.uniform(*PAUSE_S)

    def look(self, members: Sequence[Member], now_s: float, *, is_over: bool) -> Trouble | None:
        """Let those go on that stood still long enough; make some trouble if it is time, and return what was made."""
        for member in members:
            if member.frozen_until_s is not None and now_s > member.frozen_until_s:
                member.thaw()
        if is_over or not self._kinds or now_s < self._due_s or not self._is_idle():
            return None
        self._due_s = now_s + self._rng.uniform(*PAUSE_S)
        if not self._deck:
            self._deck = self._rng.sample(self._kinds, len(self._kinds))
        kind = self._deck.pop()
        return kind if self._make(kind, members, now_s) else None

    def _is_idle(self) -> bool:
        if self._under_way is not None:
            if not self._under_way.done():
                return False
            self._under_way.result()  # what went wrong is said
            self._under_way = None
        return True

    def _make(self, kind: Trouble, members: Sequence[Member], now_s: float) -> bool:
        guests = [member for member in members if member.is_guest]
        ready = [member for member in members if member.is_at_work]
        if not ready:
            return False  # nobody has begun yet
        if kind is Trouble.JOIN:
            if len(guests) < MAX_GUESTS:
                self._invite()
            return len(guests) < MAX_GUESTS
        if kind is Trouble.LEAVE:
            leaving = [member for member in guests if not member.is_leaving and not member.is_frozen]
            for member in leaving[:1]:
                member.leave(is_hard=self._rng.random() < HARD_SHARE)
            return bool(leaving)
        if kind is Trouble.FREEZE:
            if any(member.is_frozen for member in members):
                return False  # somebody must be there to take the partitions over
            member = self._rng.choice(ready)
            member.life = None  # it is to show what it does when it is back
            member.freeze(self._session_s + self._rng.uniform(*FROZEN_S))
            return True
        if kind is Trouble.FENCE:
            open_ = [member for member in ready if now_s > member.fenced_s + FENCED_S]
            for member in open_[:1]:
                member.fenced_s, member.life = now_s, None
                self._under_way = self._pool.submit(self._brokers.shut_out, f"{self._group}-{member.name}")
            return bool(open_)
        return self._bounce(kind)

    def _bounce(self, kind: Trouble) -> bool:
        if self._bouncer is None:
            return False
        number = self._brokers.coordinator(self._group) if kind is Trouble.MOVE else None
        if number is None:
            number = self._rng.choice(list(self._bouncer.numbers))
        is_hard = self._rng.random() < HARD_SHARE
        self._under_way = self._pool.submit(self._bouncer.bounce, number, is_hard=is_hard)
        return True

    def close(self, members: Sequence[Member]) -> None:
        """Make no more, and wait until what is under way is over."""
        for member in members:
            if member.is_frozen:
                member.thaw()
        self._pool.shutdown(wait=True)
        self._is_idle()
