"""What is scored and not committed: when it is cut, who is asked for the state, and what is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from engine import metrics
from engine.channel import OutputFrame
from engine.errors import CommitAborted, EngineError
from engine.log import get_logger
from engine.runtime.cells import Cells
from engine.runtime.committer import Committer, Readers, Target
from engine.runtime.cut import Cut
from engine.runtime.info import Figures
from engine.runtime.interval import Hook, Interval, Yield
from engine.runtime.jets import Jet
from engine.runtime.steps import Step
from engine.runtime.work import Work, refuse
from engine.state.commits import CommitLog, Entry

log = get_logger(__name__)

LARGE_BYTES = 1 << 22
"""An interval whose outputs come to this is committed before its time: 4 MiB."""

MANY_BYTES = 1 << 24
"""The same for the records that it keeps for another try: 16 MiB."""

IDLE_S = 0.002
"""How long nothing may be there to do before it counts as idle: a source that reads a file takes less for a batch."""

PAUSE_S = 0.1
"""How long is waited with the next commit after two in a row were aborted; each further one doubles it."""

MAX_PAUSE_S = 5.0
"""The longest such pause: about what a broker takes that is started again."""

CLOSE_S = 5.0
"""What a commit gets to end when the engine stops: longer than a disk takes to sync."""


class LedgerOwner(Readers, Protocol):
    """Who scores, and is told what is kept."""

    @property
    def is_still(self) -> bool:
        """Nothing waits to be scored, and nothing is being scored."""

    @property
    def keepers(self) -> Sequence[Jet]:
        """The jets that hold state."""

    def place(self, cut: Cut) -> None:
        """Put a cut behind everything that is in work, and call `Ledger.reach` when it is at its head."""

    def target(self, *, is_finished: bool) -> Target:
        """Return what a commit is about."""

    def on_aborted(self, error: CommitAborted, interval: Interval) -> None:
        """Do everything again that is not committed; the interval is what was about to be."""

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
        self.n_scored = 0
        """Works that were scored so far, but for those that are taken back."""
        self._owner, self._cells, self._interval_s, self._on_step = owner, cells, interval_s, on_step
        self._open = Interval()
        self.cut: Cut | None = None
        """What is asked for, or being written."""
        self._n_kept = self._n_aborted = 0
        self._pause: asyncio.TimerHandle | None = None
        self._is_forced = False
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
        return self.is_empty and self.cut is None and not self._is_ending

    @property
    def n_kept(self) -> int:
        """How many of the works that were scored need no more to be done."""
        return self.n_scored if self.is_clear else self._n_kept

    @property
    def is_forcing(self) -> bool:
        """A commit that `force` has asked for is not through."""
        return self._is_forced or (self.cut is not None and self.cut.is_forced)

    @property
    def works(self) -> list[Work]:
        """What was scored, and is not committed."""
        writing = self.cut.interval if self.cut is not None else None
        return [*(writing.works if writing is not None else ()), *self._open.works]

    @property
    def has_cut(self) -> bool:
        """A commit is asked for, or under way."""
        return self.cut is not None

    @property
    def is_writing(self) -> bool:
        """A commit is under way that needs nothing more from the jets."""
        return self.cut is not None and self.cut.interval is not None and self.cut.changed.done()

    @property
    def is_cutting(self) -> bool:
        """There is a cut that is not reached."""
        return self.cut is not None and self.cut.interval is None

    @property
    def input_bytes(self) -> int:
        """Records scored since the last cut, kept for another try."""
        return self._open.input_bytes

    @property
    def output_bytes(self) -> int:
        """Outputs that are not written for good."""
        writing = self.cut.interval if self.cut is not None else None
        return self._open.output_bytes + (writing.output_bytes if writing is not None else 0)

    def add(self, work: Work) -> None:
        """Take a work that is scored."""
        self.n_scored += 1
        self._open.add(work)

    def add_hook(self, frames: Iterable[OutputFrame], task: int | None = None) -> Hook | None:
        """Take what ``begin()`` or ``end()`` gave, as the engine of a task if it is one's; return it, if any."""
        return self._open.add_hook(frames, task)

    def force(self) -> None:
        """Commit soon, even if there is nothing new to say."""
        self._is_forced = True
        self.consider()

    def want(self, *, is_last: bool = False) -> None:
        """Commit as soon as nothing is in work; the last one says that the job is finished."""
        self._is_wanted = True
        self._is_ending |= is_last
        self.consider()

    def consider(self, *, is_urgent: bool = False) -> None:
        """Cut if it is time, or urgent."""
        if self.cut is not None or self._pause is not None:
            return
        if self._is_forced:
            self._make_cut()
            return
        if self.is_empty and not self._is_ending:
            self._is_due = self._is_wanted = False
            return
        is_large = self._open.output_bytes > LARGE_BYTES or self._open.input_bytes > MANY_BYTES
        is_asked = self._is_due or self._is_wanted or self._is_ending or self._open.is_pressing
        if self._clock is not None and not (is_asked or is_urgent or is_large):
            return  # as behind most scores
        is_still = self._owner.is_still
        is_wanted = is_still and (self._is_wanted or self._is_ending)
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
        if self._owner.is_still and not self.is_empty and self.cut is None and self._pause is None:
            self._make_cut()

    def _make_cut(self) -> None:
        keepers = self._owner.keepers
        if not all(keeper.is_ready for keeper in keepers):
            return  # considered again when the jet is ready
        self._stop_clocks()
        self._is_due = False
        self.cut = Cut(keepers, is_forced=self._is_forced)
        self._is_forced = False
        for keeper in keepers:
            keeper.commit()
        self._owner.place(self.cut)

    def _stop_clocks(self) -> None:
        for timer in (self._clock, self._idle, self._pause):
            if timer is not None:
                timer.cancel()
        self._clock = self._idle = self._pause = None

    def on_changed(self, keeper: Jet, entries: list[Entry], figures: Figures) -> None:
        """Take the state that has changed in a jet, up to the cut that was asked for."""
        if self.cut is not None:
            self.cut.take(keeper, entries, figures)
            if self.cut.changed.done():
                self.figures = self.cut.figures

    def reach(self, cut: Cut) -> None:
        """Write what is before a cut: all of it is scored."""
        interval = cut.interval = self._open
        cut.n_scored = self.n_scored
        self._open = Interval()
        self._on_step(Step.CUT.value)
        self._spawn(self._write(cut, interval, self._cells.changes(), is_finished=self._is_ending))

    async def _write(self, cut: Cut, interval: Interval, cells: Sequence[Entry], *, is_finished: bool) -> None:
        try:
            await cut.changed
        except asyncio.CancelledError:
            if cut.changed.cancelled():
                return  # taken back, to be done again
            raise
        self._on_step(Step.STATE.value)
        try:
            found = await self._keep(cut, interval, [*cut.entries, *cells], is_finished=is_finished)
        except CommitAborted as exc:
            log.warning("commit.aborted", reason=exc.reason, is_lost=exc.is_lost)
            metrics.count_abort()
            self._abort(cut, interval, exc)
            return
        except Exception as exc:
            error = exc if isinstance(exc, EngineError) else EngineError(f"A commit failed: {exc!r}.")
            log.error("commit.failed", reason=str(error), exc_info=error is not exc)
            self.cut = None
            refuse(interval.works, error)
            self._owner.on_broken(error)
            return
        self._cells.confirm()
        self._n_kept, self._n_aborted = cut.n_scored, 0
        if self.cut is cut:
            self.cut = None
            self._is_ending = self._is_ending and not is_finished
        self._roll_back()
        self._owner.on_committed(found)

    async def _keep(self, cut: Cut, interval: Interval, entries: Sequence[Entry], *, is_finished: bool) -> Yield:
        while True:
            try:
                return await self.committer.commit(
                    interval, entries, partial(self._owner.target, is_finished=is_finished), is_forced=cut.is_forced
                )
            except CommitAborted as exc:
                if not is_finished or exc.is_lost or self.cut is not cut:
                    raise
                # end() is not called twice: what it left is written once more.
                log.warning("commit.aborted", reason=exc.reason, is_lost=False)
                metrics.count_abort()
                self._n_aborted += 1
                await asyncio.sleep(self._pause_s)

    @property
    def _pause_s(self) -> float:
        return min(PAUSE_S * 2.0 ** (self._n_aborted - 2), MAX_PAUSE_S) if self._n_aborted > 1 else 0.0

    def _abort(self, cut: Cut, interval: Interval, error: CommitAborted) -> None:
        if self.cut is not cut:  # the engine has stopped meanwhile
            refuse(interval.works, error)
            return
        self.cut = None
        self._is_forced |= cut.is_forced
        self._n_aborted += 1
        if (pause_s := self._pause_s) > 0:
            self._pause = asyncio.get_running_loop().call_later(pause_s, self._on_pause)
        self._owner.on_aborted(error, interval)

    def _on_pause(self) -> None:
        self._pause = None
        self.consider(is_urgent=True)

    def drop_cut(self) -> Cut | None:
        """Forget a cut that is not reached, and return it."""
        cut = self.cut if self.is_cutting else None
        if cut is not None:
            self.cut = None
            self._is_forced |= cut.is_forced
        return cut

    def take_back(self, aborted: Interval | None = None) -> list[Work]:
        """Return all works whose state was lost, in order: not those of a commit that has all it needs.

        Parameters
        ----------
        aborted : Interval, optional
            What was about to be committed, and was not.
        """
        cut = self.cut
        if cut is not None and not self.is_writing:
            self.cut = None
            self._is_forced |= cut.is_forced
            cut.changed.cancel()
            aborted = cut.interval
        if aborted is not None:
            self._open.prepend(aborted)
        works = self._open.take_back()
        self.n_scored -= len(works)
        for work in works:
            work.is_counted = True
        return works

    def take_back_of(self, keeper: Jet, is_meant: Callable[[Work], bool]) -> list[Work]:
        """Return, in order, the works whose state was lost with one of several jets; the others are none of its."""
        cut, works = self.cut, list[Work]()
        if cut is not None and not self.is_writing:
            if cut.interval is not None:
                works = cut.interval.take(is_meant)
                cut.n_scored -= len(works)
            cut.forgo(keeper)
        works += self._open.take(is_meant)
        self.n_scored -= len(works)
        for work in works:
            work.is_counted = True
        return works

    def reopen(self, aborted: Interval) -> None:
        """Commit what is in an interval that was not committed with what comes next: it holds as it is."""
        self._open.prepend(aborted)

    def discard(self, is_void: Callable[[Work], bool], tasks: Collection[int]) -> None:
        """Forget works of which nothing may be committed; what is being written is another matter."""
        self._open.discard(is_void, tasks)
        if self.cut is not None and self.cut.interval is not None:
            self.cut.interval.discard(is_void, tasks)

    def skip(self, works: Iterable[Work]) -> None:
        """Take note that works are dropped that were taken back: whoever waits for them waits no more."""
        self.n_scored += sum(work.is_counted for work in works)

    def roll_back_cells(self) -> None:
        """Take back what cells hold, once a commit that has taken some of it along is through."""
        self._is_rolling_back = True
        self._roll_back()

    def _roll_back(self) -> None:
        if self._is_rolling_back and self.cut is None:
            self._is_rolling_back = False
            self._cells.rollback()

    def abandon(self) -> list[Work]:
        """Forget what is open, and return it; a commit that has all it needs goes on, see `close`."""
        self._stop_clocks()
        works = self._open.works
        self.committer.is_stopping, self._n_kept, self._n_aborted = True, self.n_scored, 0
        if self.cut is not None and not self.cut.changed.done():
            self.cut.changed.cancel()
        self._open, self.cut = Interval(), None
        self._is_due = self._is_wanted = self._is_ending = self._is_forced = False
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
