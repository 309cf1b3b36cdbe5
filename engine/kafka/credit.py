"""How much is read ahead of what is scored."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Hashable, Mapping

N_READS = 4
"""Reads that may wait: one is scored, one is on its way to the loop, and two are there when the loop looks again."""

AHEAD_BYTES = 1 << 23
"""Bytes that may wait, 8 MiB: as much as outputs that wait for their commit."""


class _Read:
    """One read, and how many of its batches wait."""

    def __init__(self, n_batches: int) -> None:
        self.n_batches = n_batches


class Credit:
    """Counts the batches that were fetched and wait; batches of one lane leave in the order in which they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: defaultdict[Hashable, deque[tuple[_Read, int]]] = defaultdict(deque)
        self._n_reads = self._size_bytes = 0

    @property
    def is_there(self) -> bool:
        """Whether one more read may be done."""
        return self._n_reads < N_READS and self._size_bytes < AHEAD_BYTES

    @property
    def is_whole(self) -> bool:
        """Whether nothing waits."""
        return not self._n_reads

    def take(self, sizes: Mapping[Hashable, int]) -> None:
        """Note one read: for every lane that got a batch, the batch's bytes."""
        with self._changed:
            read = _Read(len(sizes))
            self._n_reads += 1
            for lane, size_bytes in sizes.items():
                self._waiting[lane].append((read, size_bytes))
                self._size_bytes += size_bytes

    def give(self, lane: Hashable) -> None:
        """Note that the oldest batch of a lane waits no more."""
        with self._changed:
            read, size_bytes = self._waiting[lane].popleft()
            self._size_bytes -= size_bytes
            read.n_batches -= 1
            if not read.n_batches:
                self._n_reads -= 1
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until a read may be done; return whether it may."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_there, timeout_s)
