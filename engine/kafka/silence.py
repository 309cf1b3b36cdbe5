"""When topics that may come to an end have come to it: read through, and silent for as long as they are waited for."""

from __future__ import annotations

import time
from collections.abc import Collection

from engine.kafka.places import Inlet


class Silence:
    """Knows which partitions are read to their end, and for how long.

    Parameters
    ----------
    inlets : collection of Inlet
        What is read; only if each of them has a `max_wait_s` there is an end.
    """

    def __init__(self, inlets: Collection[Inlet]) -> None:
        waits = [inlet.max_wait_s for inlet in inlets]
        self._max_wait_s = None if None in waits else max((wait for wait in waits if wait is not None), default=None)
        self._at_end: set[tuple[str, int]] = set()
        self._since_s = time.monotonic()

    @property
    def has_end(self) -> bool:
        """Whether there may be an end at all."""
        return self._max_wait_s is not None

    def note_record(self, partition: tuple[str, int]) -> None:
        """Note that there was a record."""
        self._at_end.discard(partition)
        self._since_s = time.monotonic()

    def note_end(self, partition: tuple[str, int]) -> None:
        """Note that a partition is read to its end."""
        self._at_end.add(partition)

    def forget(self, partitions: Collection[tuple[str, int]]) -> None:
        """Note that partitions are read no more, or from elsewhere."""
        self._at_end.difference_update(partitions)

    def has_come(self, partitions: Collection[tuple[str, int]], *, is_waiting: bool) -> bool:
        """Say, once each time, whether nothing has come for long enough.

        Parameters
        ----------
        partitions : collection of (str, int)
            All that are read.
        is_waiting : bool
            Nothing was read that is not given on, and everything that is to be read is.
        """
        now_s = time.monotonic()
        if self._max_wait_s is None or not is_waiting or not self._at_end.issuperset(partitions):
            self._since_s = now_s
            return False
        if now_s - self._since_s < self._max_wait_s:
            return False
        self._since_s = now_s
        return True
