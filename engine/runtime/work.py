"""A batch on its way through a jet: what was sent, what came back, what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from engine.channel import Failure
from engine.errors import EngineError
from engine.record import Position
from engine.state.commits import Answer

if TYPE_CHECKING:
    from engine.runtime.intake import Intake


@dataclass(slots=True, eq=False)
class Work:
    """Records of one slot that are scored together, or one record that somebody waits for.

    Parameters
    ----------
    intake : Intake
        Where the records came from.
    first_seq : int
        Sequence number of the first record.
    values : list of bytes
        The records.
    positions : sequence of int
        For each record, where the source goes on behind it; empty for what came by another way than the source's.
    ends_batch : bool
        The intake may read one more batch when this is given to a jet.
    caller : Future, optional
        Who waits for the outputs on `output_slot`.
    answer_key : tuple of str and bytes, optional
        The request's ``Idempotency-Key`` and the digest of its body: the answer is kept with the commit.
    replayed : sequence of int
        The records' numbers in the reject log, which they leave.
    """

    intake: Intake
    first_seq: int
    values: list[bytes]
    positions: Sequence[Position] = ()
    ends_batch: bool = False
    caller: asyncio.Future[list[bytes]] | None = None
    output_slot: int = 1
    answer_key: tuple[str, bytes] | None = None
    replayed: Sequence[int] = ()
    outputs: dict[int, list[bytes]] = field(default_factory=dict)
    replies: list[bytes] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    condemned: list[Failure] = field(default_factory=list)
    """Records that are not given to a jet, or not again: too long to decode, or the end of a jet."""
    fatal: EngineError | None = None
    """What the engine stops for; then the records from `n_kept` on do not count as scored."""
    is_halted: bool = False
    """Whether it stops for a record that a jet has touched: its state is that of behind the record."""
    n_kept: int = field(init=False)
    n_open: int = 0
    is_done: bool = False
    answer: Answer | None = None
    output_bytes: int = 0
    size_bytes: int = field(init=False)
    """What the records take on the channel."""

    def __post_init__(self) -> None:
        self.n_kept = len(self.values)
        self.size_bytes = sum(map(len, self.values)) + 4 * len(self.values)

    @property
    def slot(self) -> int:
        """The input slot."""
        return self.intake.slot

    def split(self, n_records: int) -> Self:
        """Keep the first records, and return the others as a work of their own."""
        rest = replace(
            self,
            first_seq=self.first_seq + n_records,
            values=self.values[n_records:],
            positions=self.positions[n_records:],
            replayed=self.replayed[n_records:],
            condemned=[replace(one, index=one.index - n_records) for one in self.condemned if one.index >= n_records],
            outputs={},
            replies=[],
            failures=[],
        )
        self.condemned = [one for one in self.condemned if one.index < n_records]
        self.values, self.positions = self.values[:n_records], self.positions[:n_records]
        self.replayed, self.ends_batch = self.replayed[:n_records], False
        self.__post_init__()
        return rest

    def spans(self, policy: str) -> Iterator[tuple[int, int]]:
        """Yield from where to where its records go to a jet: around the condemned ones, or up to the first of them.

        Parameters
        ----------
        policy : str
            What becomes of a record that fails: under stop, a condemned one ends the work, and the engine.
        """
        start = 0
        for failure in sorted(self.condemned, key=lambda one: one.index):
            if failure.stage == "action" and self.caller is None and policy == "stop":
                self.fatal, self.n_kept = failure.error, failure.index
                if start < failure.index:
                    yield start, failure.index
                return
            self.failures.append(failure)
            if start < failure.index:
                yield start, failure.index
            start = failure.index + 1
        if start < len(self.values):
            yield start, len(self.values)

    def take(self, values: Sequence[bytes], slots: Sequence[int]) -> None:
        """Take outputs, in order."""
        self.output_bytes += sum(map(len, values))
        if self.caller is None and slots and slots.count(slots[0]) == len(slots):  # the common case, as a whole
            self.outputs.setdefault(slots[0], []).extend(values)
            return
        for value, slot in zip(values, slots, strict=True):
            if self.caller is not None and slot == self.output_slot:
                self.replies.append(value)
            else:
                self.outputs.setdefault(slot, []).append(value)

    def close_part(self) -> None:
        """Note that one of the parts in which the work was sent needs no more answers."""
        self.n_open -= 1
        self.is_done = self.n_open == 0

    def reset(self) -> None:
        """Be as before it was given to a jet, for another try; what a caller was answered stays answered."""
        self.outputs, self.replies, self.failures = {}, [], []
        self.fatal, self.is_halted, self.n_kept = None, False, len(self.values)
        self.n_open, self.output_bytes, self.is_done, self.ends_batch = 0, 0, False, False

    def reply(self) -> None:
        """Give the caller, unless it has gone, the outputs or the first error."""
        if self.caller is None or self.caller.done():
            return
        if self.failures:
            self.caller.set_exception(self.failures[0].error)
        else:
            self.caller.set_result(self.replies)


@dataclass(slots=True)
class Sent:
    """A part of a work that is in a jet: records `start` to `stop`, of which `n_done` have been answered."""

    batch: int
    work: Work
    start: int
    stop: int
    size_bytes: int
    n_done: int = 0
