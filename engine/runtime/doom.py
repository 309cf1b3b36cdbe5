"""A record for which the engine stops, as its script or its owner asks: once what is in front of it is committed."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import EngineError
from engine.runtime.record_places import stopped_at
from engine.runtime.work import Work


class Doom:
    """The record is met; what is in front of it may still be taken back, and then it is met once more, or not.

    Parameters
    ----------
    work : Work
        The one with the record.
    behind : sequence of Work
        What came behind it, and is not scored.
    model : str
        The script's name.
    """

    def __init__(self, work: Work, behind: Sequence[Work], model: str = "") -> None:
        self.error = stopped_at(work.fatal or EngineError("The engine stopped."), work, work.n_kept, model)
        self._work, self._behind = work, behind

    def rest(self, works: Sequence[Work]) -> list[Work]:
        """Return what is to be tried again behind works that are: the record, and what came behind it."""
        mine = [] if self._work in works else [self._work]
        return [*mine, *(work for work in self._behind if work.caller is None)]
