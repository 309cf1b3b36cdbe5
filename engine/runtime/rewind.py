"""How what is not committed is done again: its state was lost, or nobody took it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import CommitAborted, EngineError
from engine.runtime.interval import Interval
from engine.runtime.jets import Jet
from engine.runtime.work import Work, refuse

if TYPE_CHECKING:
    from engine.runtime.manifold import Manifold


class Rewind:
    """Takes works back to before they were scored.

    Parameters
    ----------
    manifold : Manifold
        Where they are scored.
    """

    def __init__(self, manifold: Manifold) -> None:
        self._manifold = manifold

    def on_jet_lost(self, jet: Jet) -> bool:
        """Take everything since the last commit back, if the jet that ended held state; return whether it did."""
        manifold, crew = self._manifold, self._manifold.crew
        if crew is None or not (jet in crew.keepers or (crew.model.script.uses_cells and jet in crew.jets)):
            return False
        if manifold.is_ending:
            manifold.on_broken(EngineError("The model's process ended behind end(): the job can be resumed."))
        else:
            self.do_again(jet)
            manifold.delivery.deliver()  # what was behind it only may be a commit that others have all for
        return True

    def on_aborted(self, error: CommitAborted, interval: Interval) -> None:
        """Do everything again that is not committed; the interval is what was about to be."""
        manifold, tasks = self._manifold, self._manifold.tasks
        if manifold.is_ending:
            refuse(interval.works, error)
            manifold.on_broken(error)
            return
        lost = self._lose_all() if error.is_lost else frozenset[int]()
        interval.discard(tasks.is_void, lost)
        manifold.ledger.discard(tasks.is_void, lost)
        manifold.ownership.drop_waiting()
        if manifold.crew is not None and manifold.crew.is_bare:
            manifold.ledger.reopen(interval)  # what was scored holds: only to keep it came to nothing
        else:
            self.do_again(aborted=interval)
        manifold.go_on()
        if lost:
            manifold.on_lost(lost)

    def on_pin_aborted(self, error: CommitAborted) -> None:
        """Let go of what is lost; nothing was scored that is to be done again."""
        manifold = self._manifold
        lost = self._lose_all() if error.is_lost else frozenset[int]()
        manifold.ledger.discard(manifold.tasks.is_void, lost)
        manifold.ownership.drop_waiting()
        manifold.go_on()
        if lost:
            manifold.on_lost(lost)

    def _lose_all(self) -> frozenset[int]:
        tasks = self._manifold.tasks
        lost = tasks.owned | {lane.task for lane in tasks.lanes.values()}
        self._manifold.lose(lost)
        return lost

    def do_again(self, jet: Jet | None = None, *, aborted: Interval | None = None) -> None:
        """Take back what is not committed, and have the state of the last commit.

        Parameters
        ----------
        jet : Jet, optional
            Whose state is of no use any more: what others hold is, if it depends on nothing of this one's. By default
            that of all.
        aborted : Interval, optional
            What was about to be committed, and was not.
        """
        manifold, crew = self._manifold, self._manifold.crew
        if crew is None:
            return
        uses_cells = crew.model.script.uses_cells
        if jet is not None and not uses_cells and len(crew.keepers) > 1:
            jet.renew()
            self._queue_again(self._take_back_of(jet))
            return
        for one in crew.jets if uses_cells else crew.keepers or crew.jets:
            one.renew()
        self._queue_again([*manifold.ledger.take_back(aborted), *manifold.line.take_sent()])
        if uses_cells or aborted is not None:
            manifold.ledger.roll_back_cells()

    def _take_back_of(self, jet: Jet) -> list[Work]:
        """Take back what one of several jets has scored, or has in work."""
        manifold = self._manifold

        def is_its(work: Work) -> bool:
            return manifold.crew is not None and manifold.crew.keeper_of(work.task) is jet

        return [*manifold.ledger.take_back_of(jet, is_its), *manifold.line.take_sent_of(is_its)]

    def _queue_again(self, works: list[Work]) -> None:
        """Queue works again that are still the engine's to score."""
        manifold = self._manifold
        if manifold.doom is not None:
            works += manifold.doom.rest(works)
            manifold.doom = None  # it will be met again, or it is not its time
        for work in works:
            work.reset()
        manifold.line.put_back(works)
        manifold.ownership.drop_waiting()
        manifold.listen()
