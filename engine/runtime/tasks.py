"""Which partitions of the inputs are this engine's: the tasks, and the lanes on which their records come."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from engine.runtime.interval import Hook
from engine.runtime.lanes import Lane
from engine.runtime.work import Work


class Tasks:
    """A task is owned from when its state is in the jets until it is let go of; its lanes come last and go first."""

    def __init__(self) -> None:
        self.lanes: dict[tuple[int, int], Lane] = {}
        """By slot and task."""
        self.hooks: dict[int, Hook] = {}
        """By task that is owned, what ``begin()`` gave, until it is committed."""
        self._owned: dict[int, object] = {}
        self._leaving: dict[int, object] = {}

    @property
    def owned(self) -> frozenset[int]:
        """Whose state the jets have."""
        return frozenset(self._owned)

    @property
    def marks(self) -> Mapping[int, object]:
        """By task that is owned, what is another object when it was let go of and came back."""
        return self._owned

    @property
    def is_leaving(self) -> bool:
        """Some are to be let go of once all of them is committed."""
        return bool(self._leaving)

    def add(self, task: int) -> None:
        """Own a task."""
        self._owned[task] = object()

    def add_lanes(self, lanes: Iterable[Lane]) -> None:
        """Take records of these."""
        for lane in lanes:
            self.lanes[lane.slot, lane.task] = lane

    def confirm(self, hooks: Iterable[Hook]) -> None:
        """Note that what ``begin()`` gave is committed."""
        self.hooks = {task: hook for task, hook in self.hooks.items() if hook not in hooks}

    def takes(self, lane: Lane) -> bool:
        """Say whether records of a lane are taken: it is there, and does not go."""
        return self.lanes.get((lane.slot, lane.task)) is lane and lane.task not in self._leaving

    def is_void(self, work: Work) -> bool:
        """Say whether a work is of a lane that is gone: nothing of it may be committed."""
        lane = work.intake
        return isinstance(lane, Lane) and self.lanes.get((lane.slot, lane.task)) is not lane

    def is_leaving_with(self, work: Work) -> bool:
        """Say whether a work is of a lane that goes, or is gone."""
        return isinstance(work.intake, Lane) and not self.takes(work.intake)

    def begin_leaving(self, tasks: Iterable[int]) -> dict[int, object]:
        """Take no more records of these tasks; return what `end_leaving` wants."""
        leaving = {task: self._owned.setdefault(task, object()) for task in tasks}
        self._leaving |= leaving
        return leaving

    def end_leaving(self, leaving: dict[int, object]) -> frozenset[int]:
        """Let go of the tasks, but for those that were dropped, or even came back, meanwhile; return them."""
        tasks = self._still(leaving)
        self.drop(tasks)
        return tasks

    def park(self, leaving: dict[int, object]) -> frozenset[int]:
        """Let go of the lanes of these tasks, and own them still; return them, as `end_leaving` does."""
        tasks = self._still(leaving)
        self.lanes = {place: lane for place, lane in self.lanes.items() if lane.task not in tasks}
        for task in tasks:
            self._leaving.pop(task, None)
        return tasks

    def _still(self, leaving: dict[int, object]) -> frozenset[int]:
        return frozenset(task for task, mark in leaving.items() if self._owned.get(task) is mark)

    def drop(self, tasks: Collection[int]) -> None:
        """Let go of tasks and their lanes."""
        self.lanes = {place: lane for place, lane in self.lanes.items() if lane.task not in tasks}
        for task in tasks:
            self.hooks.pop(task, None)
            self._owned.pop(task, None)
            self._leaving.pop(task, None)
