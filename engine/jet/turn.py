"""The record whose turn it is, as far as a script may ask for it: the key of its message, and its time."""

from __future__ import annotations

from collections.abc import Callable

from engine.channel import BatchFrame, Cell
from engine.jet.keys import Key, message_key

_NO_BATCH = BatchFrame(0, 0, 0, [])


class Turn:
    """Looks up what came beside the value of the record in work.

    Parameters
    ----------
    cell : Cell
        Where the record in work is noted: nothing is done here for a record that nobody asks about.
    clock : callable
        Returns the seconds since 1970.
    """

    def __init__(self, cell: Cell, clock: Callable[[], float]) -> None:
        self._words, self._clock = cell.words, clock
        self._batch = _NO_BATCH
        self._asked: dict[tuple[int, int], float] = {}
        """By batch and record, when their time was first asked for."""

    def begin(self, batch: BatchFrame) -> None:
        """Take the batch that is in work from now on; also one that was before."""
        self._batch = batch

    def end(self) -> None:
        """Note that no batch is in work, nor will those be again that were."""
        self._batch = _NO_BATCH
        self._asked.clear()

    def key(self) -> Key:
        """Return the key of the record's message, raises `KeyMissing`."""
        keys = self._batch.keys
        return message_key(keys[self._words[Cell.INDEX]] if keys is not None else None)

    def time_s(self) -> float:
        """Return the time of the record: its timestamp, or else when that was first asked for; without one, now."""
        batch, index = self._batch, self._words[Cell.INDEX]
        if batch is _NO_BATCH:
            return self._clock()
        time_ms = batch.timestamps_ms[index] if batch.timestamps_ms is not None else None
        if time_ms is not None:
            return time_ms / 1000
        record = batch.batch, index
        if record not in self._asked:
            self._asked[record] = self._clock()
        return self._asked[record]
