"""Records and batches: what moves between streams, manifold and jets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import iter_unpack, unpack
from typing import NamedTuple, Self, TypeAlias, overload

Position: TypeAlias = int
"""Where to resume once a record is done: the place *after* it. Opaque; only its own source can read it."""


class Label(NamedTuple):
    """What a record carries beside its value.

    Parameters
    ----------
    key : bytes or None
        By which records that belong together are found.
    timestamp_ms : int or None
        When it came to be, in milliseconds since 1970.
    headers : tuple of pairs of str and bytes or None
        In order; a name may come several times.
    task : int
        From which partition of the input it came; 0 where it has none.
    """

    key: bytes | None = None
    timestamp_ms: int | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    task: int = 0


class Labels(Sequence[Label]):
    """What records carry, column by column: a `Label` is made when somebody looks at one.

    Parameters
    ----------
    keys, timestamps_ms, headers, tasks : list
        What the labels have of each, of one length.

    Examples
    --------
    >>> labels = Labels.of([Label(b"a", 7), Label(b"b", 8, (), 1)])
    >>> labels[1].key, labels.keys, list(labels[1:]) == [Label(b"b", 8, (), 1)]
    (b'b', [b'a', b'b'], True)
    """

    __slots__ = ("headers", "keys", "tasks", "timestamps_ms")
    __hash__ = None  # type: ignore[assignment]  # equal to lists

    def __init__(
        self,
        keys: list[bytes | None],
        timestamps_ms: list[int | None],
        headers: list[tuple[tuple[str, bytes | None], ...]],
        tasks: list[int],
    ) -> None:
        self.keys, self.timestamps_ms, self.headers, self.tasks = keys, timestamps_ms, headers, tasks

    @classmethod
    def of(cls, labels: Iterable[Label]) -> Self:
        """Return labels as columns."""
        columns = [list(column) for column in zip(*labels, strict=True)]
        return cls(*(columns or ([], [], [], [])))

    def extend(self, others: Labels) -> None:
        """Add labels behind these."""
        self.keys += others.keys
        self.timestamps_ms += others.timestamps_ms
        self.headers += others.headers
        self.tasks += others.tasks

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Label: ...
    @overload
    def __getitem__(self, index: slice) -> Labels: ...
    def __getitem__(self, index: int | slice) -> Label | Labels:
        if isinstance(index, slice):
            return Labels(self.keys[index], self.timestamps_ms[index], self.headers[index], self.tasks[index])
        return Label(self.keys[index], self.timestamps_ms[index], self.headers[index], self.tasks[index])

    def __iter__(self) -> Iterator[Label]:
        return map(Label, self.keys, self.timestamps_ms, self.headers, self.tasks)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, list | tuple | Labels) else NotImplemented

    def __repr__(self) -> str:
        return f"Labels.of({list(self)!r})"


_N_CUT = 4096  # a format of more items is not worth what it takes to parse and to keep


class Joined(Sequence[bytes]):
    """Records of one size, one behind the other in one piece: one is cut off when somebody looks at it.

    Parameters
    ----------
    data : bytes
        The records; a whole number of them.
    size : int
        Bytes of each; at least 1.

    Examples
    --------
    >>> records = Joined(b"abcdef", 2)
    >>> list(records), records[-1], list(records[1:])
    ([b'ab', b'cd', b'ef'], b'ef', [b'cd', b'ef'])
    """

    __slots__ = ("data", "size")
    __hash__ = None  # type: ignore[assignment]  # equal to lists

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    def __len__(self) -> int:
        return len(self.data) // self.size

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return list(self)[index]
            return Joined(self.data[start * self.size : max(start, stop) * self.size], self.size)
        start = range(len(self))[index] * self.size
        return self.data[start : start + self.size]

    def __iter__(self) -> Iterator[bytes]:
        n = len(self)
        if n <= _N_CUT:
            return iter(unpack(f"{self.size}s" * n, self.data))
        return (value for (value,) in iter_unpack(f"{self.size}s", self.data))

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, list | tuple | Joined) else NotImplemented

    def __repr__(self) -> str:
        return f"Joined({list(self)!r})"


def size_of(values: Sequence[bytes]) -> int:
    """Return how many bytes records have."""
    return len(values.data) if type(values) is Joined else sum(map(len, values))


@dataclass(slots=True)
class Batch:
    """What one read of a source returned: raw records, column by column.

    Parameters
    ----------
    values : sequence of bytes
        The records as they were read, one encoded value each.
    positions : sequence of int
        For each record, where to resume once it is done.
    labels : Labels, optional
        For each record, what it carries beside its value, where the source knows such a thing.
    """

    values: Sequence[bytes]
    positions: Sequence[Position]
    labels: Labels | None = None

    def __len__(self) -> int:
        return len(self.values)


MAX_RECORD_BYTES = 16 << 20
"""The longest record that is kept, 16 MiB: the largest message that a Kafka broker is usually set up for."""

_HEAD_BYTES = 1 << 10  # enough to recognise the record by in a log


class Oversized(bytes):
    """The first KiB of a record that was too long to keep: it flows in its place, and must be rejected, not decoded.

    Parameters
    ----------
    head : bytes
        The record's first bytes; at most 1 KiB of them is kept.
    size_bytes : int
        How long the whole record was.
    """

    size_bytes: int

    def __new__(cls, head: bytes, size_bytes: int) -> Self:  # noqa: D102  the class says it
        self = super().__new__(cls, head[:_HEAD_BYTES])
        self.size_bytes = size_bytes
        return self
