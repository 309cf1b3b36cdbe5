"""What is attached to a model's slots, and what was replaced and is not through yet."""

from __future__ import annotations

from engine import metrics
from engine.runtime.intake import Intake
from engine.runtime.outlet import Outlet


class Streams:
    """The intakes and outlets of a manifold."""

    def __init__(self) -> None:
        self.intakes: dict[int, Intake] = {}
        self.outlets: dict[int, Outlet] = {}
        self._fading: list[Intake] = []

    @property
    def fading(self) -> list[Intake]:
        """The intakes that were replaced and have records left."""
        return list(self._fading) if self._fading else []

    @property
    def sources(self) -> list[Intake]:
        """Every intake that has records, or may get some."""
        return [*self._fading, *self.intakes.values()]

    @property
    def all_outlets(self) -> list[Outlet]:
        """Every outlet, those for rejects too."""
        rejects = {intake.rejects for intake in self.sources if intake.rejects is not None}
        return [*self.outlets.values(), *rejects]

    @property
    def label_slots(self) -> frozenset[int]:
        """The output slots whose streams take what records carry beside their values."""
        return frozenset(slot for slot, outlet in self.outlets.items() if outlet.wants_labels)

    @property
    def is_synced(self) -> bool:
        """Whether one of them asks for what survives a power loss: all do but REST that says otherwise."""
        ends: list[Intake | Outlet] = [*self.sources, *self.all_outlets]
        return any(end.stream.is_synced for end in ends)

    def replace_intake(self, intake: Intake) -> Intake | None:
        """Attach an input stream; return the one before it, which fades away when what it gave is committed."""
        before = self.intakes.get(intake.slot)
        self.intakes[intake.slot] = intake
        if before is not None:
            self._fading.append(before)
            if before.inbox is not None:
                before.inbox.seal()
        return before

    def add_fading(self, intake: Intake) -> None:
        """Take an intake of which only what it holds is left."""
        self._fading.append(intake)

    def take_faded(self) -> list[Intake]:
        """Remove the intakes of which all is committed, and return them."""
        faded = [one for one in self._fading if one.is_over and one.position >= one.last_position]
        self._fading = [one for one in self._fading if one not in faded]
        return faded

    async def delivered(self) -> None:
        """Wait until everything that is pushed to somebody has been taken; there will be no more."""
        for outlet in self.all_outlets:
            await outlet.delivered()
            outlet.is_eof = True

    def measure(self) -> None:
        """Note how much waits in the REST streams."""
        for slot, intake in self.intakes.items():
            if intake.inbox is not None:
                metrics.set_inbox(slot, intake.inbox.size_bytes)
        for slot, outlet in self.outlets.items():
            if outlet.outbox is not None:
                metrics.set_outbox(slot, outlet.outbox.size_bytes)
