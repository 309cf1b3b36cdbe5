"""What was scored since the last commit, and is not committed: kept whole, so that it can be done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from engine.channel import OutputFrame
from engine.errors import EngineError
from engine.record import Label, Labels, Position
from engine.runtime.intake import Intake
from engine.runtime.lanes import Lane
from engine.runtime.record_places import place_of
from engine.runtime.work import NO_LABEL, Work
from engine.state.commits import Answer, InputFence, Reject


@dataclass(slots=True, eq=False)
class Hook:
    """What ``begin()`` or ``end()`` gave: by output slot the records, and what they carry.

    `task` is the one whose engine gives it; None where that is no question.
    """

    outputs: dict[int, list[bytes]] = field(default_factory=dict)
    outgoing: dict[int, list[Labels]] = field(default_factory=dict)
    task: int | None = None


@dataclass(slots=True)
class Progress:
    """What an interval means for one input: where it goes on, and what was scored, rejected and skipped of it."""

    fence: InputFence
    n_scored: int = 0
    n_rejected: int = 0
    n_skipped: int = 0


@dataclass(slots=True)
class Yield:
    """What an interval gives: by output slot the records, by input the progress and the rejects."""

    outputs: dict[int, list[bytes]] = field(default_factory=dict)
    outgoing: dict[int, Labels] = field(default_factory=dict)
    """What these records carry, by those output slots whose streams take it."""
    inputs: dict[Intake | Lane, Progress] = field(default_factory=dict)
    hooks: list[Hook] = field(default_factory=list)
    """Those that go with a task."""
    rejects: list[tuple[Intake | Lane, Reject, Label]] = field(default_factory=list)
    """With what the record carried."""
    answers: list[Answer] = field(default_factory=list)
    replayed: list[int] = field(default_factory=list)
    callers: list[Work] = field(default_factory=list)
    """Works whose callers are answered now: they gave an ``Idempotency-Key``, and what it stands for is kept."""


class Interval:
    """Works that are scored, and what hooks gave, in order."""

    def __init__(self) -> None:
        self._items: list[Work | Hook] = []
        self.input_bytes = self.output_bytes = 0
        self.is_pressing = False
        """Somebody waits for what is in it: it is committed as soon as there is nothing else to do."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def works(self) -> list[Work]:
        """The works, in order."""
        return [item for item in self._items if isinstance(item, Work)]

    def add(self, work: Work) -> None:
        """Take a work that is scored."""
        self._items.append(work)
        self.input_bytes += work.size_bytes
        self.output_bytes += work.output_bytes
        self.is_pressing |= work.caller is None or bool(work.outputs) or work.answer is not None

    def add_hook(self, frames: Iterable[OutputFrame], task: int | None = None) -> Hook | None:
        """Take what ``begin()`` or ``end()`` gave, as the engine of a task if it is one's; return it, if any."""
        hook = Hook(task=task)
        for frame in frames:
            for index, (value, slot) in enumerate(zip(frame.values, frame.slots, strict=True)):
                hook.outputs.setdefault(slot, []).append(value)
                carried = Label(task=task or 0)._replace(**frame.labels.get(index, {}))
                hook.outgoing.setdefault(slot, []).append(Labels.of([carried]))
                self.output_bytes += len(value)
        if not hook.outputs:
            return None
        self._items.append(hook)
        self.is_pressing = True
        return hook

    def take_back(self) -> list[Work]:
        """Forget the works and return them; what hooks gave stays."""
        return self.take(lambda _: True)

    def take(self, is_meant: Callable[[Work], bool]) -> list[Work]:
        """Forget some works and return them."""
        works = [work for work in self.works if is_meant(work)]
        gone = set(works)
        self._keep([item for item in self._items if item not in gone])
        return works

    def discard(self, is_void: Callable[[Work], bool], tasks: Collection[int]) -> None:
        """Forget works of which nothing may be committed, and what hooks gave as the engine of one of the tasks."""
        if self._items:
            self._keep(
                [item for item in self._items if not (is_void(item) if isinstance(item, Work) else item.task in tasks)]
            )

    def prepend(self, earlier: Interval) -> None:
        """Take what is in an earlier interval, which was not committed after all."""
        self._keep([*earlier._items, *self._items])
        self.is_pressing |= earlier.is_pressing

    def _keep(self, items: list[Work | Hook]) -> None:
        self._items = items
        self.input_bytes = sum(item.size_bytes for item in items if isinstance(item, Work))
        self.output_bytes = sum(
            item.output_bytes
            if isinstance(item, Work)
            else sum(len(value) for values in item.outputs.values() for value in values)
            for item in items
        )

    def gather(self, policies: Mapping[int, str], label_slots: Collection[int] = ()) -> Yield:
        """Return what all of it comes to.

        Parameters
        ----------
        policies : mapping of int to str
            For each input slot, what becomes of a record on which the script raises.
        label_slots : collection of int
            The output slots for which it is to be said what records carry.
        """
        found = Yield()
        for item in self._items:
            for slot, values in item.outputs.items():
                found.outputs.setdefault(slot, []).extend(values)
                if slot in label_slots:
                    carried = found.outgoing.setdefault(slot, Labels.of(()))
                    for piece in item.outgoing.get(slot) or [Labels.of([Label(task=item.task or 0)] * len(values))]:
                        carried.extend(piece)
            if isinstance(item, Work):
                _add_input(found, item, policies.get(item.slot, "stop"))
            elif item.task is not None:
                found.hooks.append(item)
        return found


