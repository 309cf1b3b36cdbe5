"""Records and batches: what moves between streams, manifold and jets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Position: TypeAlias = int
"""Where to resume once a record is done: the place *after* it. Opaque; only its own source can read it."""


@dataclass(slots=True)
class Batch:
    """What one read of a source returned: raw records, column by column.

    Parameters
    ----------
    values : list of bytes
        The records as they were read, one encoded value each.
    positions : sequence of int
        For each record, where to resume once it is done.
    """

    values: list[bytes]
    positions: Sequence[Position]

    def __len__(self) -> int:
        return len(self.values)
