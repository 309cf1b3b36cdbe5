"""Records and batches: what moves between streams, manifold and jets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeAlias

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


Outgoing: TypeAlias = Label
"""What an output carries, on its way to a sink that has use for it: the label of its record, unless its script says
otherwise."""


@dataclass(slots=True)
class Batch:
    """What one read of a source returned: raw records, column by column.

    Parameters
    ----------
    values : list of bytes
        The records as they were read, one encoded value each.
    positions : sequence of int
        For each record, where to resume once it is done.
    labels : sequence of Label, optional
        For each record, what it carries beside its value, where the source knows such a thing.
    """

    values: list[bytes]
    positions: Sequence[Position]
    labels: Sequence[Label] | None = None

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
