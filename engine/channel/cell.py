"""What a jet has in work, in memory that its engine shares: still readable when the jet is dead or hangs."""

from __future__ import annotations

import contextlib
import enum
import mmap
import os
from collections.abc import Iterator

CELL_BYTES = mmap.PAGESIZE


class Phase(enum.IntEnum):
    """What a jet is doing."""

    IDLE = 0
    IMPORT = 1
    BEGIN = 2
    ACTION = 3
    END = 4
    ASK = 5
    BATCHED = 6


class Cell:
    """The phase, the batch and the record in work.

    The jet writes, the engine reads; each number is one aligned word, so that no lock is needed. The jet writes the
    record's index for every record, which is why `words` is public: one store into it costs 30 ns, a method call 80.

    Parameters
    ----------
    memory : mmap, optional
        Shared memory; the cell's own when None.
    """

    PHASE, BATCH, INDEX, SLOT, FIRST_SEQ, CALLS, OPEN = range(7)

    def __init__(self, memory: mmap.mmap | None = None) -> None:
        self._memory = memory if memory is not None else mmap.mmap(-1, CELL_BYTES)
        self.words = memoryview(self._memory).cast("Q")

    @classmethod
    def create(cls) -> tuple[Cell, int]:
        """Return a new cell and the file descriptor by which a child opens it."""
        fd = os.memfd_create("engine-jet-cell")
        os.ftruncate(fd, CELL_BYTES)
        return cls(mmap.mmap(fd, CELL_BYTES)), fd

    @classmethod
    def open(cls, fd: int) -> Cell:
        """Return the cell behind a descriptor, which is closed."""
        memory = mmap.mmap(fd, CELL_BYTES)
        os.close(fd)
        return cls(memory)

    def enter(self, phase: Phase, batch: int = 0, slot: int = 0, first_seq: int = 0) -> None:
        """Note what begins; the record's index starts at 0."""
        words = self.words
        words[self.BATCH], words[self.INDEX], words[self.SLOT], words[self.FIRST_SEQ] = batch, 0, slot, first_seq
        words[self.PHASE] = phase

    def leave(self) -> None:
        """Note that nothing is in work."""
        self.words[self.PHASE] = Phase.IDLE

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Note that the engine is waited for, and afterwards what was in work before."""
        words = self.words
        before, words[self.PHASE] = words[self.PHASE], Phase.ASK
        try:
            yield
        finally:
            words[self.PHASE] = before

    @property
    def phase(self) -> Phase:
        """What is being done."""
        return Phase(self.words[self.PHASE])

    @property
    def record(self) -> tuple[int, int] | None:
        """Slot and sequence number of the record in work, or None."""
        words = self.words
        if words[self.PHASE] != Phase.ACTION:
            return None
        return words[self.SLOT], words[self.FIRST_SEQ] + words[self.INDEX]

    @property
    def is_predicting(self) -> bool:
        """Whether a prediction for several records is under way: no one of them is to blame if the jet ends."""
        return self.words[self.PHASE] == Phase.BATCHED or self.words[self.OPEN] > 0

    @property
    def work(self) -> tuple[int, ...] | None:
        """What tells the record, or the prediction for several, in work from all others; None when there is none."""
        if not self.is_predicting:
            return self.record
        words = self.words
        return words[self.CALLS], words[self.OPEN], words[self.BATCH], words[self.INDEX]

    def describe(self) -> str:
        """Say what is in work, for a person."""
        record = self.record
        if self.is_predicting:
            return "a prediction for several records"
        if record is not None:
            return f"record {record[1]} of slot {record[0]}"
        others = {
            Phase.IMPORT: "the import of the script",
            Phase.BEGIN: "begin()",
            Phase.END: "end()",
            Phase.ASK: "nothing but a question to the schema registry",
        }
        return others.get(self.phase, "nothing")
