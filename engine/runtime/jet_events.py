"""What a jet tells its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import EngineError
from engine.runtime.info import ConsoleLine, Figures
from engine.runtime.work import Work
from engine.state.commits import Entry

if TYPE_CHECKING:
    from engine.runtime.jets import Jet
    from engine.runtime.outlet import Outlet


class JetOwner(Protocol):
    """Who is told what comes of the work."""

    @property
    def outlets(self) -> Mapping[int, Outlet]:
        """What is attached to the output slots."""

    def on_answer(self, work: Work) -> None:
        """Look at a work of which more was answered."""

    def on_changed(self, entries: list[Entry], figures: Figures) -> None:
        """Take the state that has changed, as a commit asked for it."""

    def on_restored(self, n_keys: int) -> None:
        """Take note of how many keys have a state that was put back."""

    def on_ask(self, jet: Jet, message: list[Any], reply: Callable[[bytes | None], None]) -> None:
        """Answer what a script asks of its cells."""

    def on_jet_ended(self, jet: Jet) -> None:
        """Free what a jet that has ended held."""

    def on_jet_lost(self, jet: Jet) -> bool:
        """Take back what is not committed, if the jet held state; return whether it did."""

    def on_jet_broken(self, jet: Jet, error: EngineError) -> None:
        """Stop, if the jet is still of use: it cannot be started again."""

    async def saved_state(self, jet: Jet) -> Iterable[Entry] | None:
        """Return the committed state that the jet is to hold, once no commit is under way; None if there is none."""

    def on_ready(self) -> None:
        """Give work again: the jet was started anew."""

    def on_console(self, line: ConsoleLine) -> None:
        """Take a line that the script printed."""
