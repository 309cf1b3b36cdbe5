"""Records in streams of bytes: a byte source or sink with an envelope round it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from engine.errors import EndOfStream
from engine.ports import ByteSink, ByteSource, Envelope
from engine.record import Batch, Labels, Position

_READ_BYTES = 1 << 18  # 256 KiB: a few thousand records at a time, and little beside the limit of one record


class SeekableBytes(ByteSource, Protocol):
    """A byte source that can go on anywhere, also after its end."""

    def seek(self, offset: int) -> None:
        """Go on at that byte; raises `EndOfStream` when closed, `StreamError` when it cannot after all."""

    def resume(self, offset: int) -> None:
        """Go on where another process had come to; raises `StreamChanged` when it is not what that one read."""


class FramedSource:
    """The records of a stream of bytes; a position is the place behind a record, in bytes from the stream's first.

    Parameters
    ----------
    source : SeekableBytes
        Closed with this.
    open_envelope : callable
        Returns an envelope for a stream that begins.
    """

    def __init__(self, source: SeekableBytes, open_envelope: Callable[[], Envelope]) -> None:
        self._source, self._open_envelope = source, open_envelope
        self._envelope = open_envelope()
        self._start = 0  # where the envelope's first byte is
        self._values: Sequence[bytes] = []
        self._ends: Sequence[int] = ()
        self._n_taken = 0
        self._is_at_end = self._is_closed = False

    def read(self, max_records: int, timeout_s: float) -> Batch:
        """Return records that one piece of the stream completed."""
        deadline = time.monotonic() + timeout_s
        is_last_try = False
        while self._is_closed or self._n_taken == len(self._values):
            if self._is_at_end or self._is_closed:
                raise EndOfStream
            if is_last_try:
                return Batch([], [])
            wait_s = deadline - time.monotonic()
            is_last_try = not self._load(max(wait_s, 0.0)) or wait_s <= 0
        span = slice(self._n_taken, self._n_taken + max_records)
        values, ends = self._values[span], self._ends[span]
        self._n_taken += len(values)
        return Batch(values, [self._start + end for end in ends] if self._start else ends)

    def seek(self, position: Position) -> None:
        """Go on behind the record of that position."""
        self._source.seek(position)
        self._begin(position)

    def resume(self, position: Position) -> None:
        """Go on where another process had come to; raises `StreamChanged` when it is not what that one read."""
        self._source.resume(position)
        self._begin(position)

    def _begin(self, position: Position) -> None:
        self._envelope = self._open_envelope()
        self._start = position
        self._values, self._n_taken, self._is_at_end = [], 0, False

    def close(self) -> None:
        """Close the source; a record that was begun is not returned."""
        self._is_closed = True
        self._source.close()

    def _load(self, timeout_s: float) -> bool:
        """Take the next piece; False when none came."""
        try:
            data = self._source.read(_READ_BYTES, timeout_s)
        except EndOfStream:
            self._is_at_end = True
            self._values = self._envelope.finish()
        else:
            if not data:
                return False
            self._values = self._envelope.feed(data)
        self._ends, self._n_taken = self._envelope.ends, 0
        return True


class FramedSink:
    """Records into a stream of bytes; a position counts bytes.

    Parameters
    ----------
    sink : ByteSink
        Closed with this.
    wrap : callable
        An envelope's: from records to the bytes to write.
    """

    wants_labels = False

    def __init__(self, sink: ByteSink, wrap: Callable[[Sequence[bytes]], bytes]) -> None:
        self._sink, self._wrap = sink, wrap

    def write(self, values: Sequence[bytes], labels: Labels | None = None) -> None:  # noqa: ARG002 -- bytes carry none
        """Write the records in one piece."""
        if values:
            self._sink.write(self._wrap(values))

    def flush(self) -> Position:
        """Make them safe."""
        return self._sink.flush()

    def cut(self, position: Position) -> None:
        """Take away the bytes behind the position."""
        self._sink.cut(position)

    @property
    def identity(self) -> str:
        """The sink's."""
        return self._sink.identity

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()
