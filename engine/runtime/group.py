"""A consumer group gives tasks to the engine and takes them away: between what fetches and the manifold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Protocol

from engine import metrics
from engine.channel import OutputFrame
from engine.errors import EngineError, OffsetsDisagree
from engine.kafka.changelog import Restoring
from engine.kafka.fetcher import Fetcher
from engine.kafka.log import KafkaLog
from engine.kafka.places import Place
from engine.log import get_logger
from engine.record import Batch
from engine.runtime.info import PartitionInfo
from engine.runtime.job import check_state
from engine.runtime.lanes import Lane
from engine.runtime.manifold import Manifold
from engine.runtime.topics import Topics
from engine.state.commits import SCRIPT, Entry, InputFence, TaskFence

log = get_logger(__name__)

GRACE_S = 5.0
"""What the loop gets beyond the budget to say that tasks are let go of."""


class GroupOwner(Protocol):
    """Who is told; every call comes from the event loop."""

    def on_broken(self, error: EngineError) -> None:
        """Stop: the group cannot be gone on with."""


@dataclass(frozen=True, slots=True)
class Restored:
    """How far the state of a task is read: of about how many records, since when, and what keeps it from going on."""

    restoring: Restoring
    started_s: float

    @property
    def left_s(self) -> float | None:
        """How long the rest will take, if it goes on as until now."""
        n_read, n_total = self.restoring.n_read, self.restoring.n_total
        if not n_read or n_total < n_read:
            return None
        return (time.monotonic() - self.started_s) * (n_total - n_read) / n_read


class _Tally:
    """How many records a lane has had in this engine: as many as came while it is there, else what was committed."""

    def __init__(self, lane: Lane, manifold: Manifold) -> None:
        self.lane, self._manifold, self._start = lane, manifold, lane.fence

    @property
    def n_records(self) -> int:
        lane = self.lane
        is_there = self._manifold.lanes.get((lane.slot, lane.task)) is lane
        return (lane.last_seq if is_there else lane.fence.seq_no) - self._start.seq_no

    @property
    def n_rejected(self) -> int:
        return self.lane.fence.n_rejected - self._start.n_rejected


class Group:
    """Binds the tasks that a group gives to the manifold that scores them.

    Parameters
    ----------
    manifold : Manifold
        Takes the records.
    store : KafkaLog
        Has the state of the tasks.
    topics : Topics
        What is read.
    owner : GroupOwner
        Who is told.
    fetch : callable
        Makes the fetcher, whose listener it is given.
    frames : sequence of OutputFrame
        What ``begin()`` gave: written by whoever has task 0 first.
    """

    def __init__(
        self,
        manifold: Manifold,
        store: KafkaLog,
        topics: Topics,
        owner: GroupOwner,
        fetch: Callable[[Group], Fetcher],
        frames: Sequence[OutputFrame] = (),
    ) -> None:
        self._manifold, self._store, self._topics, self._owner = manifold, store, topics, owner
        self._frames = frames
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._wanted: dict[int, Mapping[int, Place]] = {}
        """What the group has given: a task that it takes away again is not restored to its end."""
        self.is_over = False
        """Whether the engine has left, or is about to."""
        self._takeovers: set[asyncio.Task[None]] = set()
        self._tallies: list[_Tally] = []
        self._parked: dict[int, dict[int, InputFence]] = {}
        """Tasks that the group took away to give them out anew, by slot where they stand: jets have their state."""
        self.restoring: dict[int, Restored] = {}
        """Tasks whose state is being read."""
        self.trouble = ""
        """What keeps the brokers from answering."""
        self.fetcher = fetch(self)
        manifold.on_lost = self._on_aborted

    def counts(self, slot: int) -> tuple[int, int]:
        """Return how many records of a slot came to this engine, and how many of them were rejected."""
        mine = [one for one in self._tallies if one.lane.slot == slot]
        return sum(one.n_records for one in mine), sum(one.n_rejected for one in mine)

    def partitions(self) -> list[PartitionInfo]:
        """Return what is read now, and how far."""
        topics = {inlet.slot: inlet.topic for inlet in self._topics.inlets}
        found: list[PartitionInfo] = []
        for (slot, task), lane in sorted(self._manifold.lanes.items()):
            end = self.fetcher.ends.get((slot, task))
            lag = None if end is None else max(end - lane.position, 0)
            found.append(PartitionInfo(slot, topics[slot], task, lane.position, end, lag))
        return found

    def measure(self) -> None:
        """Note how far the group is behind, and how much state is still to be read."""
        metrics.set_lags({(one.slot, one.partition): one.lag for one in self.partitions() if one.lag is not None})
        metrics.set_restoring(
            {task: max(one.restoring.n_total - one.restoring.n_read, 0) for task, one in self.restoring.items()}
        )

    @property
    def tasks(self) -> list[int]:
        """Whose records are taken now."""
        return sorted({task for _, task in self._manifold.lanes})

    def start(self) -> None:
        """Join the group."""
        self.fetcher.start()

    async def stop(self, *, is_leaving: bool) -> None:
        """Leave the group; what is not committed is left to whoever comes next."""
        self.is_over = True
        for one in self.restoring.values():
            one.restoring.close()
        await asyncio.to_thread(self.fetcher.stop, is_leaving=is_leaving)
        if self._takeovers:
            await asyncio.wait(self._takeovers)

    # From the fetching thread

    def on_assigned(self, places: Mapping[int, Mapping[int, Place]]) -> None:
        """As `FetchListener.on_assigned`."""
        self._tell(lambda: self._begin_takeover(places))

    def on_revoked(self, tasks: frozenset[int], budget_s: float) -> None:
        """As `FetchListener.on_revoked`."""
        self._wait_for(self._release(tasks, budget_s), budget_s)

    def on_lost(self, tasks: frozenset[int]) -> None:
        """As `FetchListener.on_lost`."""
        self._wait_for(self._drop(tasks), self.fetcher.budget_s)

    def on_membership(self, membership: Any) -> None:
        """As `FetchListener.on_membership`; what was let go of is gone from the manifold when a new one comes."""
        self._manifold.membership = membership

    def on_fetched(self, batches: Sequence[tuple[int, int, Batch]]) -> None:
        """As `FetchListener.on_fetched`."""
        self._tell(lambda: self._take(batches))

    def on_silent(self) -> None:
        """As `FetchListener.on_silent`."""
        self._tell(self._end_inputs)

    def on_fetch_trouble(self, reason: str) -> None:
        """As `FetchListener.on_fetch_trouble`."""
        if reason:
            log.warning("group.waits", group=self._topics.group, reason=reason)
        self.trouble = reason

    def on_fetch_broken(self, error: EngineError) -> None:
        """As `FetchListener.on_fetch_broken`."""
        self._tell(lambda: self._owner.on_broken(error))

    def _tell(self, listener: Callable[[], None]) -> None:
        def call() -> None:
            if not self.is_over:
                listener()

        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed: the process ends
            self.is_over = True

    def _wait_for(self, work: Coroutine[Any, Any, None], budget_s: float) -> None:
        if self.is_over:
            work.close()
            return
        try:
            asyncio.run_coroutine_threadsafe(work, self._loop).result(budget_s + GRACE_S)
        except (RuntimeError, TimeoutError, CancelledError) as exc:
            work.close()
            log.warning("group.unsettled", group=self._topics.group, reason=str(exc) or type(exc).__name__)

    # On the loop

    def _take(self, batches: Sequence[tuple[int, int, Batch]]) -> None:
        for slot, task, batch in batches:
            lane = self._manifold.lanes.get((slot, task))
            if lane is not None and self._manifold.tasks.takes(lane):
                self._manifold.intakes[slot].is_eof = False
                self._manifold.on_batch(lane, batch)
            else:  # it was let go of meanwhile
                self.fetcher.more(slot, task)

    def _end_inputs(self) -> None:
        for inlet in self._topics.inlets:
            self._manifold.intakes[inlet.slot].is_eof = True
        self._manifold.check_end()

    def _on_more(self, lane: Lane) -> None:
        self.fetcher.more(lane.slot, lane.task)

    def _begin_takeover(self, places: Mapping[int, Mapping[int, Place]]) -> None:
        self._wanted |= places
        takeover = self._loop.create_task(self._take_over(places))
        self._takeovers.add(takeover)
        takeover.add_done_callback(self._takeovers.discard)

    async def _take_over(self, places: Mapping[int, Mapping[int, Place]]) -> None:
        async with self._lock:
            try:
                await self._let_go({task for task in self._parked if task not in self._wanted})
                fresh = [
                    await self._take_over_task(task, its) for task, its in places.items() if self._is_wanted(task, its)
                ]
                if any(fresh):
                    await self._manifold.pin_lanes()  # a group that begins somewhere goes on there, whatever happens
            except EngineError as exc:
                if not self.is_over:
                    self._owner.on_broken(exc)

    def _is_wanted(self, task: int, places: Mapping[int, Place]) -> bool:
        """Say whether a task is still wanted for the assignment that gave it, and not for a later one."""
        return self._wanted.get(task) is places and not self.is_over

    async def _take_over_task(self, task: int, places: Mapping[int, Place]) -> bool:
        """Take over one task, unless the group takes it away meanwhile; return whether nobody had it before."""
        if await self._is_as_it_was(task, places):
            self._manifold.add_lanes(self._lane(task, fence) for fence in self._parked.pop(task).values())
            log.info("task.kept", task=task)
            self.fetcher.go([task])
            return False
        crew = self._manifold.crew
        assert crew is not None  # noqa: S101 -- the group is joined when the model is begun
        restoring = self._store.restore(task)
        self.restoring[task] = Restored(restoring, time.monotonic())
        try:
            entries = await asyncio.to_thread(_latest, restoring)
        finally:
            del self.restoring[task]
        if not self._is_wanted(task, places):
            return False
        fence = restoring.fence.tasks.get(task) if restoring.fence is not None else None
        if restoring.fence is not None:
            check_state(restoring.fence, crew.model, entries[0] if entries else None)
        if self._topics.has_changelog:
            self._check_agreement(task, fence, places)
        n_keys = await self._manifold.restore(task, entries)
        if not self._is_wanted(task, places):
            return False
        known = fence.inputs if fence is not None else {}
        self._manifold.add_lanes(
            self._lane(task, known.get(slot) or InputFence(slot, place.offset)) for slot, place in places.items()
        )
        if task == 0 and (fence is None or not fence.has_begun) and self._frames:
            frames, self._frames = self._frames, ()
            self._manifold.put_hook_outputs(frames, task)
        log.info("task.restored", task=task, n_records=restoring.n_read, n_keys=n_keys)
        self.fetcher.go([task])
        return not all(place.is_committed for place in places.values())

    def _check_agreement(self, task: int, fence: TaskFence | None, places: Mapping[int, Place]) -> None:
        for inlet in self._topics.inlets:
            place = places[inlet.slot]
            at_group = place.offset if place.is_committed else None
            known = fence.inputs.get(inlet.slot) if fence is not None else None
            at_state = known.position if known is not None else None
            if at_group != at_state:
                raise OffsetsDisagree(self._topics.group, inlet.topic, task, at_group, at_state)

    async def _is_as_it_was(self, task: int, places: Mapping[int, Place]) -> bool:
        """Say whether a task comes back to which nobody has done anything meanwhile; let go of one that is changed."""
        parked = self._parked.get(task)
        if parked is None:
            return False
        if task in self._manifold.owned and all(
            place.is_committed and place.offset == parked[slot].position for slot, place in places.items()
        ):
            return True
        await self._let_go({task})
        return False

    async def _let_go(self, tasks: set[int]) -> None:
        for task in tasks:
            del self._parked[task]
        if tasks:
            await self._manifold.release(tasks)

    def _lane(self, task: int, start: InputFence) -> Lane:
        intake = self._manifold.intakes[start.slot]
        lane = Lane(intake.number, task, start, intake.stream, intake.rejects, self._on_more)
        self._tallies.append(_Tally(lane, self._manifold))
        return lane

    async def _release(self, tasks: frozenset[int], budget_s: float) -> None:
        self._unwant(tasks)
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(budget_s):
                async with self._lock:  # a task that is being restored is let go of as soon as that notices
                    await self._finish(tasks)
        except TimeoutError:
            log.warning("tasks.dropped", tasks=sorted(tasks), reason=f"they were not through in {budget_s:g} s")
            await self._manifold.drop(tasks)
        except EngineError as exc:
            log.warning("tasks.dropped", tasks=sorted(tasks), reason=str(exc))
        else:
            log.info("tasks.released", tasks=sorted(tasks), duration_s=round(time.monotonic() - started_s, 3))

    async def _finish(self, tasks: frozenset[int]) -> None:
        """Finish and commit what jets have of tasks; keep their state where the group will give most of them back."""
        if not self.fetcher.is_eager:
            await self._manifold.release(tasks)
            return
        lanes = [lane for lane in self._manifold.lanes.values() if lane.task in tasks]
        parked = await self._manifold.park({lane.task for lane in lanes})
        for lane in lanes:
            if lane.task in parked:
                self._parked.setdefault(lane.task, {})[lane.slot] = lane.fence
        await self._manifold.release(tasks - parked)

    async def _drop(self, tasks: frozenset[int]) -> None:
        self._unwant(tasks)
        await self._manifold.drop(tasks)

    def _unwant(self, tasks: Iterable[int]) -> None:
        for task in tasks:
            self._wanted.pop(task, None)
            if (one := self.restoring.get(task)) is not None:
                one.restoring.close()

    def _on_aborted(self, tasks: frozenset[int]) -> None:
        """Take tasks over once more that a commit said were lost, unless the group takes them away."""
        self.fetcher.retake(tasks)


def _latest(entries: Iterable[Entry]) -> list[Entry]:
    """Return the last entry for each name and key, without those that are forgotten."""
    latest: dict[tuple[str, bytes, str], Entry] = {}
    for entry in entries:
        place = entry.scope, entry.key, entry.name
        if entry.value is None:
            latest.pop(place, None)
        else:
            latest[place] = entry
    return [entry for entry in latest.values() if entry.scope == SCRIPT]
