"""Streams that begin again at their end."""

from __future__ import annotations

from typing import Protocol

from engine.errors import EndOfStream
from engine.ports import Source
from engine.record import Batch, Position


class SeekableSource(Source, Protocol):
    """A source that can go on behind any of its positions, also after its end; 0 is its beginning."""

    def seek(self, position: Position) -> None:
        """Go on there; raises `EndOfStream` when closed, `StreamError` when it cannot after all."""

    def resume(self, position: Position) -> None:
        """Go on where another process had come to; raises `StreamChanged` when it is not what that one read."""


class LoopingSource:
    """A source for ever; its positions begin again with it. One read is of one pass.

    Only a pass that began at the beginning and found nothing ends it: the next would find nothing either.
    """

    def __init__(self, inner: SeekableSource) -> None:
        self._inner = inner
        self._is_fruitless = False

    def read(self, max_records: int, timeout_s: float) -> Batch:
        """Return records of this pass, or of the next."""
        try:
            batch = self._inner.read(max_records, timeout_s)
        except EndOfStream:
            if self._is_fruitless:
                raise
            self._inner.seek(0)
            self._is_fruitless = True
            batch = self._inner.read(max_records, timeout_s)
        self._is_fruitless = False
        return batch

    def seek(self, position: Position) -> None:
        """Go on behind a record of a pass."""
        self._inner.seek(position)
        self._is_fruitless = False

    def resume(self, position: Position) -> None:
        """Go on in a pass of another process; raises `StreamChanged` when the data are not what that one read."""
        self._inner.resume(position)
        self._is_fruitless = False

    def close(self) -> None:
        """Close the source."""
        self._inner.close()
