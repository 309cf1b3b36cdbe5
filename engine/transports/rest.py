"""The queue between the HTTP server and the thread that reads a REST input.

A body is split into records first, and these are put into the queue once the journal has them: room is kept for them in
between. The queue is bounded by bytes, and safe to use from any thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import EndOfStream, RetryAfter, StreamError
from engine.ports import Envelope
from engine.record import MAX_RECORD_BYTES, Batch, Oversized, Position
from engine.transports.cost import cost_bytes

if TYPE_CHECKING:
    from engine.state.commits import Kept

_READ_BYTES = 1 << 20  # one read stays small beside the inbox, so that what is read and not yet scored is bounded too
_RETRY_S = 1.0  # the shortest that an HTTP Retry-After can say


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """The records of one request, with room kept for them in an inbox.

    Parameters
    ----------
    values : list of bytes
        The records.
    pending : bytes
        What the envelope has of the next one.
    before : bytes
        What it had of the first one.
    size_bytes : int
        The room that is kept.
    """

    values: list[bytes]
    pending: bytes
    before: bytes
    size_bytes: int


class RestInbox:
    """Request bodies waiting to be scored; a position counts the records before it.

    Parameters
    ----------
    max_bytes : int
        How much may wait. One record finds room in an empty inbox however long it is.
    envelope : Envelope, optional
        Finds the records in a body. Without one a body is a record.
    is_chunked : bool
        Whether a record may begin in one body and end in the next. Otherwise it ends with the body at the latest.
    max_record_bytes : int
        A longer body without an envelope is kept as `Oversized`.
    start : int
        The position before the first record.
    """

    def __init__(
        self,
        max_bytes: int,
        envelope: Envelope | None = None,
        is_chunked: bool = False,
        max_record_bytes: int = MAX_RECORD_BYTES,
        start: Position = 0,
    ) -> None:
        self.max_bytes, self.is_chunked, self._envelope = max_bytes, is_chunked, envelope
        self._max_record_bytes = max_record_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._reserved: set[Parcel] = set()
        self._reserved_bytes = 0
        self._n_read = start
        self._is_closed = self._is_sealed = False
        self._changed = threading.Condition()

    @property
    def size_bytes(self) -> int:
        """What waits, with its overhead."""
        return self._waiting_bytes

    @property
    def is_closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self._is_closed

    @property
    def n_accepted(self) -> int:
        """The position behind the last record that was put in."""
        with self._changed:
            return self._n_read + len(self._waiting)

    def split(self, bodies: Sequence[bytes]) -> Parcel:
        """Return the records in the bodies, and keep room for them until `put` or `give_back`.

        Where records may go on in the next body (`is_chunked`), the next split has to wait for that.

        Raises
        ------
        RetryAfter
            There is no room.
        StreamError
            The inbox is closed, or its envelope cannot go on. The envelope is where it was.
        """
        with self._changed:
            if self._is_closed or self._is_sealed:
                raise StreamError("The REST input was detached.")
            held_bytes = self._waiting_bytes + self._reserved_bytes
            begun_bytes = self._envelope.pending_bytes if self._envelope else 0
            if (self._waiting or self._reserved) and held_bytes + begun_bytes + cost_bytes(bodies) > self.max_bytes:
                raise RetryAfter(_RETRY_S)
            before = self._save()
            try:
                values = [value for body in bodies for value in self._records_of(body)]
            except StreamError:
                self._restore(before)
                raise
            parcel = Parcel(values, self._save(), before, cost_bytes(values))
            self._reserved.add(parcel)
            self._reserved_bytes += parcel.size_bytes
            return parcel

    def put(self, parcel: Parcel) -> int:
        """Put the records in, and return how many they are. Once it is closed, nobody will read them here."""
        with self._changed:
            self._release(parcel)
            if not self._is_closed:
                self._waiting += parcel.values
                self._waiting_bytes += parcel.size_bytes
            self._changed.notify_all()
            return len(parcel.values)

    def give_back(self, parcel: Parcel) -> None:
        """Drop the records: they could not be kept, and the request is refused. The envelope is where it was before."""
        with self._changed:
            self._release(parcel)
            self._restore(parcel.before)
            self._changed.notify_all()

    def restore(self, kept: Kept) -> None:
        """Take what a journal has kept; before anything else is put in."""
        with self._changed:
            if kept.values:
                self._n_read = kept.first_seq - 1
                self._waiting += kept.values
                self._waiting_bytes += cost_bytes(kept.values)
            self._restore(kept.pending)
            self._changed.notify_all()

    def read(self, max_records: int, timeout_s: float) -> Batch:
        """Return the records that wait, up to a MiB of them."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed or self._is_at_end, timeout_s)
            if self._is_closed or self._is_at_end:
                raise EndOfStream
            values: list[bytes] = []
            size_bytes = 0
            while self._waiting and len(values) < max_records and size_bytes < _READ_BYTES:
                values.append(self._waiting.popleft())
                size_bytes += len(values[-1])
            self._waiting_bytes -= cost_bytes(values)
            first, self._n_read = self._n_read + 1, self._n_read + len(values)
            return Batch(values, range(first, self._n_read + 1))

    def seal(self) -> None:
        """Take no more; what waits, or has room kept for it, can still be read, and is the end."""
        with self._changed:
            self._is_sealed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more; what waits is not read here any more."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._waiting_bytes = 0
            self._changed.notify_all()

    @property
    def _is_at_end(self) -> bool:
        return self._is_sealed and not self._waiting and not self._reserved

    def _release(self, parcel: Parcel) -> None:
        self._reserved.remove(parcel)
        self._reserved_bytes -= parcel.size_bytes

    def _save(self) -> bytes:
        return self._envelope.save() if self._envelope is not None else b""

    def _restore(self, saved: bytes) -> None:
        # In simple mode every record ends with its body: there is nothing to go back to.
        if self._envelope is not None and self.is_chunked:
            self._envelope.restore(saved)

    def _records_of(self, body: bytes) -> list[bytes]:
        if self._envelope is not None:
            values = list(self._envelope.feed(body))
            return values if self.is_chunked else [*values, *self._envelope.finish()]
        return [body if len(body) <= self._max_record_bytes else Oversized(body, len(body))]
