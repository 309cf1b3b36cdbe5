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
        From the last assignment of one of the partitions to the first commit of one of them.
    total_s : float
        The same from the kill.
    """

    from_assignment_s: float
    total_s: float


class Recovery:
    """Watches the partitions of somebody who was killed until one of them gets on.

    A kill that comes before that begins it anew; other trouble in between ends it, since what is measured then is that.
    """

    def __init__(self) -> None:
        self._before: dict[int, int] = {}
        self._killed_s = 0.0

    def begin(self, places: Mapping[int, int], partitions: frozenset[int]) -> None:
        """Note that somebody was killed who had these partitions, and how far they were."""
        self._before = {nth: places.get(nth, 0) for nth in partitions}
        self._killed_s = time.time()

    def disturb(self) -> None:
        """Note that something else was done."""
        self._before = {}

    def look(self, places: Mapping[int, int], members: Sequence[Member]) -> Recovered | None:
        """Return what a recovery took, once it is over; never of partitions that were at their end."""
        for partition, before in self._before.items():
            if places.get(partition, 0) > before:
                break
        else:
            return None
        now_s = time.time()
        assigned_s = [
            one.at_s
            for member in members
            for one in member.assignments()
            if one.at_s > self._killed_s and one.partitions & self._before.keys()
        ]
        self._before = {}
        return Recovered(now_s - max(assigned_s, default=self._killed_s), now_s - self._killed_s)
