"""A consumer group gives tasks and takes them away: between the thread that fetches and the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from engine import metrics
from engine.channel import OutputFrame
from engine.errors import BrokerUnreachable, EngineError
from engine.kafka.fetcher import Fetcher
from engine.kafka.log import KafkaLog
from engine.kafka.places import Place
from engine.log import get_logger
from engine.record import Batch
from engine.runtime.info import PartitionInfo, RestoringInfo
from engine.runtime.manifold import Manifold
from engine.runtime.takeover import Takeover
from engine.runtime.topics import Topics
from engine.runtime.waiting import Waiting

log = get_logger(__name__)

GRACE_S = 5.0
"""What of the budget is kept to take back what the loop could not let go of in time; of a small one, a quarter."""

PAUSE_S = 0.5
"""How long is waited before a takeover is begun anew that no broker has answered; twice as long each time."""

MAX_PAUSE_S = 10.0
"""The longest of these pauses."""


class GroupOwner(Protocol):
    """Who is told; every call comes from the event loop."""

    def on_broken(self, error: EngineError) -> None:
        """Stop: the group cannot be gone on with."""


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
        self._manifold, self._topics, self._owner = manifold, topics, owner
        self._loop = asyncio.get_running_loop()
        self.is_over = False
        """Whether the engine has left, or is about to."""
        self._takeovers: set[asyncio.Task[None]] = set()
        self._unsettled: Future[None] | None = None
        """What the group did not wait for any longer: until it is done, the manifold may have what is another's."""
        self._waiting = Waiting(topics.group)
        self.fetcher = fetch(self)
        self._takeover = Takeover(manifold, store, topics, self.fetcher, frames)
        # What a commit said was lost is taken over once more, unless the group takes it away.
        manifold.on_lost = self.fetcher.retake

    @property
    def trouble(self) -> str:
        """What keeps the brokers from answering."""
        return self._waiting.reason

    @property
    def notes(self) -> list[str]:
        """Where the group began that had committed nothing, a sentence each."""
        return list(self._takeover.notes)

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
        self._takeover.unwant_all()
        await asyncio.to_thread(self.fetcher.stop, is_leaving=is_leaving)
        for takeover in self._takeovers:
            takeover.cancel()  # it may wait for a jet that will never be there
        if self._takeovers:
            await asyncio.wait(self._takeovers)
        metrics.set_lags({})
        metrics.set_restoring({})

    # What there is to say of it

    def counts(self, slot: int) -> tuple[int, int]:
        """Return how many records of a slot came to this engine, and how many of them were rejected."""
        return self._takeover.tallies.counts(slot, self._manifold.lanes)

    def partitions(self) -> list[PartitionInfo]:
        """Return what is read now, and how far."""
        topics = {inlet.slot: inlet.topic for inlet in self._topics.inlets}
        found: list[PartitionInfo] = []
        for (slot, task), lane in sorted(self._manifold.lanes.items()):
            end = self.fetcher.ends.get((slot, task))
            lag = None if end is None else max(end - lane.position, 0)
            found.append(PartitionInfo(slot, topics[slot], task, lane.position, end, lag))
        return found

    def restoring(self) -> list[RestoringInfo]:
        """Return whose state is being read, and how far that is."""
        return [
            RestoringInfo(task, one.restoring.n_read, one.restoring.n_total, one.left_s, one.restoring.waits_for)
            for task, one in sorted(self._takeover.readings.by_task.items())
        ]

    def measure(self) -> None:
        """Note how far the group is behind, and how much state is still to be read."""
        if not self.is_over:
            metrics.set_lags({(one.slot, one.partition): one.lag for one in self.partitions() if one.lag is not None})
            metrics.set_restoring({one.partition: max(one.n_total - one.n_read, 0) for one in self.restoring()})

    # From the fetching thread

    def on_assigned(self, places: Mapping[int, Mapping[int, Place]], telling: int) -> None:
        """As `FetchListener.on_assigned`."""
        self._tell(lambda: self._begin_takeover(places, telling))

    def on_revoked(self, tasks: frozenset[int], budget_s: float) -> None:
        """As `FetchListener.on_revoked`."""
        self._wait_for(lambda: self._takeover.release(tasks, budget_s - min(GRACE_S, budget_s / 4)), budget_s)

    def on_lost(self, tasks: frozenset[int]) -> None:
        """As `FetchListener.on_lost`."""
        self._wait_for(lambda: self._takeover.drop(tasks), self.fetcher.budget_s)

    def on_membership(self, membership: Any) -> None:
        """As `FetchListener.on_membership`.

        A new one proves nothing of tasks that were taken away: it is not taken before they are gone from the manifold.
        """
        if self._unsettled is None or self._unsettled.done():
            self._unsettled = None
            self._manifold.membership = membership

    def on_fetched(self, batches: Sequence[tuple[int, int, Batch]]) -> None:
        """As `FetchListener.on_fetched`."""
        self._tell(lambda: self._take(batches))

    def on_silent(self) -> None:
        """As `FetchListener.on_silent`."""
        self._tell(self._end_inputs)

    def on_fetch_trouble(self, reason: str) -> None:
        """As `FetchListener.on_fetch_trouble`."""
        self._waiting.note(reason)

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

    def _wait_for(self, work: Callable[[], Coroutine[Any, Any, None]], budget_s: float) -> None:
        if self.is_over:
            return
        try:
            self._unsettled = asyncio.run_coroutine_threadsafe(work(), self._loop)
            self._unsettled.result(budget_s)
        except (RuntimeError, TimeoutError, CancelledError) as exc:
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

    def _begin_takeover(self, places: Mapping[int, Mapping[int, Place]], telling: int) -> None:
        if self._manifold.is_ending:  # whoever has ended too leaves its tasks: there is nobody here to score them
            return
        self._takeover.want(places, telling)
        task = self._loop.create_task(self._take_over(places))
        self._takeovers.add(task)
        task.add_done_callback(self._takeovers.discard)

    async def _take_over(self, places: Mapping[int, Mapping[int, Place]]) -> None:
        said, pause_s = "", PAUSE_S
        try:
            while True:
                try:
                    await self._takeover.take(places)
                    break
                except BrokerUnreachable as exc:  # it may be back soon; who else could take over waits for it too
                    if self.is_over:
                        return
                    if said != (said := str(exc)):
                        self.on_fetch_trouble(said)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
        except EngineError as exc:
            if not self.is_over and not self._manifold.is_ending:
                self._owner.on_broken(exc)
        if said and self.trouble == said:
            self.on_fetch_trouble("")
