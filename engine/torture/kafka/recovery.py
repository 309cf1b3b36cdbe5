"""How long a group takes to go on after a kill."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.torture.kafka.members import Member


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery took.

    Parameters
    ----------
    from_assignment_s : float
        From the last assignment of partitions to the commit with which all of them had got on.
    total_s : float
        The same from the kill.
    """

    from_assignment_s: float
    total_s: float


class Recovery:
    """Watches a group from a kill until each of its partitions has got on, or is at its end.

    A kill that comes before that begins it anew; other trouble in between ends it, since what is measured then is that.

    Parameters
    ----------
    ends : mapping
        Where each partition ends.
    """

    def __init__(self, ends: Mapping[int, int]) -> None:
        self._ends = ends
        self._before: dict[int, int] | None = None
        self._killed_s = 0.0

    def begin(self, places: Mapping[int, int]) -> None:
        """Note that somebody was killed when the group stood there."""
        self._before, self._killed_s = dict(places), time.time()

    def disturb(self) -> None:
        """Note that something else was done."""
        self._before = None

    def look(self, places: Mapping[int, int], members: Sequence[Member]) -> Recovered | None:
        """Return what a recovery took, once it is over."""
        if self._before is None:
            return None
        if any(places.get(nth, 0) <= self._before.get(nth, 0) < end for nth, end in self._ends.items()):
            return None
        now_s = time.time()
        assigned_s = [when for member in members for when in member.assigned_s() if when > self._killed_s]
        self._before = None
        return Recovered(now_s - max(assigned_s, default=self._killed_s), now_s - self._killed_s)
