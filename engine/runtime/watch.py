"""Looks at what is at work, again and again: whether jets hang, and what there is to measure."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from engine import metrics
from engine.runtime.jets import Jet
from engine.runtime.link import Link
from engine.runtime.manifold import Manifold

WATCH_S = 1.0
"""How often jets are looked at; four times within the model's time-out where that is more often."""


class Watch:
    """Looks from its begin until its stop.

    Parameters
    ----------
    manifold : Manifold
        Whose jets, and whose streams.
    link : Link
        Whose group.
    on_look : callable
        Called with each look.
    """

    def __init__(self, manifold: Manifold, link: Link, on_look: Callable[[], None]) -> None:
        self._manifold, self._link, self._on_look = manifold, link, on_look
        self._next: asyncio.TimerHandle | None = None
        self._heard: dict[Jet, tuple[int, float]] = {}
        """Of each jet that has something to answer, how many records it had answered, and since when."""
        self._period_s = WATCH_S

    def begin(self, timeout_s: float | None) -> None:
        """Look now and from now on; `timeout_s` is what one record of the model may take."""
        self.stop()
        self._period_s = min(WATCH_S, timeout_s / 4) if timeout_s else WATCH_S
        self._look()

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()

    def silence_s(self, jet: Jet) -> float:
        """Return for how long a jet has answered nothing of what it has; 0 while it has nothing to answer."""
        n_records, since_s = self._heard.get(jet, (-1, 0.0))
        is_silent = jet.n_in_flight > 0 and jet.n_records == n_records
        return round(asyncio.get_running_loop().time() - since_s, 3) if is_silent else 0.0

    def _listen(self, jets: Sequence[Jet], now_s: float) -> None:
        """Take note of who has answered something; a jet whose answers nobody takes now is not silent."""
        before, self._heard = self._heard, {}
        for jet in jets:
            if jet.n_in_flight and self._manifold.is_heard:
                known = before.get(jet)
                self._heard[jet] = known if known and known[0] == jet.n_records else (jet.n_records, now_s)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        jets = self._manifold.crew.jets if self._manifold.crew is not None else []
        for jet in jets:
            jet.watch(loop.time())
        self._listen(jets, loop.time())
        self._on_look()
        metrics.set_jets(Counter(jet.status.value for jet in jets))
        self._manifold.measure()
        if self._link.group is not None:
            self._link.group.measure()
        self._next = loop.call_later(self._period_s, self._look)
