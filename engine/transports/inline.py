"""Data that stands in the stream's own descriptor."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import EndOfStream, StreamChanged
from engine.record import Batch


class InlineRecords:
    """A list of records; a position counts the records before it."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values
        self._at = 0
        self._is_closed = False

    def read(self, max_records: int, timeout_s: float) -> Batch:  # noqa: ARG002  never waits
        """Return the next records."""
        if self._is_closed or self._at >= len(self._values):
            raise EndOfStream
        start, self._at = self._at, min(self._at + max_records, len(self._values))
        return Batch(list(self._values[start : self._at]), range(start + 1, self._at + 1))

    def seek(self, position: int) -> None:
        """Go on behind that many records."""
        if self._is_closed:
            raise EndOfStream
        self._at = position

    def resume(self, position: int) -> None:
        """Go on where another process had come to; raises `StreamChanged` when there are fewer records."""
        _check_length(len(self._values), position, "records")
        self.seek(position)

    def close(self) -> None:
        """Return nothing more."""
        self._is_closed = True


class InlineBytes:
    """One piece of data, in which an envelope finds the records."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._is_closed = False

    def read(self, max_bytes: int, timeout_s: float) -> bytes:  # noqa: ARG002  never waits
        """Return the next bytes."""
        if self._is_closed or self._at >= len(self._data):
            raise EndOfStream
        start, self._at = self._at, self._at + max_bytes
        return self._data[start : self._at]

    def seek(self, offset: int) -> None:
        """Go on at that byte."""
        if self._is_closed:
            raise EndOfStream
        self._at = offset

    def resume(self, offset: int) -> None:
        """Go on where another process had come to; raises `StreamChanged` when there are fewer bytes."""
        _check_length(len(self._data), offset, "bytes")
        self.seek(offset)

    def close(self) -> None:
        """Return nothing more."""
        self._is_closed = True


def _check_length(length: int, position: int, what: str) -> None:
    if length < position:
        reason = f"have {length} {what}, and {position} were read: they are not the data that were read before"
        raise StreamChanged("The data in the stream's descriptor", reason)
