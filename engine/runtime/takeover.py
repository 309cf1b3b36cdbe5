"""Takes over the tasks that a group gives, and lets go of those that it takes away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from engine.channel import OutputFrame
from engine.errors import EngineError, OffsetsDisagree, StateIncompatible
from engine.kafka.fetcher import Fetcher
from engine.kafka.log import KafkaLog
from engine.kafka.places import Place
from engine.log import get_logger
from engine.registry import Model
from engine.runtime.job import check_state
from engine.runtime.lanes import Lane
from engine.runtime.manifold import Manifold
from engine.runtime.restoring import Readings
from engine.runtime.tallies import Tallies
from engine.runtime.topics import Topics
from engine.state.commits import Entry, Fence, InputFence, TaskFence

log = get_logger(__name__)

_BEGINS = (
    "Slot {slot} begins at the end of topic {topic!r}: group {group!r} has committed nothing, and only records that"
    ' come from now on are read. For those that are there, give a group that has not begun "SkipToRecord": "earliest"'
    " in the descriptor, or ?SkipToRecord=earliest behind the literal."
)

N_DOUBTS = 2
"""How often a group is asked once more that stands elsewhere than the state."""

Places: TypeAlias = Mapping[int, Place]
"""By slot, where a task begins."""


class Takeover:
    """Restores the state of tasks, and has their records come; all of it on the event loop.

    Parameters
    ----------
    manifold : Manifold
        Takes the records.
    store : KafkaLog
        Has the states.
    topics : Topics
        What is read.
    fetcher : Fetcher
        Reads.
    frames : sequence of OutputFrame
        What ``begin()`` gave: written by whoever has task 0 first.
    """

    def __init__(
        self, manifold: Manifold, store: KafkaLog, topics: Topics, fetcher: Fetcher, frames: Sequence[OutputFrame]
    ) -> None:
        self._manifold, self._topics, self._fetcher, self._frames = manifold, topics, fetcher, frames
        self.readings, self.tallies = Readings(store), Tallies()
        self._lock = asyncio.Lock()
        self._wanted: dict[int, Places] = {}
        """What the group has given and is not read yet: a task that it takes away again is not restored to its end."""
        self._tellings: dict[int, int] = {}
        """By task the number of what the fetcher said of it last."""
        self._doubts: dict[int, int] = {}
        """By task how often the group and the state did not agree since it was last taken over."""
        self._parked: dict[int, dict[int, InputFence]] = {}
        """Tasks that the group took away to give them out anew, by slot where they stand: jets have their state."""
        self.notes: list[str] = []
        """Where the group began that had committed nothing: a sentence for each topic with records that are passed."""
        self._is_fresh = False
        """Whether a task was taken over that nobody had before, and where it begins is not committed yet."""

    def want(self, places: Mapping[int, Places], telling: int) -> None:
        """Note what the group has given; `take` takes it over."""
        self._wanted |= places
        self._tellings |= dict.fromkeys(places, telling)

    def unwant(self, tasks: Iterable[int]) -> None:
        """Note what the group has taken away: a takeover that is under way ends soon."""
        tasks = list(tasks)
        for task in tasks:
            self._wanted.pop(task, None)
            self._doubts.pop(task, None)
        self.readings.close(tasks)

    def unwant_all(self) -> None:
        """Note that everything is taken away."""
        self.unwant([*self._wanted, *self.readings.by_task])

    async def take(self, places: Mapping[int, Places]) -> None:
        """Take over what the group has given, unless it takes it away meanwhile.

        When this raises, it can be called again with the same places: what was taken over by then is left alone.

        Raises
        ------
        OffsetsDisagree
            The group stands elsewhere than the state.
        StateError
            It does not fit the script, or is damaged.
        BrokerRefused, BrokerUnreachable
            It cannot be read.
        """
        async with self._lock:
            # Lanes of an assignment that does not hold any more: nothing came on them, and they begin elsewhere.
            lanes = {lane.task for lane in self._manifold.lanes.values()}
            if old := {task for task in lanes.intersection(places) if self._is_wanted(task, places[task])}:
                await self._manifold.drop(old)
            await self._let_go({task for task in self._parked if task not in self._wanted})
            changed = [task for task, its in places.items() if not await self._has_kept(task, its)]
            self.readings.begin(changed)
            try:
                for task in changed:
                    try:
                        self._is_fresh |= await self._take(task, places[task])
                    except OffsetsDisagree as exc:
                        self._doubt(task, exc)
            finally:
                await self.readings.drop()
            self._note_begin([task for task in changed if task not in self._doubts], places)
            if self._is_fresh:
                await self._manifold.pin_lanes()  # a group that begins somewhere goes on there, whatever happens
                self._is_fresh = False

    def _note_begin(self, tasks: Sequence[int], places: Mapping[int, Places]) -> None:
        """Say where tasks begin of which the group has committed nothing."""
        for inlet in self._topics.inlets:
            offsets = {
                task: places[task][inlet.slot].offset for task in tasks if not places[task][inlet.slot].is_committed
            }
            if not offsets:
                continue
            log.info("group.begins", topic=inlet.topic, skip_to_record=inlet.first, offsets=offsets)
            if inlet.first == "latest" and any(offsets.values()):
                note = _BEGINS.format(slot=inlet.slot, topic=inlet.topic, group=self._topics.group)
                self.notes += [note] if note not in self.notes else []

    async def release(self, tasks: frozenset[int], budget_s: float) -> None:
        """Finish and commit what jets have of tasks, and let go of them; drop them when that takes too long."""
        self.unwant(tasks)
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(budget_s), self._lock:  # a takeover notices that it is not wanted any more
                await self._finish(tasks)
        except TimeoutError:
            log.warning("tasks.dropped", tasks=sorted(tasks), reason=f"they were not through in {budget_s:g} s")
            await self._manifold.drop(tasks)
        except EngineError as exc:
            log.warning("tasks.dropped", tasks=sorted(tasks), reason=str(exc))
        else:
            log.info("tasks.released", tasks=sorted(tasks), duration_s=round(time.monotonic() - started_s, 3))

    async def drop(self, tasks: frozenset[int]) -> None:
        """Let go of tasks that are lost."""
        self.unwant(tasks)
        await self._manifold.drop(tasks)

    def _is_wanted(self, task: int, places: Places) -> bool:
        """Say whether a task is still to be taken over for the assignment that gave it, and not for a later one."""
        return self._wanted.get(task) is places

    async def _has_kept(self, task: int, places: Places) -> bool:
        """Say whether a task needs nothing read: it is as it was, or it is not wanted any more."""
        if not self._is_wanted(task, places):
            return True
        parked = self._parked.get(task)
        if parked is None:
            return False
        is_same = all(place.is_committed and place.offset == parked[slot].position for slot, place in places.items())
        if not is_same or task not in self._manifold.owned:  # somebody else had it, or an abort took it
            await self._let_go({task})
            return False
        self._begin(task, self._parked.pop(task).values())
        log.info("task.kept", task=task)
        return True

    async def _take(self, task: int, places: Places) -> bool:
        """Take over a task whose state is being read; return whether nobody had it before."""
        entries, restoring = await self.readings.take(task)
        crew = self._manifold.crew
        if crew is None or not self._is_wanted(task, places):
            return False
        fence = restoring.fence.tasks.get(task) if restoring.fence is not None else None
        if restoring.fence is not None and entries:  # where it was cleared, nobody's keys matter
            self._check_state(restoring.fence, crew.model, entries[0])
        if self._topics.has_changelog:
            self._check_agreement(task, fence, places)
        n_keys = await self._manifold.restore(task, entries)
        if not self._is_wanted(task, places):
            return False
        known = fence.inputs if fence is not None else {}
        self._begin(task, (known.get(slot) or InputFence(slot, place.offset) for slot, place in places.items()))
        if task == 0 and (fence is None or not fence.has_begun) and self._frames:
            # Each time, until a fence says that it is written: who loses the task before has not written it.
            self._manifold.put_hook_outputs(self._frames, task)
        log.info("task.restored", task=task, n_records=restoring.n_read, n_keys=n_keys)
        return not all(place.is_committed for place in places.values())

    def _doubt(self, task: int, error: OffsetsDisagree) -> None:
        """Ask once more where the group stands in a task; raise what is still so then.

        An engine that stood still between the two questions has the answer to the first of another time: the task may
        have been another engine's meanwhile, or is now.
        """
        self._doubts[task] = self._doubts.get(task, 0) + 1
        if self._doubts[task] > N_DOUBTS:
            raise error
        log.warning("task.doubted", task=task, reason=str(error))
        self._wanted.pop(task, None)
        self._fetcher.retake([task])

    def _check_state(self, fence: Fence, model: Model, entry: Entry) -> None:
        try:
            check_state(fence, model, entry)
        except StateIncompatible as exc:
            topics = self._topics
            fix = f"engine stream seek STREAM --group {topics.group} --model {topics.model} --to group --clear-state"
            raise StateIncompatible(exc.reason, f"To forget it, stop the engines, and: {fix}") from exc

    def _check_agreement(self, task: int, fence: TaskFence | None, places: Places) -> None:
        for inlet in self._topics.inlets:
            place = places[inlet.slot]
            at_group = place.offset if place.is_committed else None
            known = fence.inputs.get(inlet.slot) if fence is not None else None
            at_state = known.position if known is not None else None
            if at_group != at_state:
                topics = self._topics
                raise OffsetsDisagree(topics.group, inlet.topic, task, at_group, at_state, topics.model)

    def _begin(self, task: int, fences: Iterable[InputFence]) -> None:
        """Have the records of a task come, from these places on."""
        for fence in fences:
            intake = self._manifold.intakes[fence.slot]
            lane = Lane(intake.number, task, fence, intake.stream, intake.rejects, self._on_more)
            self.tallies.add(lane)
            self._manifold.add_lanes([lane])
        self._wanted.pop(task, None)
        self._doubts.pop(task, None)
        self._fetcher.go([task], self._tellings[task])

    def _on_more(self, lane: Lane) -> None:
        self._fetcher.more(lane.slot, lane.task)

    async def _finish(self, tasks: frozenset[int]) -> None:
        """Finish and commit what jets have of tasks; keep their state where the group will give most of them back."""
        if not self._fetcher.is_eager:
            await self._manifold.release(tasks)
            return
        lanes = [lane for lane in self._manifold.lanes.values() if lane.task in tasks]
        parked = await self._manifold.park({lane.task for lane in lanes})
        for lane in lanes:
            if lane.task in parked:
                self._parked.setdefault(lane.task, {})[lane.slot] = lane.fence
        await self._manifold.release(tasks - parked)

    async def _let_go(self, tasks: set[int]) -> None:
        for task in tasks:
            del self._parked[task]
        if tasks:
            await self._manifold.release(tasks)
