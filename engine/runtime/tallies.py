"""How many records have come to this engine from partitions that it has, or had for a while."""

from __future__ import annotations

from collections.abc import Mapping

from engine.runtime.lanes import Lane


class _Tally:
    """Of one lane: as many as came while it is there, else what was committed."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self._start = lane, lane.fence

    def n_records(self, lanes: Mapping[tuple[int, int], Lane]) -> int:
        lane = self.lane
        is_there = lanes.get((lane.slot, lane.task)) is lane
        return (lane.last_seq if is_there else lane.fence.seq_no) - self._start.seq_no

    @property
    def n_rejected(self) -> int:
        return self.lane.fence.n_rejected - self._start.n_rejected


class Tallies:
    """Counts what came on lanes since they were added."""

    def __init__(self) -> None:
        self._tallies: list[_Tally] = []

    def add(self, lane: Lane) -> None:
        """Count what comes on a lane from now on."""
        self._tallies.append(_Tally(lane))

    def counts(self, slot: int, lanes: Mapping[tuple[int, int], Lane]) -> tuple[int, int]:
        """Return how many records of a slot came, and how many of them were rejected.

        Parameters
        ----------
        slot : int
            Which.
        lanes : mapping
            Those that are there now, by slot and task.
        """
        mine = [one for one in self._tallies if one.lane.slot == slot]
        return sum(one.n_records(lanes) for one in mine), sum(one.n_rejected for one in mine)
