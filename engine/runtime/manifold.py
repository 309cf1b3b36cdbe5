"""Moves batches from streams to jets and back, in order, and never more of them than there is room for."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

from engine import metrics
from engine.channel import Failure, OutputFrame
from engine.errors import DecodeError, EngineError
from engine.record import Batch, Oversized
from engine.runtime.crew import Crew
from engine.runtime.info import ConsoleLine
from engine.runtime.intake import Intake
from engine.runtime.outlet import Outlet
from engine.runtime.rejects import RejectLog
from engine.runtime.work import Work
from engine.transports import RestOutbox


class ManifoldOwner(Protocol):
    """Who decides what comes of it."""

    def on_inputs_ended(self) -> None:
        """All inputs are at their end, and everything they gave was scored and handed to the outlets."""

    def on_broken(self, error: EngineError) -> None:
        """Stop: a stream, a jet or a record is broken."""

    def on_console(self, line: ConsoleLine) -> None:
        """Take a line that the script printed."""


class Manifold:
    """The streams and jets of an engine, and what is under way between them.

    Parameters
    ----------
    owner : ManifoldOwner
        Who decides.
    rejects : RejectLog
        Where records go that are not scored.
    """

    def __init__(self, owner: ManifoldOwner, rejects: RejectLog) -> None:
        self.intakes: dict[int, Intake] = {}
        self.outlets: dict[int, Outlet] = {}
        self.crew: Crew | None = None
        self.is_open = False
        """Whether batches are given to the jets."""
        self._owner, self._rejects = owner, rejects
        self._queue: deque[Work] = deque()
        self._order: deque[Work] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self.calling_bytes = 0
        """What waits in the queue of records that somebody waits for."""
        self._is_heard = True
        self._fading: list[Intake] = []

    @property
    def is_idle(self) -> bool:
        """No batch is in a jet."""
        return not self._order

    def open(self) -> None:
        """Give batches to the jets from now on."""
        self.is_open = True
        self.pump()

    async def hold(self) -> None:
        """Give no more batches, and wait until the jets are through with theirs."""
        self.is_open = False
        await self._until(lambda: self.is_idle)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold, do something while nothing is in a jet, and go on as before, whatever came of it."""
        was_open = self.is_open
        try:
            await self.hold()
            yield
        finally:
            if was_open:
                self.open()

    def replace_intake(self, intake: Intake) -> Intake | None:
        """Attach an input stream; return the one before it, unless that has records left and fades away by itself."""
        before = self.intakes.get(intake.slot)
        self.intakes[intake.slot] = intake
        if before is None or before.inbox is None:
            return before
        before.inbox.seal()
        self._fading.append(before)
        return None

    @property
    def sources(self) -> list[Intake]:
        """Every intake that has records, or may get some."""
        return [*self._fading, *self.intakes.values()]

    async def settled(self) -> None:
        """Wait until what was accepted and read before this call is scored, and its outputs are written."""
        ends = {
            intake: intake.inbox.n_accepted if intake.inbox is not None else intake.last_position
            for intake in self.sources
        }
        await self._until(lambda: all(intake.position >= end for intake, end in ends.items()))
        for outlet in list(self.outlets.values()):
            await outlet.settle()

    async def drained(self) -> None:
        """Wait until nothing is queued or in a jet, and the outputs of what was are written."""
        await self.settled()
        await self._until(lambda: not self._queue and not self._order)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def on_batch(self, intake: Intake, batch: Batch) -> None:
        """Queue what a source gave; records over the limit never get to a jet."""
        first_seq = intake.last_seq + 1
        intake.last_seq += len(batch)
        intake.last_position = batch.positions[-1]
        metrics.count_records(intake.slot, "accepted", len(batch))
        start = 0
        for index, value in enumerate(batch.values):
            if isinstance(value, Oversized):
                self._enqueue(intake, batch, first_seq, start, index)
                self._enqueue(intake, batch, first_seq, index, index + 1)
                error = DecodeError(intake.stream.encoding, f"{value.size_bytes:,} bytes are over the limit")
                self._queue[-1].failures.append(Failure(0, "input", error))
                self._queue[-1].is_done = True
                start = index + 1
        self._enqueue(intake, batch, first_seq, start, len(batch))
        self._queue[-1].ends_batch = True
        self.pump()

    def _enqueue(self, intake: Intake, batch: Batch, first_seq: int, start: int, stop: int) -> None:
        if start < stop:
            self._queue.append(Work(intake, first_seq + start, batch.values[start:stop], batch.positions[start:stop]))

    def score(self, work: Work) -> None:
        """Queue a record that somebody waits for."""
        self.calling_bytes += work.size_bytes
        self._queue.append(work)
        self.pump()

    def forget(self, work: Work) -> None:
        """Drop a record whose caller has gone, if no jet has it yet."""
        if work in self._queue:
            self._queue.remove(work)
            self.calling_bytes -= work.size_bytes

    def pump(self) -> None:
        """Give the jets what they have room for."""
        if not self.is_open or self.crew is None or not self._is_heard:
            return
        while self._queue:
            work = self._queue[0]
            if not work.is_done:
                size_bytes = work.size_bytes
                jets = [jet for jet in self.crew.working if jet.has_room(size_bytes)]
                if not jets:
                    break
                min(jets, key=lambda jet: jet.n_in_flight).submit(work)
            self._queue.popleft()
            self._order.append(work)
            if work.caller is not None:
                self.calling_bytes -= work.size_bytes
            if work.ends_batch:
                work.intake.more()
        if self._order and self._order[0].is_done:
            self._deliver()

    def on_answer(self, work: Work) -> None:
        """Hand on what the oldest works gave."""
        if self._order and work is self._order[0]:
            self._deliver()

    def _deliver(self) -> None:
        while self._order:
            work = self._order[0]
            for slot, values in work.outputs.items():
                self._put(slot, values)
            work.outputs = {}
            if not work.is_done:
                break
            self._order.popleft()
            self._settle(work)
            if work.fatal is not None:
                self.abandon(work.fatal)  # at once: what other jets have answered meanwhile must not be written
                self._owner.on_broken(work.fatal)
                return
        self._wake()
        self.pump()
        self.check_end()

    def _put(self, slot: int, values: list[bytes]) -> None:
        metrics.count_records(slot, "written", len(values))
        self.outlets[slot].put(values)
        self._listen()

    def _listen(self) -> None:
        """Let full outlets hold up the jets, so that outputs wait in a pipe and not in memory."""
        has_room = not any(outlet.is_full for outlet in self.outlets.values())
        if has_room is not self._is_heard:
            self._is_heard = has_room
            for jet in self.crew.jets if self.crew is not None else ():
                jet.listen(is_on=has_room)

    def put_hook_outputs(self, frames: Iterable[OutputFrame]) -> None:
        """Write what ``begin()`` or ``end()`` gave."""
        for frame in frames:
            for value, slot in zip(frame.values, frame.slots, strict=True):
                self._put(slot, [value])

    def _settle(self, work: Work) -> None:
        intake, n_records = work.intake, len(work.values)
        if work.fatal is not None:  # nothing goes past it, nor counts it as done
            n_records = next(failure.index for failure in work.failures if failure.error is work.fatal)
        n_failed = len({failure.index for failure in work.failures if failure.error is not work.fatal})
        metrics.count_records(work.slot, "scored", n_records - n_failed)
        intake.n_settled += n_records
        intake.n_rejected += n_failed
        if work.caller is not None:
            metrics.count_records(work.slot, "rejected", n_failed)
            work.reply()
            return
        if n_records:
            intake.position = work.positions[n_records - 1]
        # Sorted: a record that ended the jet is noted before those in front of it are answered.
        for failure in sorted(work.failures, key=lambda failure: failure.index):
            if failure.error is work.fatal:
                continue
            is_skipped = failure.stage == "action" and self.crew is not None and self.crew.policy(work.slot) == "skip"
            metrics.count_records(work.slot, "skipped" if is_skipped else "rejected", 1)
            if not is_skipped:
                index = failure.index
                seq_no, position, value = work.first_seq + index, work.positions[index], work.values[index]
                self._rejects.add(work.slot, seq_no, position, failure.stage, value, failure.error)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def on_end(self) -> None:
        """Look whether the other intakes are at their end as well."""
        self.check_end()

    def check_end(self) -> None:
        """Tell the owner when all is done."""
        self._fading = [intake for intake in self._fading if not intake.is_eof]
        is_all_read = bool(self.intakes) and all(intake.is_eof for intake in self.sources)
        if self.is_open and is_all_read and not self._queue and not self._order:
            self._owner.on_inputs_ended()

    def on_room(self) -> None:
        """Go on after an outlet has caught up."""
        self._listen()
        self.pump()

    def on_ready(self) -> None:
        """Go on after a jet was started again."""
        self.pump()

    def on_broken(self, error: EngineError) -> None:
        """Pass on that a stream or a jet is broken for good."""
        self._owner.on_broken(error)

    def on_console(self, line: ConsoleLine) -> None:
        """Pass a printed line on."""
        self._owner.on_console(line)

    def measure(self) -> None:
        """Note how much waits in the REST streams."""
        for slot, intake in self.intakes.items():
            if intake.inbox is not None:
                metrics.set_inbox(slot, intake.inbox.size_bytes)
        for slot, outlet in self.outlets.items():
            if isinstance(outlet.sink, RestOutbox):
                metrics.set_outbox(slot, outlet.sink.size_bytes)

    def abandon(self, error: EngineError) -> None:
        """Drop all that is under way: whoever waits for something gets the error."""
        self.is_open, self.calling_bytes = False, 0
        works, self._queue, self._order = [*self._queue, *self._order], deque(), deque()
        for work in works:
            if work.caller is not None and not work.caller.done():
                work.caller.set_exception(error)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)
