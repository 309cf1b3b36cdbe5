"""The contracts between the runtime and the world: sources, sinks, envelopes and codecs.

Sources and sinks are blocking and belong to one thread each: the runtime gives every source a thread that reads and
every sink a thread that writes. ``close`` alone may come from another thread, and must wake a blocked
``read`` or ``write``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from engine.record import Batch, Labels, Position


class Source(Protocol):
    """Raw records, in order.

    Promises nothing about time: a read may return fewer records than asked for.
    """

    def read(self, max_records: int, timeout_s: float) -> Batch:
        """Return what is there, at most `max_records`; wait up to `timeout_s` for a first record.

        An empty batch means that nothing came in time.

        Raises
        ------
        EndOfStream
            There is no more. Every later call raises it again.
        StreamError
            The source is broken; the engine goes to ERROR.
        """

    def close(self) -> None:
        """Let go of the file, socket or queue. May be called twice, and from any thread.

        A blocked read is woken; it, and every later read, raises `EndOfStream`.
        """


class ByteSource(Protocol):
    """A stream of bytes that keeps no record boundaries: an envelope finds the records in it."""

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return the next bytes; ``b""`` when nothing came in time. Raises as `Source.read` does."""

    def close(self) -> None:
        """As `Source.close`."""


class Sink(Protocol):
    """Where output records go, in order."""

    @property
    def wants_labels(self) -> bool:
        """Whether `write` is to be told what the records carry beside their values."""

    def write(self, values: Sequence[bytes], labels: Labels | None = None) -> None:
        """Take the records; blocks while there is no room.

        Not promised: that they are safe. Only `flush` says so.

        Parameters
        ----------
        values : sequence of bytes
            The records.
        labels : Labels, optional
            For each record, what it carries beside its value; always there for a sink that wants them.

        Raises
        ------
        CommitAborted
            What was written since the last commit will never be seen.
        DeliveryFailed
            None of what was written since the last `flush` may be taken as delivered. After a `DiskFull` it is not
            there any more, and can be written again.
        """

    def flush(self) -> Position:
        """Make everything written so far safe, and return the position behind it (bytes or records, the sink's own)."""

    def cut(self, position: Position) -> None:
        """Take away what was written behind a position that `flush` returned, where that can be done at all.

        Raises
        ------
        DeliveryFailed
            It cannot be taken away from where it should be.
        """

    def close(self) -> None:
        """Flush and let go. May be called twice, and from any thread.

        A blocked write is woken; it, and every later write, raises `DeliveryFailed`.
        """

    @property
    def identity(self) -> str:
        """What tells the thing that is written to from others, in another process too; empty where nothing does."""


class ByteSink(Protocol):
    """As `Sink`, for bytes that already hold their record boundaries."""

    def write(self, data: bytes) -> None:
        """As `Sink.write`."""

    def flush(self) -> Position:
        """As `Sink.flush`; the position is a count of bytes."""

    def cut(self, position: Position) -> None:
        """As `Sink.cut`."""

    def close(self) -> None:
        """As `Sink.close`."""

    @property
    def identity(self) -> str:
        """As `Sink.identity`."""


class Envelope(Protocol):
    """Finds records in a stream of bytes. One object reads one stream.

    A record that is too long to be kept comes back as `engine.record.Oversized`.
    """

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Take bytes, however they were cut, and return the records that they complete."""

    def finish(self) -> Sequence[bytes]:
        """Return what is left at the end of the stream."""

    def wrap(self, values: Sequence[bytes]) -> bytes:
        """Return the records as bytes to write."""

    @property
    def ends(self) -> Sequence[int]:
        """For each record that the last `feed` or `finish` returned: the place behind it, in bytes fed so far."""

    @property
    def pending_bytes(self) -> int:
        """Bytes fed that are not yet part of a returned record."""

    def save(self) -> bytes:
        """Return what another envelope of this kind needs to go on here; empty where no record is begun."""

    def restore(self, saved: bytes) -> None:
        """Be where `save` was called, whatever was fed since, or in another process."""


class Codec(Protocol):
    """Turns the bytes of one record into a Python value and back. Pure: no state between records."""

    name: str

    def decode(self, raw: bytes) -> Any:
        """Return the value.

        Raises
        ------
        DataError
            `DecodeError` or `SchemaMismatch`; whatever the library beneath raises is mapped to one of them.
        """

    def encode(self, value: Any) -> bytes:
        """Return the bytes.

        Raises
        ------
        DataError
            `EncodeError` or `SchemaMismatch`.
        """

    def decode_batch(self, raws: Sequence[bytes]) -> list[Any] | None:
        """Return the values of many records, each as `decode` returns it.

        None where that is no faster, or where one of them cannot be decoded: they are decoded one by one then.
        Raises nothing.
        """

    def encode_batch(self, values: Sequence[Any]) -> Sequence[bytes] | None:
        """Return the bytes of many values, each as `encode` returns it, or None as `decode_batch`.

        Only numbers are encoded so: a script may change another value when it has given it.
        """
