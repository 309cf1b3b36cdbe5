"""Predictions that are made while other records go on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.channel import Cell
from engine.jet.calls import answers_to
from engine.sdk.batching import Call

if TYPE_CHECKING:
    from engine.jet.action import Action

SWITCH_S = 0.00005
"""After which time a thread gets its turn: between two batches, which take milliseconds, it needs as much. 5 ms are
usual."""


class Made(NamedTuple):
    """A batch that was computed: who has called, with what, and the answers."""

    actions: Sequence[Action]
    calls: Sequence[Call]
    answers: Sequence[Any]


class Apart:
    """Makes calls that need nothing of the script in threads: a framework computes without Python's lock.

    Parameters
    ----------
    cell : Cell
        Where it is noted how many are open: a record is not to blame if the jet ends meanwhile.
    """

    def __init__(self, cell: Cell) -> None:
        self._words = cell.words
        self._asked: SimpleQueue[tuple[Sequence[Action], Sequence[Call]]] = SimpleQueue()
        self._made: SimpleQueue[Made] = SimpleQueue()
        self._n_threads = self.n_open = 0

    def has_room(self, n_lanes: int) -> bool:
        """Tell whether another batch may be put: one more than is computed, so that no thread waits for Python."""
        return 0 < n_lanes >= self.n_open

    def is_idle(self, n_lanes: int) -> bool:
        """Tell whether another batch would be computed at once."""
        return self.n_open < n_lanes

    def put(self, actions: Sequence[Action], calls: Sequence[Call]) -> None:
        """Have a batch computed."""
        if self.n_open == self._n_threads < calls[0].n_lanes:
            sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
            threading.Thread(target=self._work, name="engine-predictions", daemon=True).start()
            self._n_threads += 1
        self.n_open += 1
        self._words[Cell.CALLS] += 1
        self._words[Cell.OPEN] = self.n_open
        self._asked.put((actions, calls))

    def take(self, *, is_awaited: bool = False) -> Made | None:
        """Return a batch that is through; None if there is none, and it is not waited for."""
        if not self.n_open or (not is_awaited and self._made.empty()):
            return None
        made = self._made.get()
        self.n_open -= 1
        self._words[Cell.OPEN] = self.n_open
        return made

    def _work(self) -> None:
        while True:
            actions, calls = self._asked.get()
            self._made.put(Made(actions, calls, answers_to(calls)))