def _add_input(found: Yield, work: Work, policy: str) -> None:
    n_kept, intake = work.n_kept, work.intake
    progress = found.inputs.get(intake)
    if progress is None:
        progress = found.inputs[intake] = Progress(intake.fence)
    if work.caller is not None and not (
        work.failures or work.replayed or work.positions
    ):  # the common case of what is asked for
        fence, last_seq = progress.fence, work.first_seq + n_kept - 1
        if last_seq > fence.seq_no:  # `replace` takes three times as long
            progress.fence = InputFence(fence.slot, fence.position, last_seq, fence.n_rejected)
        if work.answer is not None:
            found.answers.append(work.answer)
            found.callers.append(work)
        return
    before = progress.fence
    position: Position = work.positions[n_kept - 1] if n_kept and work.positions else before.position
    failed = {failure.index for failure in work.failures}
    skipped = {failure.index for failure in work.failures if failure.stage == "action" and policy == "skip"}
    is_called = work.caller is not None
    progress.fence = replace(
        before,
        position=position,
        seq_no=max(before.seq_no, work.first_seq + n_kept - 1),
        n_rejected=before.n_rejected + len(failed - skipped),
    )
    if not is_called:  # those were counted when they were answered
        progress.n_scored += n_kept - len(failed)
        progress.n_rejected += len(failed - skipped)
        progress.n_skipped += len(skipped)
    found.replayed += work.replayed[:n_kept]
    if work.answer is not None:
        found.answers.append(work.answer)
        found.callers.append(work)
    if is_called:
        return
    # Sorted: a record that ended the jet is noted before those in front of it are answered.
    for failure in sorted(work.failures, key=lambda failure: failure.index):
        if failure.stage != "action" or policy != "skip":
            index = failure.index
            place = work.positions[index] if work.positions else None
            carried = (work.labels[index] if work.labels is not None else NO_LABEL)._replace(task=work.task)
            found.rejects.append((intake, _reject(work, index, place, failure.stage, failure.error), carried))


def _reject(work: Work, index: int, position: Position | None, stage: str, error: EngineError) -> Reject:
    found = place_of(work, index)
    return Reject(
        time_s=time.time(),
        slot=work.slot,
        seq_no=work.first_seq + index,
        position=position,
        stage=stage,
        error=type(error).__name__,
        reason=str(error),
        traceback=getattr(error, "traceback", ""),
        value=bytes(work.values[index]),
        topic=found.topic if found is not None else "",
        partition=found.partition if found is not None else None,
        offset=found.offset if found is not None else None,
    )
