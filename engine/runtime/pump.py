"""Gives jets what they have room for, and takes no more from them than there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.runtime.jets import Jet
from engine.runtime.work import Work

if TYPE_CHECKING:
    from engine.runtime.manifold import Manifold

FULL_BYTES = 1 << 23
"""Outputs that wait for their commit before the jets get no more, and no more is taken from them: 8 MiB."""

HELD_BYTES = 1 << 25
"""Records that are kept for another try before the jets get no more: 32 MiB, when a commit cannot go on."""


class Pump:
    """Moves works from a manifold's line into its jets.

    Parameters
    ----------
    manifold : Manifold
        Whose.
    """

    def __init__(self, manifold: Manifold) -> None:
        self._manifold, self._line, self._ledger = manifold, manifold.line, manifold.ledger
        self.is_heard = True
        """Whether answers of jets are taken."""

    def pump(self) -> None:
        """Give the jets what they have room for."""
        if not self._manifold.is_open or self._manifold.crew is None or not self.is_heard:
            return
        while self._line.waiting and self._may_submit() and (found := self._find_work()) is not None:
            work, jet = found
            self._line.send(work, jet.max_records)
            if work.ends_batch:
                work.ends_batch = False
                work.intake.more()
            jet.submit(work)
            if work.fatal is not None:
                break
        first = self._line.head
        if isinstance(first, Work) and first.is_done:
            self._manifold.delivery.deliver()

    def _find_work(self) -> tuple[Work, Jet] | None:
        """Return the first work that one of the jets which may have it has room for, and that jet."""
        crew = self._manifold.crew
        assert crew is not None  # noqa: S101 -- who calls has looked
        if len(crew.jets) == 1:  # the common case
            first, jet = self._line.waiting[0], crew.jets[0]
            return (first, jet) if jet.has_room(first.size_bytes) else None
        full = set[Jet]()
        for work in self._line.waiting:
            jets = [jet for jet in crew.working(work.task) if jet not in full]
            if free := [jet for jet in jets if jet.has_room(work.size_bytes)]:
                return work, min(free, key=lambda jet: jet.n_in_flight)
            full.update(jets)  # what comes behind must not overtake it
            if len(full) == len(crew.jets) or not self._manifold.is_tasked:
                break
        return None

    def _may_submit(self) -> bool:
        last = self._line.last
        if self._manifold.doom is not None or (isinstance(last, Work) and last.fatal is not None):
            return False  # nothing may change the state behind what the engine stops for
        if self._ledger.is_cutting and self._manifold.crew is not None and self._manifold.crew.model.script.uses_cells:
            return False  # what cells hold when the cut is reached must be what was before it
        return self._ledger.input_bytes < HELD_BYTES and self._waiting_bytes <= FULL_BYTES

    @property
    def _waiting_bytes(self) -> int:
        return self._ledger.output_bytes + self._line.output_bytes

    def listen(self) -> None:
        """Let outputs that wait hold up the jets, so that they wait in a pipe and not in memory."""
        # A cut needs the answers in front of it, and the state.
        is_heard = self._waiting_bytes <= FULL_BYTES or not self._ledger.is_writing
        if is_heard is not self.is_heard:
            self.is_heard = is_heard
            for jet in self._manifold.crew.jets if self._manifold.crew is not None else ():
                jet.listen(is_on=is_heard)
            if is_heard:
                self.pump()
