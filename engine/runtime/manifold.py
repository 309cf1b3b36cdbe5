"""Moves batches from streams to jets and back, in order, and never more of them than there is room for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol

from engine import metrics
from engine.channel import Failure, OutputFrame
from engine.codecs import join_headers
from engine.errors import CommitAborted, DecodeError, EngineError, NotBuilt, StreamError
from engine.record import Batch, Joined, Oversized
from engine.runtime.bell import Bell
from engine.runtime.cells import Cells
from engine.runtime.committer import Target
from engine.runtime.crew import Crew
from engine.runtime.cut import Cut
from engine.runtime.delivery import Delivery
from engine.runtime.doom import Doom
from engine.runtime.info import ConsoleLine, Figures
from engine.runtime.intake import Intake
from engine.runtime.interval import Interval, Yield
from engine.runtime.jets import Jet
from engine.runtime.lanes import Lane
from engine.runtime.ledger import Ledger
from engine.runtime.line import Line
from engine.runtime.outlet import Outlet
from engine.runtime.ownership import Ownership
from engine.runtime.predictions import Predictions
from engine.runtime.pump import Pump
from engine.runtime.rejects import LatestRejects
from engine.runtime.rewind import Rewind
from engine.runtime.schemas import SchemaDesk
from engine.runtime.stillness import Stillness
from engine.runtime.streams import Streams
from engine.runtime.tasks import Tasks
from engine.runtime.work import Work, refuse
from engine.state.commits import Answer, CommitLog, Entry
from engine.streams.posting import SECRETS


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
        self.streams, self.tasks = Streams(), Tasks()
        self.crew: Crew | None = None
        self.store, self.cells, self.schemas = store, Cells(), SchemaDesk(SECRETS)
        self.ledger = Ledger(self, store, self.cells, interval_s, on_step, lambda: self.streams.is_synced)
        self.on_lost: Callable[[frozenset[int]], None] = lambda _: None
        """Called when an abort says that tasks are lost: their lanes are gone, as after `drop`."""
        self.membership: Any = None
        """What proves that the engine owns its tasks; goes with every commit."""
        self.is_tasked = False
        """Whether every task has a state of its own, and the job goes on with its group when it has ended."""
        self.is_open = False
        """Whether batches are given to the jets."""
        self.is_ending = False
        """Whether ``end()`` is called, or was: nothing can be scored again from here on."""
        self.answers: dict[str, Answer] = {}
        """Answers to requests with an ``Idempotency-Key`` that are not committed yet."""
        self._owner = owner
        self.line, self.bell = Line(), Bell()
        self.doom: Doom | None = None
        """What the engine stops for, once what is in front of it is committed."""
        self.predictions = Predictions()
        self.ownership, self.rewind = Ownership(self), Rewind(self)
        self.stillness, self.delivery, self._pump = Stillness(self), Delivery(self, rejects), Pump(self)

    @property
    def intakes(self) -> dict[int, Intake]:
        """What is attached to input slots."""
        return self.streams.intakes

    @property
    def outlets(self) -> dict[int, Outlet]:
        """What is attached to output slots."""
        return self.streams.outlets

    @property
    def lanes(self) -> dict[tuple[int, int], Lane]:
        """Partitions of inputs that the engine owns, by slot and task."""
        return self.tasks.lanes

    @property
    def owned(self) -> frozenset[int]:
        """The tasks whose state the jets have."""
        return self.tasks.owned

    @property
    def calling_bytes(self) -> int:
        """What waits of records that somebody waits for."""
        return self.line.calling_bytes

    @property
    def is_heard(self) -> bool:
        """Whether answers of jets are taken: there is room for outputs."""
        return self._pump.is_heard

    @property
    def is_idle(self) -> bool:
        """No batch is in a jet."""
        return not self.line.sent

    @property
    def is_still(self) -> bool:
        """Nothing waits to be scored, and nothing is being scored."""
        return self.line.is_still

    @property
    def keeper(self) -> Jet | None:
        """The jet that holds the state."""
        return self.crew.keeper if self.crew is not None else None

    @property
    def keepers(self) -> list[Jet]:
        """The jets that hold state."""
        return self.crew.keepers if self.crew is not None else []

    def use(self, store: CommitLog) -> None:
        """Keep commits in another store; only before anything is scored."""
        self.store = self.ledger.committer.store = store

    def open(self) -> None:
        """Give batches to the jets from now on."""
        self.is_open = True
        self.bell.ring()
        self.pump()

    async def hold(self) -> None:
        """Give no more batches, and wait until the jets are through with theirs."""
        await self.stillness.hold()

    def held(self) -> AbstractAsyncContextManager[None]:
        """Hold, do something while nothing is in a jet, and go on as before, whatever came of it."""
        return self.stillness.held()

    async def committed(self) -> None:
        """Wait until everything that is scored is committed."""
        await self.stillness.committed()

    async def settled(self) -> None:
        """Wait until what was accepted and read before this call is scored and committed."""
        await self.stillness.settled()

    async def drained(self) -> None:
        """Wait until nothing is queued or in a jet, and all is committed."""
        await self.stillness.drained()

    async def room(self, outlet: Outlet) -> None:
        """Wait until readers have made room in an outlet."""
        await self.stillness.room(outlet)

    def replace_intake(self, intake: Intake) -> Intake | None:
        """Attach an input stream; return the one before it, which fades away when what it gave is committed."""
        return self.streams.replace_intake(intake)

    def add_fading(self, intake: Intake) -> None:
        """Take an intake of which only what it holds is left."""
        self.streams.add_fading(intake)

    @property
    def fading(self) -> list[Intake]:
        """The intakes that were replaced and have records left."""
        return self.streams.fading

    @property
    def sources(self) -> list[Intake]:
        """Every intake that has records, or may get some."""
        return self.streams.sources

    @property
    def all_outlets(self) -> list[Outlet]:
        """Every outlet, those for rejects too."""
        return self.streams.all_outlets

    async def restore(self, task: int, entries: Iterable[Entry]) -> int:
        """Give the jets the committed state of a task, which is the engine's from then on; return how many keys it has.

        Parameters
        ----------
        task : int
            Which.
        entries : iterable of Entry
            Gone through once; if the jet ends meanwhile, the store is asked for them.

        Raises
        ------
        StateError
            It does not fit the script, or is damaged.
        EngineError
            The engine has stopped meanwhile.
        """
        return await self.ownership.restore(task, entries)

    async def share(self, given: Mapping[int, object]) -> None:
        """Give every task to the jet that is to have it, when the jets are others now; nothing may be in work.

        Parameters
        ----------
        given : mapping of int to object
            The marks of the tasks as they were before new jets got their state: one that went and came back meanwhile
            has another state.
        """
        await self.ownership.share(given)

    def add_lanes(self, lanes: Iterable[Lane]) -> None:
        """Take records of these partitions from now on; `restore` comes first."""
        self.tasks.add_lanes(lanes)

    async def pin_lanes(self) -> None:
        """Commit where the lanes stand, though nothing of them is scored."""
        self.ledger.force()
        await self.bell.until(lambda: not self.ledger.is_forcing)

    async def release(self, tasks: Iterable[int]) -> None:
        """Let go of tasks for good: what jets have of them is finished and committed, what waits is dropped.

        When this returns their lanes are gone, and nothing of them will be committed any more. Who gives up waiting
        calls `drop`.

        Raises
        ------
        EngineError
            The engine has stopped meanwhile.
        """
        await self.ownership.release(tasks)

    async def park(self, tasks: Iterable[int]) -> frozenset[int]:
        """As `release`, but jets keep the state: `add_lanes` is enough for a task that comes back as it was.

        Return those that can come back so; `release` lets go of one that does not.
        """
        return await self.ownership.park(tasks)

    async def drop(self, tasks: Iterable[int]) -> None:
        """Let go of tasks that are lost: nothing of them is committed, and what is not is taken back.

        Returns when no commit with anything of them is with the store any more.
        """
        await self.ownership.drop(frozenset(tasks))

    def lose(self, tasks: Collection[int]) -> None:
        """Let go of tasks at once; what was read of them is read again, so that their inputs are not at their end."""
        for lane in self.lanes.values():
            if lane.task in tasks:
                self.intakes[lane.slot].is_eof = False
        self.tasks.drop(tasks)

    def on_batch(self, intake: Intake | Lane, batch: Batch) -> None:
        """Queue what a source gave; of a lane that is gone, or goes, nothing is taken, nor behind ``end()``."""
        if isinstance(intake, Lane) and (self.is_ending or not self.tasks.takes(intake)):
            return
        if intake.stream.registry is not None:
            batch = join_headers(batch)
        work = Work(
            intake,
            intake.last_seq + 1,
            batch.values,
            batch.positions,
            ends_batch=True,
            labels=batch.labels,
            label_slots=self.streams.label_slots,
        )
        intake.last_seq += len(batch)
        intake.last_position = batch.positions[-1]
        metrics.count_records(intake.slot, "accepted", len(batch))
        _condemn_oversized(work)
        self.line.put(work)
        self.pump()

    def score(self, work: Work) -> None:
        """Queue a record that somebody waits for."""
        work.label_slots = self.streams.label_slots
        self.line.put(work)
        self.pump()

    def forget(self, work: Work) -> None:
        """Drop a record whose caller has gone, if no jet has it yet."""
        self.ledger.skip(self.line.remove(lambda one: one is work))

    def replay(self, slot: int, numbers: Sequence[int], values: Sequence[bytes]) -> None:
        """Queue records that were rejected, by their numbers in the reject log.

        Raises
        ------
        StreamError
            No stream is attached to the slot.
        NotBuilt
            It is a topic: whose state a record is scored with is a matter of its partition.
        """
        intake = self.intakes.get(slot)
        if intake is None:
            raise StreamError(f"No stream is attached to input slot {slot}.")
        if intake.stream.kafka is not None:
            fix = "produce the records to it again, as engine rejects show --raw prints them"
            raise NotBuilt(f"A replay into a topic ({fix})", f"Slot {slot}")
        fresh = [
            (number, value)
            for number, value in zip(numbers, values, strict=True)
            if number not in self.delivery.replaying
        ]
        if not fresh:
            return
        self.delivery.replaying.update(number for number, _ in fresh)
        work = Work(
            intake,
            intake.last_seq + 1,
            [value for _, value in fresh],
            replayed=[number for number, _ in fresh],
            label_slots=self.streams.label_slots,
        )
        intake.last_seq += len(fresh)
        _condemn_oversized(work)
        self.line.put(work)
        self.pump()

    def pump(self) -> None:
        """Give the jets what they have room for."""
        self._pump.pump()

    def listen(self) -> None:
        """Let outputs that wait hold up the jets, so that they wait in a pipe and not in memory."""
        self._pump.listen()

    def on_answer(self, work: Work) -> None:
        """Hand on what the oldest works gave."""
        if not work.is_done:
            self.line.note_answer(work)
        if work is self.line.head:
            self.delivery.deliver()
        elif work.is_done:
            self.line.note_answer(work)
        self.listen()

    def place(self, cut: Cut) -> None:
        """Put a cut behind everything that is in work."""
        self.line.sent.append(cut)
        if self.line.head is cut:
            self.delivery.deliver()

    def on_jet_lost(self, jet: Jet) -> bool:
        """Take everything since the last commit back, if the jet that ended held state; return whether it did."""
        return self.rewind.on_jet_lost(jet)

    def on_aborted(self, error: CommitAborted, interval: Interval) -> None:
        """Do everything again that is not committed; the interval is what was about to be."""
        self.rewind.on_aborted(error, interval)

    def on_jet_ended(self, jet: Jet) -> None:
        """Free what a jet that has ended held."""
        self.predictions.end(jet)
        self.cells.release(jet)
        self.schemas.release(jet)

    def on_jet_broken(self, jet: Jet, error: EngineError) -> None:
        """Stop, if the jet is one of those that score."""
        if self.crew is not None and jet in self.crew.jets:
            self._owner.on_broken(error)

    def on_changed(self, jet: Jet, entries: list[Entry], figures: Figures) -> None:
        """Take the state that has changed, as a commit asked for it."""
        self.ledger.on_changed(jet, entries, figures)
        self.listen()

    def on_predictors(self, jet: Jet, reports: Iterable[Mapping[str, Any]]) -> None:
        """Take what a jet says of each of its predictors."""
        self.predictions.use(self.crew.model if self.crew is not None else None)
        reports = list(reports)
        self.predictions.take(jet, reports)
        if self.crew is not None and jet in self.crew.jets:
            self.crew.devices.update(report["device"] for report in reports if report["device"])

    def on_restored(self, n_keys: int) -> None:
        """Take note of how many keys have a state that was put back; what it takes is known with the next commit."""
        n_before = self.ledger.figures.n_keys if self.is_tasked else 0
        self.ledger.figures = Figures(n_before + n_keys)

    def on_committed(self, found: Yield) -> None:
        """Tell everybody what is kept, and go on."""
        self.tasks.confirm(found.hooks)
        self.delivery.tell(found)
        self.go_on()

    def go_on(self) -> None:
        """Do what a change of what is committed makes possible."""
        self.listen()
        self.bell.ring()
        self.delivery.end_if_doomed()
        self.pump()
        self.consider()
        self.check_end()

    def consider(self) -> None:
        """Commit, if it is time."""
        self.ledger.consider(is_urgent=self.doom is not None or self.tasks.is_leaving)

    def target(self, *, is_finished: bool) -> Target:
        """Return what a commit is about."""
        crew = self.crew
        assert crew is not None  # noqa: S101 -- something was scored
        policies = {slot: crew.policy(slot) for slot, its in crew.model.script.slots.items() if its.is_input}
        return Target(
            crew.model,
            policies,
            self.sources,
            self.all_outlets,
            list(self.lanes.values()),
            {lane.task for lane in self.lanes.values()} if self.is_tasked else None,  # not those that are parked
            dict(self.tasks.hooks),
            self.membership,
            is_finished and not self.is_tasked,
        )

    async def pin(self, *, has_begun: bool) -> None:
        """Commit where all streams stand, before anything is scored; raises `StoreFailed`."""
        look = partial(self.target, is_finished=False)
        await self.ledger.committer.pin(look, self.rewind.on_pin_aborted, has_begun=has_begun)

    async def finish(self, frames: Iterable[OutputFrame]) -> None:
        """Commit what ``end()`` gave, and that nothing comes any more; then wait until all of it has left.

        Raises
        ------
        EngineError
            It cannot be written.
        """
        self.ledger.add_hook(frames)
        self.ledger.want(is_last=True)
        await self.bell.until(lambda: self.ledger.is_clear)
        await self.delivered()

    async def delivered(self) -> None:
        """Wait until everything that is pushed to somebody has been taken; there will be no more."""
        await self.streams.delivered()

    def put_hook_outputs(self, frames: Iterable[OutputFrame], task: int | None = None) -> None:
        """Take what ``begin()`` gave; given as the engine of a task, it goes with the task."""
        hook = self.ledger.add_hook(frames, task)
        if hook is not None and task is not None:
            self.tasks.hooks[task] = hook
        self.ledger.consider()

    def on_end(self) -> None:
        """Look whether the other intakes are at their end as well."""
        self.check_end()

    def check_end(self) -> None:
        """Tell the owner when all is done."""
        if self.streams.fading:
            for intake in self.streams.take_faded():
                self._owner.on_faded(intake)
        if not self.is_open or not self.is_still or self.doom is not None:
            return
        if self.intakes and all(intake.is_over for intake in self.sources):
            self._owner.on_inputs_ended()

    def on_room(self) -> None:
        """Go on after a reader has acknowledged outputs."""
        self.bell.ring()

    def on_ready(self) -> None:
        """Go on after a jet was started again."""
        self.bell.ring()
        self.pump()
        self.consider()

    async def saved_state(self, jet: Jet) -> AsyncIterator[tuple[int, Iterable[Entry]]]:
        """Yield, by task, the committed state that a jet is to hold, once no commit is under way."""
        async for task, entries in self.ownership.saved_state(jet):
            yield task, entries

    def on_ask(self, jet: Jet, message: list[Any], reply: Callable[[bytes | None], None]) -> None:
        """Answer what a script asks of its cells, and what its codecs ask of a schema registry."""
        if message[0] == "schema":
            self.schemas.on_ask(jet, message, reply, self.on_jet_broken)
        else:
            self.cells.ask(jet, message, reply)

    def on_broken(self, error: EngineError) -> None:
        """Pass on that a stream or a jet is broken for good."""
        self._owner.on_broken(error)

    def on_console(self, line: ConsoleLine) -> None:
        """Pass a printed line on."""
        self._owner.on_console(line)

    def measure(self) -> None:
        """Note how much waits in the REST streams, and what the state takes."""
        self.streams.measure()
        self.predictions.use(self.crew.model if self.crew is not None else None)
        figures = self.ledger.figures
        metrics.set_state_figures(figures.n_keys, figures.n_live, figures.size_bytes)

    def abandon(self, error: EngineError) -> None:
        """Drop all that is under way: whoever waits for something gets the error."""
        self.is_open = self.is_ending = False
        self.doom, self._pump.is_heard = None, True
        works = [*self.line.clear(), *self.ledger.abandon()]
        self.line.sent.clear()
        self.delivery.replaying.clear()
        self.answers.clear()
        refuse(works, error)
        self.bell.fail(error)


def _condemn_oversized(work: Work) -> None:
    """Let records over the limit never get to a jet."""
    # In C: a fifth of the time of a look at each.
    if type(work.values) is Joined or Oversized not in set(map(type, work.values)):
        return
    for index, value in enumerate(work.values):
        if isinstance(value, Oversized):
            error = DecodeError(work.intake.stream.encoding, f"{value.size_bytes:,} bytes are over the limit")
            work.condemned.append(Failure(index, "input", error))
