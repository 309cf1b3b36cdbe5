"""What can be waited for: that nothing is in work, that everything is committed, that there is room."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from engine.runtime.intake import Intake
from engine.runtime.lanes import Lane
from engine.runtime.outlet import Outlet

if TYPE_CHECKING:
    from engine.runtime.manifold import Manifold


class Stillness:
    """Waits for a manifold.

    Parameters
    ----------
    manifold : Manifold
        Which.
    """

    def __init__(self, manifold: Manifold) -> None:
        self._manifold, self._ledger, self._bell = manifold, manifold.ledger, manifold.bell

    async def hold(self) -> None:
        """Give no more batches, and wait until the jets are through with theirs."""
        self._manifold.is_open = False
        await self._bell.until(lambda: self._manifold.is_idle)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold, do something while nothing is in a jet, and go on as before, whatever came of it."""
        was_open = self._manifold.is_open
        try:
            await self.hold()
            yield
        finally:
            if was_open:
                self._manifold.open()

    async def committed(self) -> None:
        """Wait until everything that is scored is committed."""
        self._ledger.want()
        await self._bell.until(lambda: self._ledger.is_clear)

    async def settled(self) -> None:
        """Wait until what was accepted and read before this call is scored and committed."""
        ends: dict[Intake | Lane, int] = {
            intake: intake.inbox.n_accepted if intake.inbox is not None else intake.last_position
            for intake in self._manifold.sources
        }
        ends |= {lane: lane.last_position for lane in self._manifold.lanes.values()}
        n_scored = self._ledger.n_scored
        self._ledger.want()
        await self._bell.until(
            lambda: (
                self._ledger.n_kept >= n_scored
                and all(one.position >= end or self._is_gone(one) for one, end in ends.items())
            )
        )

    def _is_gone(self, end: Intake | Lane) -> bool:
        return isinstance(end, Lane) and not self._manifold.tasks.takes(end)

    async def drained(self) -> None:
        """Wait until nothing is queued or in a jet, and all is committed."""
        await self.settled()
        self._ledger.want()
        await self._bell.until(lambda: self._manifold.is_still and self._ledger.is_clear)

    async def room(self, outlet: Outlet) -> None:
        """Wait until readers have made room in an outlet."""
        await self._bell.until(lambda: not outlet.is_full)
