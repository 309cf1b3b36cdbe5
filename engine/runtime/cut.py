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
        self.changed: asyncio.Future[list[Entry]] = asyncio.get_running_loop().create_future()
        """The state as of there."""
        self.interval: Interval | None = None
        """What is before it, once it is reached."""
        self.is_forced = is_forced
        self._missing = set(keepers)
        self._entries: list[Entry] = []
        self._figures: list[Figures] = []
        if not self._missing:
            self.changed.set_result([])

    def take(self, keeper: Jet, entries: list[Entry], figures: Figures) -> Figures | None:
        """Take what a jet says has changed; return what all of them say of the state, with the last one's."""
        if keeper not in self._missing or self.changed.done():
            return None
        self._missing.remove(keeper)
        self._entries += entries
        self._figures.append(figures)
        if self._missing:
            return None
        self.changed.set_result(self._entries)
        return Figures(
            sum(one.n_keys for one in self._figures),
            sum(one.n_live for one in self._figures),
            sum(one.size_bytes for one in self._figures),
        )
