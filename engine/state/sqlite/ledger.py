"""What the writer knows of the store without reading it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

from engine.state.commits import Fence
from engine.state.sqlite.forms import pack, unpack
from engine.state.sqlite.tables import ENTRIES, JOURNAL, OUTPUTS, Tally


@dataclass(slots=True)
class Ledger:
    """The small facts: cached, and true as of one transaction.

    Parameters
    ----------
    epoch : int
        How often the store was opened for writing.
    last_reject : int
        The number of the last reject there ever was.
    tallies : dict
        By table and area, what the rows there come to.
    fence, job
        As committed.
    journaled : dict of int to int
        By attachment, sequence number of the last record in the journal.
    put_out : dict of int to int
        By attachment, sequence number of the last output that the store has.
    pending : dict of int to bytes
        By attachment, the beginning of a record.
    acknowledged : dict of int to int
        By attachment, sequence number of the last output that somebody has taken.
    prepared : bytes or None
        A packed commit that is not yet decided.
    identity, life : str
        Random: of the store, and of the job that is in it now.
    """

    epoch: int = 0
    last_reject: int = 0
    tallies: dict[tuple[str, bytes], Tally] = field(default_factory=dict)
    fence: Fence | None = None
    job: Any = None
    journaled: dict[int, int] = field(default_factory=dict)
    put_out: dict[int, int] = field(default_factory=dict)
    pending: dict[int, bytes] = field(default_factory=dict)
    acknowledged: dict[int, int] = field(default_factory=dict)
    prepared: bytes | None = None
    identity: str = ""
    life: str = ""

    def copy(self) -> Self:
        """Return one that can be changed while this one stays as it is."""
        return replace(
            self,
            tallies=dict(self.tallies),
            journaled=dict(self.journaled),
            put_out=dict(self.put_out),
            pending=dict(self.pending),
            acknowledged=dict(self.acknowledged),
        )

    def pack_head(self) -> bytes:
        """Return what no other row says, for the row that every transaction writes."""
        tallies = [[table, area, *tally] for (table, area), tally in sorted(self.tallies.items()) if tally.n]
        return pack([self.epoch, self.last_reject, tallies])

    @classmethod
    def of_head(cls, head: bytes) -> Self:
        """Return the ledger as far as the head tells."""
        epoch, last_reject, tallies = unpack(head)
        return cls(epoch, last_reject, {(table, area): Tally(n, total) for table, area, n, total in tallies})

    def tally(self, table: str, area: bytes = b"") -> Tally:
        """Return what the rows of an area come to."""
        return self.tallies.get((table, area), Tally())

    def areas(self, table: str) -> list[bytes]:
        """Return the areas of a table that have rows."""
        return sorted(area for (name, area), tally in self.tallies.items() if name == table and tally.n)

    def last_input(self, attachment: int) -> int:
        """Return the sequence number of the last record that came in."""
        done = self.fence.inputs.get(attachment) if self.fence is not None else None
        return max(self.journaled.get(attachment, 0), done.position if done is not None else 0)

    @property
    def n_entries(self) -> int:
        """How many values the state has."""
        return sum(tally.n for (table, _), tally in self.tallies.items() if table == ENTRIES)

    @property
    def streams(self) -> set[tuple[str, bytes]]:
        """The areas that hold records."""
        return {key for key, tally in self.tallies.items() if key[0] in (JOURNAL, OUTPUTS) and tally.n}
