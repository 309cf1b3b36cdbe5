"""How tasks come to an engine and go: restored, their lanes added, released or lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING

from engine.errors import EngineError, ModelCrashed, ModelStalled
from engine.runtime.info import Figures
from engine.runtime.jets import Jet
from engine.runtime.lanes import Lane
from engine.state.commits import SCRIPT, Entry

if TYPE_CHECKING:
    from engine.runtime.manifold import Manifold


class Ownership:
    """What becomes of the works and the state of tasks that come and go.

    Parameters
    ----------
    manifold : Manifold
        Where they are scored.
    """

    def __init__(self, manifold: Manifold) -> None:
        self._manifold, self._tasks = manifold, manifold.tasks

    async def restore(self, task: int, entries: Iterable[Entry]) -> int:
        """Give the jet that is to have it the state of a task; see `Manifold.restore`."""
        manifold = self._manifold
        cut = manifold.ledger.cut  # one that was made before the task went the last time may have old state of it
        await manifold.bell.until(lambda: cut is None or manifold.ledger.cut is not cut)
        n_keys = 0
        while (keeper := await self._settled_keeper(task)) is not None:
            try:
                n_keys = await keeper.restore(entries, task)
            except EngineError as exc:
                if self._keeper_of(task) is keeper and not isinstance(exc, ModelCrashed | ModelStalled):
                    raise
            else:
                if self._keeper_of(task) is keeper:
                    break
                if keeper.is_ready:  # another jet came to have the task meanwhile
                    keeper.forget([task])
            entries = manifold.store.entries(SCRIPT, task)
        self._tasks.add(task)
        return n_keys

    def _keeper_of(self, task: int) -> Jet | None:
        crew = self._manifold.crew
        return crew.keeper_of(task) if crew is not None else None

    async def _settled_keeper(self, task: int) -> Jet | None:
        """Return the jet that is to have the state of a task, once it takes work."""
        while True:
            keeper = self._keeper_of(task)
            if keeper is None or keeper.is_settled:
                return keeper
            await self._manifold.bell.next()

    async def share(self, given: Mapping[int, object]) -> None:
        """Give every task to the jet that is to have it, now that there are others; see `Manifold.share`."""
        crew = self._manifold.crew
        if crew is None or not self._manifold.is_tasked:
            return
        same = {task for task, mark in self._tasks.marks.items() if given.get(task) is mark}
        for keeper in crew.keepers:
            gone = {task for task in keeper.tasks if task not in same or crew.keeper_of(task) is not keeper}
            if keeper.is_ready and gone:
                keeper.forget(gone)
        for task in sorted(self._tasks.owned):
            keeper_of_task = await self._settled_keeper(task)
            if keeper_of_task is not None and task not in keeper_of_task.tasks:
                await keeper_of_task.restore(self._manifold.store.entries(SCRIPT, task), task)

    async def release(self, tasks: Iterable[int]) -> None:
        """Let go of tasks once what jets have of them is committed; see `Manifold.release`."""
        leaving = await self._finish(tasks)
        self._forget(self._tasks.end_leaving(leaving))
        self._manifold.consider()
        self._manifold.check_end()

    async def park(self, tasks: Iterable[int]) -> frozenset[int]:
        """Let go of tasks that may come back at once; see `Manifold.park`."""
        parked = self._tasks.park(await self._finish(tasks))
        self._manifold.consider()
        return parked

    async def _finish(self, tasks: Iterable[int]) -> dict[int, object]:
        """Take no more of tasks, and wait until what jets have of them is committed; return their marks."""
        manifold = self._manifold
        leaving = self._tasks.begin_leaving(tasks)
        lanes = {lane for lane in self._tasks.lanes.values() if lane.task in leaving}
        self.drop_waiting()
        manifold.consider()
        await manifold.bell.until(lambda: not self._has_uncommitted(lanes))
        return leaving

    def _has_uncommitted(self, lanes: set[Lane]) -> bool:
        if any(lane.task in self._tasks.hooks for lane in lanes):
            return True
        works = [*self._manifold.ledger.works, *self._manifold.line.sent_works]
        return any(work.intake in lanes and not self._tasks.is_void(work) for work in works)

    async def drop(self, tasks: frozenset[int]) -> None:
        """Let go of tasks that are lost; see `Manifold.drop`."""
        manifold = self._manifold
        manifold.lose(tasks)
        self.drop_waiting()
        void = [work for work in [*manifold.ledger.works, *manifold.line.sent_works] if self._tasks.is_void(work)]
        manifold.ledger.discard(self._tasks.is_void, tasks)
        if void and not self._is_apart:
            manifold.rewind.do_again()  # what other records give may come from what is dropped
        self._forget(tasks)
        manifold.go_on()
        await manifold.bell.until(lambda: not manifold.ledger.committer.is_storing)

    @property
    def _is_apart(self) -> bool:
        """What records of one task give depends on no other task."""
        crew = self._manifold.crew
        return crew is None or crew.is_bare or (self._manifold.is_tasked and not crew.model.script.uses_cells)

    def drop_waiting(self) -> None:
        """Drop what waits of lanes that go, or are gone: whoever owns them next reads it again."""
        gone = self._manifold.line.remove(self._tasks.is_leaving_with)
        self._manifold.ledger.skip(gone)
        for work in gone:
            if work.ends_batch:
                work.intake.more()

    def _forget(self, tasks: Iterable[int]) -> None:
        """Have jets drop the state of tasks; one that is started again looks for itself what it is to have."""
        tasks = set(tasks)
        for keeper in self._manifold.keepers if self._manifold.is_tasked else ():
            if keeper.is_ready and (gone := tasks & keeper.tasks):
                keeper.forget(gone)

    async def saved_state(self, jet: Jet) -> AsyncIterator[tuple[int, Iterable[Entry]]]:
        """Yield, by task, the committed state that a jet is to hold, once no commit is under way."""
        manifold = self._manifold
        if jet not in manifold.keepers:
            return
        await manifold.bell.until(lambda: not manifold.ledger.has_cut)
        if not manifold.is_tasked:
            if manifold.store.fence is not None and not manifold.ledger.committer.is_anew:
                yield 0, manifold.store.entries()
            return
        manifold.ledger.figures = Figures()
        given = dict[int, object]()
        while missing := {task: mark for task, mark in self._marks(jet).items() if given.get(task) is not mark}:
            task, mark = min(missing.items())
            if task in given:
                jet.forget([task])
            given[task] = mark
            yield task, manifold.store.entries(SCRIPT, task)
        if gone := given.keys() - self._marks(jet).keys():
            jet.forget(gone)

    def _marks(self, jet: Jet) -> dict[int, object]:
        crew = self._manifold.crew
        return {task: mark for task, mark in self._tasks.marks.items() if crew and crew.keeper_of(task) is jet}
