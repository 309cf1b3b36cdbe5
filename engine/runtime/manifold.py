"""Moves batches from streams to jets and back, in order, and never more of them than there is room for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Protocol

import msgpack

from engine import metrics
from engine.channel import Failure, OutputFrame, dump_error
from engine.errors import DecodeError, EngineError, StreamError
from engine.record import Batch, Oversized
from engine.runtime.cells import Cells
from engine.runtime.committer import Target
from engine.runtime.crew import Crew
from engine.runtime.info import ConsoleLine, Figures
from engine.runtime.intake import Intake
from engine.runtime.interval import Yield
from engine.runtime.jets import Jet
from engine.runtime.lanes import Lane
from engine.runtime.ledger import Cut, Ledger
from engine.runtime.outlet import Outlet
from engine.runtime.rejects import LatestRejects
from engine.runtime.work import Work
from engine.state.commits import Answer, CommitLog, Entry

FULL_BYTES = 1 << 23
"""Outputs that wait for their commit before the jets get no more, and no more is taken from them: 8 MiB."""

HELD_BYTES = 1 << 25
"""Records that are kept for another try before the jets get no more: 32 MiB, when a commit cannot go on."""


class ManifoldOwner(Protocol):
    """Who decides what comes of it."""

    def on_inputs_ended(self) -> None:
        """All inputs are at their end, and everything they gave was scored."""

    def on_broken(self, error: EngineError) -> None:
        """Stop: a stream, a jet or a record is broken."""

    def on_faded(self, intake: Intake) -> None:
        """Let go of an input stream that was replaced: all that it gave is committed."""

    def on_console(self, line: ConsoleLine) -> None:
        """Take a line that the script printed."""


class Manifold:
    """The streams and jets of an engine, and what is under way between them.

    Parameters
    ----------
    owner : ManifoldOwner
        Who decides.
    store : CommitLog
        Where commits are kept.
    rejects : LatestRejects
        Takes note of records that were not scored.
    interval_s : float
        How often is committed.
    on_step : callable
        Called at each `Step` with its value.
    """

    def __init__(
        self,
        owner: ManifoldOwner,
        store: CommitLog,
        rejects: LatestRejects,
        interval_s: float,
        on_step: Callable[[str], None],
    ) -> None:
        self.intakes: dict[int, Intake] = {}
        self.outlets: dict[int, Outlet] = {}
        self.crew: Crew | None = None
        self.store, self.cells = store, Cells()
        self.ledger = Ledger(self, store, self.cells, interval_s, on_step, self._is_synced)
        self.lanes: dict[tuple[int, int], Lane] = {}
        """Partitions of inputs that the engine owns, by slot and task."""
        self.on_lost: Callable[[frozenset[int]], None] = lambda _: None
        """Called when an abort says that tasks are lost: their lanes are gone, as after `drop`."""
        self.membership: Any = None
        """What proves that the engine owns its tasks; goes with every commit."""
        self.is_tasked = False
        """Whether every task has a state of its own."""
        self.is_open = False
        """Whether batches are given to the jets."""
        self.is_ending = False
        """Whether ``end()`` is called, or was: nothing can be scored again from here on."""
        self.answers: dict[str, Answer] = {}
        """Answers to requests with an ``Idempotency-Key`` that are not committed yet."""
        self._owner, self._rejects = owner, rejects
        self._queue: deque[Work] = deque()
        self._order: deque[Work | Cut] = deque()
        self._doom: EngineError | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._replaying: set[int] = set()
        """Numbers in the reject log that are being scored again."""
        self.calling_bytes = 0
        """What waits in the queue of records that somebody waits for."""
        self._is_heard = True
        self._fading: list[Intake] = []

    @property
    def is_idle(self) -> bool:
        """No batch is in a jet."""
        return not self._order

    @property
    def is_still(self) -> bool:
        """Nothing waits to be scored, and nothing is being scored."""
        return not self._queue and not self._order

    @property
    def keeper(self) -> Jet | None:
        """The jet that holds the state."""
        return self.crew.keeper if self.crew is not None else None

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

    async def committed(self) -> None:
        """Wait until everything that is scored is committed."""
        self.ledger.want()
        await self._until(lambda: self.ledger.is_clear)

    def replace_intake(self, intake: Intake) -> Intake | None:
        """Attach an input stream; return the one before it, which fades away when what it gave is committed."""
        before = self.intakes.get(intake.slot)
        self.intakes[intake.slot] = intake
        if before is not None:
            self._fading.append(before)
            if before.inbox is not None:
                before.inbox.seal()
        return before

    def add_fading(self, intake: Intake) -> None:
        """Take an intake of which only what it holds is left."""
        self._fading.append(intake)

    @property
    def fading(self) -> list[Intake]:
        """The intakes that were replaced and have records left."""
        return list(self._fading)

    @property
    def sources(self) -> list[Intake]:
        """Every intake that has records, or may get some."""
        return [*self._fading, *self.intakes.values()]

    @property
    def all_outlets(self) -> list[Outlet]:
        """Every outlet, those for rejects too."""
        rejects = {intake.rejects for intake in self.sources if intake.rejects is not None}
        return [*self.outlets.values(), *rejects]

    def use(self, store: CommitLog) -> None:
        """Keep commits in another store; only before anything is scored."""
        raise NotImplementedError

    def add_lanes(self, lanes: Iterable[Lane]) -> None:
        """Take records of these partitions from now on; `restore` comes first."""
        raise NotImplementedError

    async def restore(self, task: int, entries: Iterable[Entry]) -> int:
        """Give the jets the committed state of a task; return how many keys it has.

        Raises
        ------
        StateError
            It does not fit the script, or is damaged.
        """
        raise NotImplementedError

    async def release(self, tasks: Iterable[int]) -> None:
        """Let go of tasks for good: what jets have of them is finished and committed, what waits is dropped.

        When this returns their lanes are gone, and nothing of them will be committed any more.

        Raises
        ------
        EngineError
            The engine has stopped meanwhile.
        """
        raise NotImplementedError

    async def drop(self, tasks: Iterable[int]) -> None:
        """Let go of tasks that are lost: nothing of them is committed, and what is not is taken back."""
        raise NotImplementedError

    async def settled(self) -> None:
        """Wait until what was accepted and read before this call is scored and committed."""
        ends = {
            intake: intake.inbox.n_accepted if intake.inbox is not None else intake.last_position
            for intake in self.sources
        }
        n_scored = self.ledger.n_scored
        self.ledger.want()
        await self._until(
            lambda: self.ledger.n_kept >= n_scored and all(intake.position >= end for intake, end in ends.items())
        )

    async def drained(self) -> None:
        """Wait until nothing is queued or in a jet, and all is committed."""
        await self.settled()
        self.ledger.want()
        await self._until(lambda: self.is_still and self.ledger.is_clear)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def room(self, outlet: Outlet) -> None:
        """Wait until readers have made room in an outlet."""
        await self._until(lambda: not outlet.is_full)

    def on_batch(self, intake: Intake, batch: Batch) -> None:
        """Queue what a source gave."""
        work = Work(intake, intake.last_seq + 1, batch.values, batch.positions, ends_batch=True)
        intake.last_seq += len(batch)
        intake.last_position = batch.positions[-1]
        metrics.count_records(intake.slot, "accepted", len(batch))
        _condemn_oversized(work)
        self._queue.append(work)
        self.pump()

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

    def replay(self, slot: int, numbers: Sequence[int], values: Sequence[bytes]) -> None:
        """Queue records that were rejected, by their numbers in the reject log.

        Raises
        ------
        StreamError
            No stream is attached to the slot.
        """
        intake = self.intakes.get(slot)
        if intake is None:
            raise StreamError(f"No stream is attached to input slot {slot}.")
        fresh = [
            (number, value) for number, value in zip(numbers, values, strict=True) if number not in self._replaying
        ]
        if not fresh:
            return
        self._replaying.update(number for number, _ in fresh)
        work = Work(
            intake, intake.last_seq + 1, [value for _, value in fresh], replayed=[number for number, _ in fresh]
        )
        intake.last_seq += len(fresh)
        _condemn_oversized(work)
        self._queue.append(work)
        self.pump()

    def pump(self) -> None:
        """Give the jets what they have room for."""
        if not self.is_open or self.crew is None or not self._is_heard:
            return
        while self._queue and self._may_submit():
            work = self._queue[0]
            jets = [jet for jet in self.crew.working if jet.has_room(work.size_bytes)]
            if not jets:
                break
            jet = min(jets, key=lambda jet: jet.n_in_flight)
            self._queue.popleft()
            if len(work.values) > jet.max_records:
                self._queue.appendleft(work.split(jet.max_records))
            self._order.append(work)
            if work.caller is not None:
                self.calling_bytes -= work.size_bytes
            if work.ends_batch:
                work.intake.more()
            jet.submit(work)
            if work.fatal is not None:
                break
        first = self._order[0] if self._order else None
        if isinstance(first, Work) and first.is_done:
            self._deliver()

    def _may_submit(self) -> bool:
        last = self._order[-1] if self._order else None
        if self._doom is not None or (isinstance(last, Work) and last.fatal is not None):
            return False  # nothing may change the state behind what the engine stops for
        if self.ledger.is_cutting and self.crew is not None and self.crew.model.script.uses_cells:
            return False  # what cells hold when the cut is reached must be what was before it
        return self.ledger.input_bytes < HELD_BYTES and self._waiting_bytes <= FULL_BYTES

    def on_answer(self, work: Work) -> None:
        """Hand on what the oldest works gave."""
        if self._order and work is self._order[0]:
            self._deliver()
        self._listen()

    def _deliver(self) -> None:
        while self._order:
            item = self._order[0]
            if isinstance(item, Cut):
                self._order.popleft()
                self.ledger.reach(item)
                continue
            if not item.is_done:
                break
            if item.fatal is not None:
                self._meet_doom(item)
                continue
            self._order.popleft()
            self._settle(item)
        self._wake()
        self.pump()
        self.ledger.consider(is_urgent=self._doom is not None)
        self.check_end()

    def place(self, cut: Cut) -> None:
        """Put a cut behind everything that is in work."""
        self._order.append(cut)
        if self._order[0] is cut:
            self._deliver()

    def _settle(self, work: Work) -> None:
        if work.answer_key is not None and work.answer is None:
            key, digest = work.answer_key
            content = dump_error(work.failures[0].error) if work.failures else work.replies
            work.answer = Answer(key, digest, msgpack.packb(content), time.time())
            self.answers[key] = work.answer
        if work.caller is not None and not work.caller.done():
            n_failed = len({failure.index for failure in work.failures})
            metrics.count_records(work.slot, "scored", len(work.values) - n_failed)
            metrics.count_records(work.slot, "rejected", n_failed)
        if work.answer is None:
            work.reply()
        self.ledger.add(work)

    def _meet_doom(self, work: Work) -> None:
        """Stop for a record: what is in front of it is committed, as if there were nothing behind it."""
        error = work.fatal or EngineError("The engine stopped.")
        if self.keeper is not None and work.is_halted:
            if work.n_kept or not self.ledger.is_empty:
                # The state is that of behind the record by now: what is not committed is scored again, up to it.
                self.keeper.renew()
                self.on_jet_lost(self.keeper)
                return
            if (cut := self.ledger.drop_cut()) is not None:
                self._order.remove(cut)
        self._order.popleft()
        self._doom = error
        behind = [item for item in [*self._order, *self._queue] if isinstance(item, Work)]
        self._order, self._queue = deque(item for item in self._order if isinstance(item, Cut)), deque()
        for other in behind:
            if other.caller is not None and not other.caller.done():
                other.caller.set_exception(error)
        if work.n_kept or not self.ledger.is_empty:
            self.ledger.add(work)
        self._end_if_doomed()

    def _end_if_doomed(self) -> None:
        doom = self._doom
        if doom is not None and self.ledger.is_clear:
            self.abandon(doom)
            self._owner.on_broken(doom)

    def on_jet_lost(self, jet: Jet) -> bool:
        """Take everything since the last commit back, if the jet that ended held state; return whether it did."""
        crew = self.crew
        if crew is None or not (crew.keeper is jet or (crew.model.script.uses_cells and jet in crew.jets)):
            return False
        if self.is_ending:
            self._owner.on_broken(EngineError("The model's process ended behind end(): the job can be resumed."))
            return True
        self._take_back()
        if crew.model.script.uses_cells:
            self.ledger.roll_back_cells()
            for other in crew.jets:  # what they have in work has seen what is taken back
                if other is not jet:
                    other.renew()
        return True

    def _take_back(self) -> None:
        """Queue everything again that is not committed."""
        works = [*self.ledger.take_back(), *(item for item in self._order if isinstance(item, Work))]
        self._order.clear()
        if any(work.fatal is not None for work in works):
            self._doom = None  # it will be met again
        for work in works:
            work.reset()
            self.calling_bytes += work.size_bytes if work.caller is not None else 0
        self._queue.extendleft(reversed(works))
        self._listen()

    def on_jet_ended(self, jet: Jet) -> None:
        """Free what a jet that has ended held."""
        self.cells.release(jet)

    def on_jet_broken(self, jet: Jet, error: EngineError) -> None:
        """Stop, if the jet is one of those that score."""
        if self.crew is not None and jet in self.crew.jets:
            self._owner.on_broken(error)

    def on_changed(self, entries: list[Entry], figures: Figures) -> None:
        """Take the state that has changed, as a commit asked for it."""
        self.ledger.on_changed(entries, figures)
        self._listen()

    def on_restored(self, n_keys: int) -> None:
        """Take note of how many keys have a state that was put back; what it takes is known with the next commit."""
        self.ledger.figures = Figures(n_keys)

    def on_committed(self, found: Yield) -> None:
        """Tell everybody what is kept, and go on."""
        self._tell(found)
        self._listen()
        self._wake()
        self._end_if_doomed()
        self.pump()
        self.ledger.consider(is_urgent=self._doom is not None)
        self.check_end()

    def target(self, *, is_finished: bool) -> Target:
        """Return what a commit is about."""
        crew = self.crew
        assert crew is not None  # noqa: S101 -- something was scored
        policies = {slot: crew.policy(slot) for slot, its in crew.model.script.slots.items() if its.is_input}
        return Target(crew.model, policies, self.sources, self.all_outlets, is_finished)

    def _is_synced(self) -> bool:
        """Whether one of the streams asks for what survives a power loss: all do but REST that says otherwise."""
        streams = [*(intake.stream for intake in self.sources), *(outlet.stream for outlet in self.all_outlets)]
        return any(stream.is_synced for stream in streams)

    async def pin(self, *, has_begun: bool) -> None:
        """Commit where all streams stand, before anything is scored; raises `StoreFailed`."""
        await self.ledger.committer.pin(self.target(is_finished=False), has_begun=has_begun)

    async def finish(self, frames: Iterable[OutputFrame]) -> None:
        """Commit what ``end()`` gave, and that nothing comes any more; then wait until all of it has left.

        Raises
        ------
        EngineError
            It cannot be written.
        """
        self.ledger.add_hook(frames)
        self.ledger.want(is_last=True)
        await self._until(lambda: self.ledger.is_clear)
        await self.delivered()

    async def delivered(self) -> None:
        """Wait until everything that is pushed to somebody has been taken; there will be no more."""
        for outlet in self.all_outlets:
            await outlet.delivered()
            outlet.is_eof = True

    def _tell(self, found: Yield) -> None:
        for slot, values in found.outputs.items():
            metrics.count_records(slot, "written", len(values))
        for intake, progress in found.inputs.items():
            for outcome in ("scored", "rejected", "skipped"):
                metrics.count_records(intake.slot, outcome, getattr(progress, f"n_{outcome}"))
        for _, reject in found.rejects:
            self._rejects.note(reject)
        for answer in found.answers:
            self.answers.pop(answer.key, None)
        for work in found.callers:
            work.reply()
        self._replaying.difference_update(found.replayed)

    @property
    def _waiting_bytes(self) -> int:
        return self.ledger.output_bytes + sum(work.output_bytes for work in self._order if isinstance(work, Work))

    def _listen(self) -> None:
        """Let outputs that wait hold up the jets, so that they wait in a pipe and not in memory."""
        # A cut needs the answers in front of it, and the state.
        is_heard = self._waiting_bytes <= FULL_BYTES or not self.ledger.is_writing
        if is_heard is not self._is_heard:
            self._is_heard = is_heard
            for jet in self.crew.jets if self.crew is not None else ():
                jet.listen(is_on=is_heard)
            if is_heard:
                self.pump()

    def put_hook_outputs(self, frames: Iterable[OutputFrame]) -> None:
        """Take what ``begin()`` gave."""
        self.ledger.add_hook(frames)
        self.ledger.consider()

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
        for intake in [one for one in self._fading if one.is_over and one.position >= one.last_position]:
            self._fading.remove(intake)
            self._owner.on_faded(intake)
        is_all_read = bool(self.intakes) and all(intake.is_over for intake in self.sources)
        if self.is_open and is_all_read and not self._queue and not self._order and self._doom is None:
            self._owner.on_inputs_ended()

    def on_room(self) -> None:
        """Go on after a reader has acknowledged outputs."""
        self._wake()

    def on_ready(self) -> None:
        """Go on after a jet was started again."""
        self.pump()
        self.ledger.consider()

    async def saved_state(self, jet: Jet) -> Iterable[Entry] | None:
        """Return the committed state for the jet that is to hold it, once no commit is under way."""
        if self.keeper is not jet:
            return None
        await self._until(lambda: not self.ledger.has_cut)
        has_state = self.store.fence is not None and not self.ledger.committer.is_anew
        return self.store.entries() if has_state else None

    def on_ask(self, jet: Jet, message: list[Any], reply: Callable[[bytes | None], None]) -> None:
        """Answer what a script asks of its cells."""
        self.cells.ask(jet, message, reply)

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
            if outlet.outbox is not None:
                metrics.set_outbox(slot, outlet.outbox.size_bytes)
        figures = self.ledger.figures
        metrics.set_state_figures(figures.n_keys, figures.n_live, figures.size_bytes)

    def abandon(self, error: EngineError) -> None:
        """Drop all that is under way: whoever waits for something gets the error."""
        self.is_open = self.is_ending = False
        self.calling_bytes, self._doom, self._is_heard = 0, None, True
        works = [item for item in [*self._queue, *self._order] if isinstance(item, Work)] + self.ledger.abandon()
        self._queue, self._order = deque(), deque()
        self._replaying.clear()
        self.answers.clear()
        for work in works:
            if work.caller is not None and not work.caller.done():
                work.caller.set_exception(error)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)


def _condemn_oversized(work: Work) -> None:
    """Let records over the limit never get to a jet."""
    for index, value in enumerate(work.values):
        if isinstance(value, Oversized):
            error = DecodeError(work.intake.stream.encoding, f"{value.size_bytes:,} bytes are over the limit")
            work.condemned.append(Failure(index, "input", error))
