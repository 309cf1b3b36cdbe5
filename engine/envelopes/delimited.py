"""Records with a separator behind each, such as lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from struct import Struct

from engine.record import MAX_RECORD_BYTES, Oversized

_SAVED = Struct("<QI")  # of a record begun: bytes let go, and bytes of its head; the head and what is kept follow


class DelimitedEnvelope:
    r"""Records with a separator behind each; the last one's may be missing.

    A record that holds the separator itself is written as it is, and read back as two.

    Parameters
    ----------
    separator : bytes
        Not empty.
    max_record_bytes : int
        A longer record comes back as `Oversized`; no more than this is ever kept of a record.

    Examples
    --------
    >>> lines = DelimitedEnvelope()
    >>> lines.feed(b"1\n2"), lines.feed(b"0\n\n3"), lines.finish()
    ([b'1'], [b'20', b''], [b'3'])
    """

    def __init__(self, separator: bytes = b"\n", max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self._separator, self._max_record_bytes = separator, max_record_bytes
        self._overlap = len(separator) - 1  # as much of a separator as can be the end of one feed
        self._pending = bytearray()  # the record begun; never holds a whole separator
        # Of a record that is too long already: its head, and how many of its bytes were let go.
        self._head, self._n_dropped = b"", 0
        self._end = 0
        self.ends: Sequence[int] = ()

    @property
    def pending_bytes(self) -> int:
        """Bytes of the record begun, those not kept included."""
        return self._n_dropped + len(self._pending)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the records that `data` completes. Only the new bytes are searched."""
        tail = self._pending[-self._overlap :] if self._overlap else b""
        if self._separator not in tail + data:
            self._pending += data
            self._shed()
            self.ends = ()
            return []
        *values, rest = b"".join((self._pending, data)).split(self._separator)
        self._pending = bytearray(rest)
        records = self._complete(values, len(self._separator))
        self._shed()
        return records

    def finish(self) -> list[bytes]:
        """Return the record that no separator follows; an empty one is none."""
        if not self.pending_bytes:
            self.ends = ()
            return []
        rest, self._pending = bytes(self._pending), bytearray()
        return self._complete([rest], 0)

    def wrap(self, values: Sequence[bytes]) -> bytes:
        """Return the records with the separator behind each."""
        return self._separator.join((*values, b""))

    def save(self) -> bytes:
        """Return the record begun; of one that is too long already, its head and how much was let go."""
        if not self.pending_bytes:
            return b""
        return _SAVED.pack(self._n_dropped, len(self._head)) + self._head + self._pending

    def restore(self, saved: bytes) -> None:
        """Go on with the record begun. Places in the stream are counted on from where this envelope is."""
        n_dropped, n_head = _SAVED.unpack_from(saved) if saved else (0, 0)
        begin = _SAVED.size + n_head
        self._n_dropped, self._head = n_dropped, saved[_SAVED.size : begin]
        self._pending = bytearray(saved[begin:])
        self.ends = ()

    def _complete(self, values: list[bytes], separator_bytes: int) -> list[bytes]:
        sizes = [len(value) + separator_bytes for value in values]
        sizes[0] += self._n_dropped
        self.ends = ends = list(accumulate(sizes, initial=self._end))
        n_bytes, self._end = ends[-1] - ends[0], ends[-1]
        del ends[0]
        limit = self._max_record_bytes + separator_bytes
        if n_bytes <= limit or max(sizes) <= limit:
            return values
        values[0] = self._head + values[0]
        self._head, self._n_dropped = b"", 0
        return [
            Oversized(value, size - separator_bytes) if size > limit else value
            for value, size in zip(values, sizes, strict=True)
        ]

    def _shed(self) -> None:
        """Let go of what was read of a record that is too long whatever comes, all but its head."""
        n_surplus = len(self._pending) - self._overlap
        if self._n_dropped + n_surplus > self._max_record_bytes and n_surplus > 0:
            self._head = bytes(Oversized(self._head + self._pending[:n_surplus], 0))
            self._n_dropped += n_surplus
            del self._pending[:n_surplus]
