"""REST streams: the two queues that stand between the HTTP server and the manifold.

The server puts bodies into an inbox and takes outputs from an outbox; both are bounded by bytes, and safe to use from
any thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from engine.errors import DeliveryFailed, EndOfStream, RetryAfter, StreamError
from engine.ports import Envelope
from engine.record import MAX_RECORD_BYTES, Batch, Oversized, Position

_RECORD_COST_BYTES = 64  # what CPython adds to a bytes object in a queue: 33, a slot, and rounding
_READ_BYTES = 1 << 20  # one read stays small beside the inbox, so that what is read and not yet scored is bounded too
_RETRY_S = 1.0  # the shortest that an HTTP Retry-After can say


def _cost(values: Sequence[bytes]) -> int:
    return sum(map(len, values)) + _RECORD_COST_BYTES * len(values)


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
    """

    def __init__(
        self,
        max_bytes: int,
        envelope: Envelope | None = None,
        is_chunked: bool = False,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        self.max_bytes, self._envelope, self._is_chunked = max_bytes, envelope, is_chunked
        self._max_record_bytes = max_record_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._n_read = 0
        self._is_closed = self._is_sealed = False
        self._changed = threading.Condition()

    @property
    def size_bytes(self) -> int:
        """What waits, with its overhead."""
        return self._waiting_bytes

    @property
    def n_accepted(self) -> int:
        """How many records were put in so far: the position behind the last one."""
        with self._changed:
            return self._n_read + len(self._waiting)

    def put(self, *bodies: bytes) -> int:
        """Take all of the bodies or none, and return how many records they completed.

        Raises
        ------
        RetryAfter
            There is no room.
        StreamError
            The inbox is closed, or its envelope cannot go on.
        """
        with self._changed:
            if self._is_closed or self._is_sealed:
                raise StreamError("The REST input was detached.")
            begun_bytes = self._envelope.pending_bytes if self._envelope else 0
            if self._waiting and self._waiting_bytes + begun_bytes + _cost(bodies) > self.max_bytes:
                raise RetryAfter(_RETRY_S)
            n_accepted = 0
            for body in bodies:
                values = self._records_of(body)
                self._waiting += values
                self._waiting_bytes += _cost(values)
                n_accepted += len(values)
            self._changed.notify_all()
            return n_accepted

    def read(self, max_records: int, timeout_s: float) -> Batch:
        """Return the records that wait, up to a MiB of them."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed or self._is_sealed, timeout_s)
            if self._is_closed or (self._is_sealed and not self._waiting):
                raise EndOfStream
            values: list[bytes] = []
            size_bytes = 0
            while self._waiting and len(values) < max_records and size_bytes < _READ_BYTES:
                values.append(self._waiting.popleft())
                size_bytes += len(values[-1])
            self._waiting_bytes -= _cost(values)
            first, self._n_read = self._n_read + 1, self._n_read + len(values)
            return Batch(values, range(first, self._n_read + 1))

    def seal(self) -> None:
        """Take no more; what waits can still be read, and is the end."""
        with self._changed:
            self._is_sealed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more; what waits is lost."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _records_of(self, body: bytes) -> list[bytes]:
        if self._envelope is not None:
            values = self._envelope.feed(body)
            return values if self._is_chunked else values + self._envelope.finish()
        return [body if len(body) <= self._max_record_bytes else Oversized(body, len(body))]


class RestOutbox:
    """Outputs by sequence number, the first being 1, kept until they are acknowledged; a position is such a number.

    Closing it leaves them there for readers that come late.

    Parameters
    ----------
    max_bytes : int
        How much may be kept before a write waits. One record finds room in an empty outbox however long it is.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self.is_full = False
        """A write waits for room."""
        self._n_acknowledged = 0
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def size_bytes(self) -> int:
        """What is kept, with its overhead."""
        return self._kept_bytes

    @property
    def last_seq(self) -> int:
        """The number of the latest output; 0 before the first."""
        with self._changed:
            return self._n_acknowledged + len(self._kept)

    def write(self, values: Sequence[bytes]) -> None:
        """Keep the outputs; readers see those that found room while the others wait for it."""
        rest = deque(values)
        while rest:
            with self._changed:
                self.is_full = not self._has_room_for(rest[0])
                self._changed.wait_for(lambda: self._is_closed or self._has_room_for(rest[0]))
                self.is_full = False
                if self._is_closed:
                    raise DeliveryFailed("REST", "the stream was detached")
                while rest and self._has_room_for(rest[0]):
                    self._kept_bytes += _cost((rest[0],))
                    self._kept.append(rest.popleft())

    def flush(self) -> Position:
        """Return the number of the latest output. Outputs live in memory: they are lost with the process."""
        return self.last_seq

    def peek(self, after: int = 0, limit: int | None = None) -> list[tuple[int, bytes]]:
        """Return the outputs with a number above `after` that are still kept, each with its number."""
        with self._changed:
            skip = max(after - self._n_acknowledged, 0)
            stop = None if limit is None else skip + limit
            first = self._n_acknowledged + skip + 1
            return list(enumerate(islice(self._kept, skip, stop), first))

    def acknowledge(self, through: int) -> None:
        """Forget the outputs up to and with that number, and make room for new ones."""
        with self._changed:
            while self._kept and self._n_acknowledged < through:
                self._kept_bytes -= _cost((self._kept.popleft(),))
                self._n_acknowledged += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more outputs."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _has_room_for(self, value: bytes) -> bool:
        return not self._kept or self._kept_bytes + _cost((value,)) <= self._max_bytes
