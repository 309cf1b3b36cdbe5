"""What a jet tells its owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import EngineError
from engine.runtime.info import ConsoleLine, Figures
from engine.runtime.work import Work
from engine.state.commits import CommitLog, Entry

if TYPE_CHECKING:
    from engine.runtime.jets import Jet
    from engine.runtime.outlet import Outlet


class JetOwner(Protocol):
    """Who is told what comes of the work."""

    @property
    def outlets(self) -> Mapping[int, Outlet]:
        """What is attached to the output slots."""

    @property
    def is_tasked(self) -> bool:
        """Whether every task has a state of its own."""

    @property
    def owned(self) -> Collection[int]:
        """The tasks whose state the jets have."""

    @property
    def store(self) -> CommitLog:
        """Where state is committed."""

    def on_answer(self, work: Work) -> None:
        """Look at a work of which more was answered."""

    def on_changed(self, jet: Jet, entries: list[Entry], figures: Figures) -> None:
        """Take the state that has changed, as a commit asked for it."""

    def on_predictors(self, jet: Jet, reports: Iterable[Mapping[str, Any]]) -> None:
        """Take what each predictor of the jet did since its process began; see `engine.inference.Predictor.report`."""

    def on_restored(self, n_keys: int) -> None:
        """Take note of how many keys have a state that was put back, of a task or in all."""

    def on_ask(self, jet: Jet, message: list[Any], reply: Callable[[bytes | None], None]) -> None:
        """Answer what a script asks of its cells."""

    def on_jet_ended(self, jet: Jet) -> None:
        """Free what a jet that has ended held."""

    def on_jet_lost(self, jet: Jet) -> bool:
        """Take back what is not committed, if the jet held state; return whether it did."""

    def on_jet_broken(self, jet: Jet, error: EngineError) -> None:
        """Stop, if the jet is still of use: it cannot be started again."""

    def saved_state(self, jet: Jet) -> AsyncIterator[tuple[int, Iterable[Entry]]]:
        """Yield, by task, the committed state that the jet is to hold, once no commit is under way."""

    def on_ready(self) -> None:
        """Give work again: the jet was started anew."""

    def on_console(self, line: ConsoleLine) -> None:
        """Take a line that the script printed."""
