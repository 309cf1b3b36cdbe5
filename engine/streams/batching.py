"""Where a batch ends: at so many records, at so many bytes, or so long after its first record."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from engine.errors import EndOfStream
from engine.ports import Source
from engine.record import Batch, size_of

BATCH_BYTES = 1 << 20
"""The most of a batch, unless one record is more: a few frames of the channel to a jet."""


class BatchedSource:
    """A source whose reads return whole batches.

    Parameters
    ----------
    inner : Source
        Closed with this; public, since whoever feeds a REST stream needs its inbox.
    watermark : int or None
        The most records of a batch; None for any number.
    nagle_time_s : float or None
        How long after its first record a batch stays open for more; None until the watermark is reached.
    max_bytes : int
        A batch ends before the record that would make it longer; a longer record is a batch of its own.
    """

    def __init__(
        self,
        inner: Source,
        watermark: int | None = 1000,
        nagle_time_s: float | None = 0.0,
        max_bytes: int = BATCH_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.inner = inner
        self._watermark = math.inf if watermark is None else watermark
        self._nagle_time_s = math.inf if nagle_time_s is None else nagle_time_s
        self._max_bytes, self._clock = max_bytes, clock
        self._held = Batch([], [])
        self._held_bytes = 0
        self._due_at = math.inf
        self._is_closed = False

    def read(self, max_records: int, timeout_s: float) -> Batch:
        """Return the next batch, or an empty one while it is still open."""
        limit = int(min(self._watermark, max_records))
        give_up_at = self._clock() + timeout_s
        is_last_try = False
        while self._is_closed or not self._is_due(limit):
            if is_last_try:
                return Batch([], [])
            wait_s = min(give_up_at, self._due_at) - self._clock()
            is_last_try = wait_s <= 0
            try:
                self._hold(self.inner.read(limit - len(self._held), max(wait_s, 0.0)))
            except EndOfStream:
                if self._is_closed or not self._held.values:
                    raise
                self._due_at = -math.inf
        return self._take(limit)

    def close(self) -> None:
        """Close the source; what is held of a batch is not returned."""
        self._is_closed = True
        self.inner.close()

    def _is_due(self, limit: int) -> bool:
        n_held = len(self._held)
        is_full = n_held >= limit or self._held_bytes >= self._max_bytes
        return n_held > 0 and (is_full or self._clock() >= self._due_at)

    def _hold(self, batch: Batch) -> None:
        if not batch.values:
            return
        if self._held.values:
            self._held = Batch([*self._held.values, *batch.values], [*self._held.positions, *batch.positions])
        else:
            self._held, self._due_at = batch, self._clock() + self._nagle_time_s
        self._held_bytes += size_of(batch.values)

    def _take(self, limit: int) -> Batch:
        held = self._held
        n_taken = min(limit, len(held))
        if self._held_bytes > self._max_bytes:
            fitting = bisect_right(list(accumulate(map(len, held.values))), self._max_bytes)
            n_taken = min(n_taken, max(fitting, 1))
        if n_taken == len(held):
            self._held, self._held_bytes, self._due_at = Batch([], []), 0, math.inf
            return held
        taken = Batch(held.values[:n_taken], held.positions[:n_taken])
        self._held = Batch(held.values[n_taken:], held.positions[n_taken:])
        self._held_bytes -= size_of(taken.values)
        return taken
