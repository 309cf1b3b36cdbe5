"""A batch on its way through a jet: what was sent, what came back, what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from engine.channel import Failure, OutputFrame
from engine.errors import EngineError
from engine.record import Label, Labels, Position, size_of
from engine.state.commits import Answer

if TYPE_CHECKING:
    from engine.runtime.callers import Caller
    from engine.runtime.intake import Intake
    from engine.runtime.lanes import Lane

NO_LABEL = Label()
"""What a record carries that came from nowhere in particular."""


@dataclass(slots=True, eq=False)
class Work:
    """Records of one slot that are scored together, or one record that somebody waits for.

    Parameters
    ----------
    intake : Intake or Lane
        Where the records came from.
    first_seq : int
        Sequence number of the first record.
    values : sequence of bytes
        The records.
    positions : sequence of int
        For each record, where the source goes on behind it; empty for what came by another way than the source's.
    ends_batch : bool
        The intake may read one more batch when this is given to a jet.
    caller : Caller, optional
        Who waits for the outputs on `output_slot`.
    answer_key : tuple of str and bytes, optional
        The request's ``Idempotency-Key`` and the digest of its body: the answer is kept with the commit.
    replayed : sequence of int
        The records' numbers in the reject log, which they leave.
    labels : Labels, optional
        For each record, what it carries beside its value, where its source knows such a thing.
    label_slots : frozenset of int
        The output slots whose streams take such things.
    """

    intake: Intake | Lane
    first_seq: int
    values: Sequence[bytes]
    positions: Sequence[Position] = ()
    ends_batch: bool = False
    caller: Caller | None = None
    output_slot: int = 1
    answer_key: tuple[str, bytes] | None = None
    replayed: Sequence[int] = ()
    labels: Labels | None = None
    label_slots: frozenset[int] = frozenset()
    outputs: dict[int, list[bytes]] = field(default_factory=dict)
    outgoing: dict[int, list[Labels]] = field(default_factory=dict)
    """For each output on one of `label_slots`, what it carries, in pieces."""
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
    is_counted: bool = False
    """Whether it was scored before, and taken back."""
    is_careful: bool = False
    """Whether a jet has ended while it predicted for several records, these among them."""
    answer: Answer | None = None
    output_bytes: int = 0
    since_s: float = 0.0
    """When it was put into the line, on the monotonic clock."""
    size_bytes: int = field(init=False)
    """What the records take on the channel."""

    def __post_init__(self) -> None:
        self.n_kept = len(self.values)
        self.size_bytes = size_of(self.values) + 4 * len(self.values)

    @property
    def slot(self) -> int:
        """The input slot."""
        return self.intake.slot

    @property
    def task(self) -> int:
        """Whose state its records read and change."""
        return self.intake.task

    def split(self, n_records: int) -> Self:
        """Keep the first records, and return the others as a work of their own."""
        rest = replace(
            self,
            first_seq=self.first_seq + n_records,
            values=self.values[n_records:],
            positions=self.positions[n_records:],
            replayed=self.replayed[n_records:],
            labels=self.labels[n_records:] if self.labels is not None else None,
            condemned=[replace(one, index=one.index - n_records) for one in self.condemned if one.index >= n_records],
            is_counted=False,
            outputs={},
            outgoing={},
            replies=[],
            failures=[],
        )
        self.condemned = [one for one in self.condemned if one.index < n_records]
        self.values, self.positions = self.values[:n_records], self.positions[:n_records]
        self.labels = self.labels[:n_records] if self.labels is not None else None
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

    def take(self, frame: OutputFrame, start: int) -> None:
        """Take outputs, in order.

        Parameters
        ----------
        frame : OutputFrame
            What a jet gave for a part of the work.
        start : int
            The part's first record.
        """
        values, slots = frame.values, frame.slots
        self.output_bytes += size_of(values)
        if self.label_slots:
            self._take_labels(frame, start)
        if self.caller is None and slots and slots.count(slots[0]) == len(slots):  # the common case, as a whole
            self.outputs.setdefault(slots[0], []).extend(values)
            return
        for value, slot in zip(values, slots, strict=True):
            if self.caller is not None and slot == self.output_slot:
                self.replies.append(value)
            else:
                self.outputs.setdefault(slot, []).append(value)

    def _take_labels(self, frame: OutputFrame, start: int) -> None:
        task, labels, said, slots, sources = self.task, self.labels, frame.labels, frame.slots, frame.sources
        if labels and isinstance(sources, range) and self.caller is None and not said and labels.tasks[0] == task:
            # The common case: one output a record, on slot 1, which says nothing.
            if 1 in self.label_slots:
                self.outgoing.setdefault(1, []).append(labels[start + sources.start : start + sources.stop])
            return
        carried: dict[int, list[Label]] = {}
        for index, (slot, source) in enumerate(zip(slots, sources, strict=True)):
            if slot in self.label_slots and not (self.caller is not None and slot == self.output_slot):
                label = labels[start + source] if labels is not None else NO_LABEL
                carried.setdefault(slot, []).append(label._replace(task=task, **said.get(index, {})))
        for slot, its in carried.items():
            self.outgoing.setdefault(slot, []).append(Labels.of(its))

    def close_part(self) -> None:
        """Note that one of the parts in which the work was sent needs no more answers."""
        self.n_open -= 1
        self.is_done = self.n_open == 0

    def reset(self) -> None:
        """Be as before it was given to a jet, for another try; what a caller was answered stays answered."""
        self.outputs, self.outgoing, self.replies, self.failures = {}, {}, [], []
        self.fatal, self.is_halted, self.n_kept = None, False, len(self.values)
        self.n_open, self.output_bytes, self.is_done = 0, 0, False

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


def refuse(works: Iterable[Work], error: EngineError) -> None:
    """Tell whoever waits for one of the works that it is not scored."""
    for work in works:
        if work.caller is not None and not work.caller.done():
            work.caller.set_exception(error)
