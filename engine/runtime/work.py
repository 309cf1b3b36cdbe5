"""A batch on its way through a jet: what was sent, what came back, what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.channel import Failure
from engine.errors import EngineError
from engine.record import Position

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
        For each record, where the source goes on behind it; empty for one that somebody waits for.
    ends_batch : bool
        The intake may read one more batch when this is given to a jet.
    caller : Future, optional
        Who waits for the outputs on `output_slot`.
    """

    intake: Intake
    first_seq: int
    values: list[bytes]
    positions: Sequence[Position] = ()
    ends_batch: bool = False
    caller: asyncio.Future[list[bytes]] | None = None
    output_slot: int = 1
    outputs: dict[int, list[bytes]] = field(default_factory=dict)
    replies: list[bytes] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    fatal: EngineError | None = None
    n_open: int = 0
    is_done: bool = False
    size_bytes: int = field(init=False)
    """What the records take on the channel."""

    def __post_init__(self) -> None:
        self.size_bytes = sum(map(len, self.values)) + 4 * len(self.values)

    @property
    def slot(self) -> int:
        """The input slot."""
        return self.intake.slot

    def take(self, values: Sequence[bytes], slots: Sequence[int]) -> None:
        """Take outputs, in order."""
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
