"""What is scored and not committed: when it is cut, who is asked for the state, and what is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from engine.channel import OutputFrame
from engine.errors import EngineError
from engine.log import get_logger
from engine.runtime.cells import Cells
from engine.runtime.committer import Committer, Readers, Target
from engine.runtime.info import Figures
from engine.runtime.interval import Interval, Yield
from engine.runtime.jets import Jet
from engine.runtime.steps import Step
from engine.runtime.work import Work
from engine.state.commits import CommitLog, Entry

log = get_logger(__name__)

LARGE_BYTES = 1 << 22
"""An interval whose outputs come to this is committed before its time: 4 MiB."""

MANY_BYTES = 1 << 24
"""The same for the records that it keeps for another try: 16 MiB."""

IDLE_S = 0.002
"""How long nothing may be there to do before it counts as idle: a source that reads a file takes less for a batch."""

CLOSE_S = 5.0
"""What a commit gets to end when the engine stops: longer than a disk takes to sync."""


class Cut:
    """A place in the order of works: what is before it is committed together.

    Parameters
    ----------
    is_stateless : bool
        No jet has to be asked for the state.
    """

    def __init__(self, *, is_stateless: bool) -> None:
        self.changed: asyncio.Future[list[Entry]] = asyncio.get_running_loop().create_future()
        """The state as of there."""
        self.interval: Interval | None = None
        """What is before it, once it is reached."""
        if is_stateless:
            self.changed.set_result([])


class LedgerOwner(Readers, Protocol):
    """Who scores, and is told what is kept."""

    @property
    def is_still(self) -> bool:
        """Nothing waits to be scored, and nothing is being scored."""

    @property
    def keeper(self) -> Jet | None:
        """The jet that holds the state."""

    def place(self, cut: Cut) -> None:
        """Put a cut behind everything that is in work, and call `Ledger.reach` when it is at its head."""

    def target(self, *, is_finished: bool) -> Target:
        """Return what a commit is about."""

    def on_committed(self, found: Yield) -> None:
        """Go on: this is kept."""

    def on_broken(self, error: EngineError) -> None:
        """Stop: something cannot be kept."""


class Ledger:
    """One interval that is open, and at most one that is being written.

    Parameters
    ----------
    owner : LedgerOwner
        Who scores.
    store : CommitLog
        Where commits are kept.
    cells : Cells
        What jets share; committed with everything else.
    interval_s : float
        How often is committed while there is more to do.
    on_step : callable
        Called at each `Step` with its value.
    is_synced : callable
        Says whether a commit must survive a power loss.
    """

    def __init__(
        self,
        owner: LedgerOwner,
        store: CommitLog,
        cells: Cells,
        interval_s: float,
        on_step: Callable[[str], None],
        is_synced: Callable[[], bool],
    ) -> None:
        self.committer = Committer(store, owner, on_step, is_synced)
        self.figures = Figures()
        """What the keeper of the state said of it last."""
        self.n_scored = self.n_kept = 0
        """Works that were scored so far, and how many of these are committed."""
        self._owner, self._cells, self._interval_s, self._on_step = owner, cells, interval_s, on_step
        self._open = Interval()
        self._cut: Cut | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._is_due = self._is_wanted = self._is_ending = self._is_rolling_back = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_empty(self) -> bool:
        """Nothing was scored since the last cut."""
        return not len(self._open)

    @property
    def is_clear(self) -> bool:
        """Everything that was scored is committed."""
        return self.is_empty and self._cut is None and not self._is_ending

    @property
    def has_cut(self) -> bool:
        """A commit is asked for, or under way."""
        return self._cut is not None

    @property
    def is_writing(self) -> bool:
        """A commit is under way that needs nothing more from the jets."""
        return self._cut is not None and self._cut.interval is not None and self._cut.changed.done()

    @property
    def is_cutting(self) -> bool:
        """There is a cut that is not reached."""
        return self._cut is not None and self._cut.interval is None

    @property
    def input_bytes(self) -> int:
        """Records scored since the last cut, kept for another try."""
        return self._open.input_bytes

    @property
    def output_bytes(self) -> int:
        """Outputs that are not written for good."""
        writing = self._cut.interval if self._cut is not None else None
        return self._open.output_bytes + (writing.output_bytes if writing is not None else 0)

    def add(self, work: Work) -> None:
        """Take a work that is scored."""
        self.n_scored += 1
        self._open.add(work)

    def add_hook(self, frames: Iterable[OutputFrame]) -> None:
        """Take what ``begin()`` or ``end()`` gave."""
        self._open.add_hook(frames)

    def want(self, *, is_last: bool = False) -> None:
        """Commit as soon as nothing is in work; the last one says that the job is finished."""
        self._is_wanted = True
        self._is_ending |= is_last
        self.consider()

    def consider(self, *, is_urgent: bool = False) -> None:
        """Cut if it is time, or urgent."""
        if self._cut is not None:
            return
        if self.is_empty and not self._is_ending:
            self._is_due = self._is_wanted = False
            return
        is_still = self._owner.is_still
        is_wanted = is_still and (self._is_wanted or self._is_ending)
        is_large = self._open.output_bytes > LARGE_BYTES or self._open.input_bytes > MANY_BYTES
        if is_wanted or self._is_due or is_urgent or is_large:
            self._make_cut()
            return
        loop = asyncio.get_running_loop()
        if self._clock is None:
            self._clock = loop.call_later(self._interval_s, self._on_clock)
        if is_still and self._open.is_pressing and self._idle is None:
            self._idle = loop.call_later(IDLE_S, self._on_idle)

    def _on_clock(self) -> None:
        self._clock, self._is_due = None, True
        self.consider()

    def _on_idle(self) -> None:
        self._idle = None
        if self._owner.is_still and not self.is_empty and self._cut is None:
            self._make_cut()

    def _make_cut(self) -> None:
        keeper = self._owner.keeper
        if keeper is not None and not keeper.is_ready:
            return  # considered again when the jet is ready
        self._stop_clocks()
        self._is_due = False
        self._cut = Cut(is_stateless=keeper is None)
        if keeper is not None:
            keeper.commit()
        self._owner.place(self._cut)

    def _stop_clocks(self) -> None:
        for timer in (self._clock, self._idle):
            if timer is not None:
                timer.cancel()
        self._clock = self._idle = None

    def on_changed(self, entries: list[Entry], figures: Figures) -> None:
        """Take the state that has changed, up to the cut that was asked for."""
        self.figures = figures
        if self._cut is not None and not self._cut.changed.done():
            self._cut.changed.set_result(entries)

    def reach(self, cut: Cut) -> None:
        """Write what is before a cut: all of it is scored."""
        interval = cut.interval = self._open
        self._open = Interval()
        self._on_step(Step.CUT.value)
        self._spawn(self._write(cut, interval, self._cells.changes(), self.n_scored, is_finished=self._is_ending))

    async def _write(
        self, cut: Cut, interval: Interval, cells: Sequence[Entry], n_scored: int, *, is_finished: bool
    ) -> None:
        try:
            entries = await cut.changed
        except asyncio.CancelledError:
            if cut.changed.cancelled():
                return  # taken back, to be done again
            raise
        self._on_step(Step.STATE.value)
        target = self._owner.target(is_finished=is_finished)
        try:
            found = await self.committer.commit(interval, [*entries, *cells], target)
        except Exception as exc:
            error = exc if isinstance(exc, EngineError) else EngineError(f"A commit failed: {exc!r}.")
            log.error("commit.failed", reason=str(error), exc_info=error is not exc)
            self._cut = None
            for work in interval.works:
                if work.caller is not None and not work.caller.done():
                    work.caller.set_exception(error)
            self._owner.on_broken(error)
            return
        self._cells.confirm()
        self.n_kept = n_scored
        if self._cut is cut:
            self._cut = None
            self._is_ending = self._is_ending and not is_finished
        self._roll_back()
        self._owner.on_committed(found)

    def drop_cut(self) -> Cut | None:
        """Forget a cut that is not reached, and return it."""
        cut = self._cut if self.is_cutting else None
        if cut is not None:
            self._cut = None
        return cut

    def take_back(self) -> list[Work]:
        """Return all works whose state was lost, in order: not those of a commit that has all it needs."""
        cut, works = self._cut, list[Work]()
        if cut is not None and not self.is_writing:
            self._cut = None
            cut.changed.cancel()
            if cut.interval is not None:
                works += cut.interval.take_back()
                self._open.prepend_hooks(cut.interval)
        works += self._open.take_back()
        self.n_scored -= len(works)
        return works

    def roll_back_cells(self) -> None:
        """Take back what cells hold, once a commit that has taken some of it along is through."""
        self._is_rolling_back = True
        self._roll_back()

    def _roll_back(self) -> None:
        if self._is_rolling_back and self._cut is None:
            self._is_rolling_back = False
            self._cells.rollback()

    def abandon(self) -> list[Work]:
        """Forget what is open, and return it; a commit that has all it needs goes on, see `close`."""
        self._stop_clocks()
        works = self._open.works
        self.committer.is_stopping, self.n_kept = True, self.n_scored
        if self._cut is not None and not self._cut.changed.done():
            self._cut.changed.cancel()
        self._open, self._cut = Interval(), None
        self._is_due = self._is_wanted = self._is_ending = False
        return works

    async def close(self) -> None:
        """Let a commit that is under way come to its end, for a while; after `abandon`."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_S)
            for task in late:
                task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
