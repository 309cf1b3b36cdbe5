"""A place in the order of works: what is before it is committed together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from engine.runtime.info import Figures
from engine.runtime.interval import Interval
from engine.runtime.jets import Jet
from engine.state.commits import Entry


class Cut:
    """What is asked of the jets that hold state, and what is before it once it is reached.

    Parameters
    ----------
    keepers : iterable of Jet
        Who is asked for the state that has changed; none of them where there is none.
    is_forced : bool
        It is written even if it says nothing new.
    """

    def __init__(self, keepers: Iterable[Jet], *, is_forced: bool = False) -> None:
        self.changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when all of the state as of there is known."""
        self.interval: Interval | None = None
        """What is before it, once it is reached."""
        self.n_scored = 0
        """Works that were scored up to there."""
        self.is_forced = is_forced
        self._missing = set(keepers)
        self._found: dict[Jet, tuple[list[Entry], Figures]] = {}
        self._settle()

    @property
    def entries(self) -> list[Entry]:
        """The state that has changed."""
        return [entry for entries, _ in self._found.values() for entry in entries]

    @property
    def figures(self) -> Figures:
        """What the jets say of the state that they hold, taken together."""
        figures = [figures for _, figures in self._found.values()]
        return Figures(
            sum(one.n_keys for one in figures),
            sum(one.n_live for one in figures),
            sum(one.size_bytes for one in figures),
        )

    def take(self, keeper: Jet, entries: list[Entry], figures: Figures) -> None:
        """Take what a jet says has changed."""
        if keeper in self._missing:
            self._missing.remove(keeper)
            self._found[keeper] = entries, figures
            self._settle()

    def forgo(self, keeper: Jet) -> None:
        """Do without a jet: what it has scored in front of the cut was taken back."""
        self._missing.discard(keeper)
        self._found.pop(keeper, None)
        self._settle()

    def _settle(self) -> None:
        if not self._missing and not self.changed.done():
            self.changed.set_result(None)
