"""The engine: one model, the streams on its slots, and the verbs that change them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from engine import metrics
from engine.errors import BrokerUnreachable, EngineError, InvalidTransition, RetryAfter
from engine.log import get_logger
from engine.registry import Library, Model
from engine.runtime.berths import Berths
from engine.runtime.callers import Tell
from engine.runtime.crew import Crew
from engine.runtime.dock import Dock
from engine.runtime.faults import Faults
from engine.runtime.fitting import check_fit, missing_slots
from engine.runtime.gate import Gate
from engine.runtime.info import ConsoleLine, EngineInfo, Outputs, ProfileInfo, Resumed, Scaled
from engine.runtime.inspection import inspect_engine, profile_engine
from engine.runtime.intake import Intake
from engine.runtime.jets import Jet
from engine.runtime.link import Link
from engine.runtime.manifold import Manifold
from engine.runtime.promise import promise_of
from engine.runtime.rejects import LatestRejects, choose_rejects
from engine.runtime.remembering import JobRecord
from engine.runtime.resuming import resume
from engine.runtime.schemas import SchemaDesk
from engine.runtime.starting import begin, check_saved, saved_for, take_over
from engine.runtime.states import EngineState, Event, next_state
from engine.runtime.steps import Killer
from engine.runtime.stopping import close_outlet, drain, shut
from engine.runtime.watch import Watch
from engine.runtime.workdir import remove_abandoned
from engine.settings import Settings
from engine.state.commits import SCRIPT, CommitLog, Entry, Reject
from engine.state.sqlite import SqliteStore
from engine.streams import Stream

log = get_logger(__name__)

N_CONSOLE_LINES = 1000
"""Printed lines that are kept for whoever asks."""


class Engine:
    """Runs a model. Everything happens on the event loop that it is made on, whose thread must be the main one.

    Parameters
    ----------
    settings : Settings
        Limits and folders.
    store : CommitLog, optional
        Where what must survive is kept; closed with the engine. By default nothing survives.
    job : str
        What the store's job is called, for those who get its outputs.
    is_resuming : bool
        Streams that are attached go on where the store says that the job stood, and so does the model.
    on_console : callable, optional
        Takes each line that the script prints.
    is_inline : bool
        Run the script in this process instead of jets.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: CommitLog | None = None,
        job: str = "",
        is_resuming: bool = False,
        on_console: Callable[[ConsoleLine], None] | None = None,
        is_inline: bool = False,
    ) -> None:
        self.settings, self.state = settings, EngineState.INIT
        self.error: EngineError | None = None
        self.rejects = LatestRejects()
        self.console: deque[ConsoleLine] = deque(maxlen=N_CONSOLE_LINES)
        self.is_volatile, on_step = store is None, Killer(settings.kill_at)
        store = store if store is not None else SqliteStore(None)
        self.manifold = Manifold(self, store, self.rejects, settings.commit_interval_s, on_step)
        self.manifold.schemas = SchemaDesk(settings.secrets_dir)
        self._berths = Berths(self.manifold, settings, job)
        if is_resuming:
            self._berths.recall(store.job)
        self._record = JobRecord(self.manifold, self._berths, settings.n_jets, on_step)
        self._dock = Dock(self.manifold, self._berths, self._record)
        self.link = Link(self.manifold, settings, store, self, on_step, is_volatile=self.is_volatile)
        """What of the job is Kafka."""
        self._gate = Gate(self.manifold)
        self._listener, self._is_inline = on_console, is_inline
        self._crews: list[Crew] = []
        """Every crew of which a jet may be left: the one at work, one that is being loaded, those that retire."""
        self._is_ending = self._is_draining = False
        self._verb = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch = Watch(self.manifold, self.link, self._look)
        self._faults = Faults(self.on_broken)
        self._tell_state()
        remove_abandoned(settings.state_dir / "jets")

    @property
    def streams(self) -> dict[int, Stream]:
        """What is attached, by slot."""
        return self._dock.streams

    def stream(self, slot: int) -> Stream | None:
        """Return what is attached to a slot."""
        end = self.manifold.outlets.get(slot) if slot % 2 else self.manifold.intakes.get(slot)
        return end.stream if end is not None else None

    @property
    def store(self) -> CommitLog:
        """Where what must survive is kept."""
        return self.manifold.store

    @property
    def n_jets(self) -> int:
        """How many jets are wanted."""
        return self._record.n_jets

    async def foresee(self, model: Model, streams: Mapping[int, Stream]) -> None:
        """Open what a job needs of Kafka, before its streams are attached: they go on where it was committed there.

        Raises
        ------
        SlotsUnfit
            The streams cannot be of one job.
        BrokerRefused, BrokerUnreachable
            A topic is not there, or no broker.
        StateError
            What was committed cannot be gone on with.
        """
        async with self._verb:
            next_state(self.state, Event.ATTACH)
            if self.state is EngineState.INIT:
                await self.link.open(streams, model, self._berths.job_id)

    async def load(self, model: Model) -> None:
        """Load a model: import its script in its jets, and start when every slot has its stream.

        While RUNNING or PAUSED it replaces the model that is there, which goes on until the new one is ready.

        Raises
        ------
        InvalidTransition
            Not in INIT, RUNNING or PAUSED.
        SlotsUnfit
            The streams that are attached do not fit the model.
        AssetError, ModelError
            It cannot be set up; what was there before goes on.
        """
        async with self._verb:
            next_state(self.state, Event.LOAD)
            self._faults.begin()
            check_fit(model, self.streams)
            if self._is_over:
                self._record.finished = model
                self._finish_if_complete()
                return
            is_started = self.state is not EngineState.INIT
            if is_started:
                self.link.check_model(model)
            if is_started and (missing := missing_slots(model, self.streams)):
                verb = f"load {model.script.name!r}, whose slots {', '.join(map(str, missing))} have no stream"
                raise InvalidTransition(self.state.value, verb, [EngineState.INIT.value])
            await self.manifold.schemas.check(model, self.streams)
            await check_saved(self.manifold, model)
            crew, before = Crew(model, self.manifold, self.settings, is_inline=self._is_inline), self.manifold.crew
            self._crews.append(crew)
            crew.jets = await crew.grow(self.n_jets)
            if is_started:
                frames = await crew.begin(crew.jets)
                async with self.manifold.held():
                    await self.manifold.committed()
                    await take_over(self.manifold, self._record, crew)
                    self.manifold.put_hook_outputs(frames)
            else:
                self.manifold.crew = crew
                await self._record.remember()
            log.info("model.loaded", model=model.script.name, digest=model.digest, jets=self.n_jets)
            if before is not None:
                self._spawn(before.retire(before.jets))
            self._watch.begin(model.script.timeout_s)
            await self._start_if_complete()

    async def unload(self) -> None:
        """Remove the model and end its jets; only in INIT."""
        async with self._verb:
            next_state(self.state, Event.UNLOAD)
            crew, self.manifold.crew = self.manifold.crew, None
            if crew is not None:
                await crew.stop(crew.jets)
            await self._record.remember()

    async def attach(self, slot: int, stream: Stream) -> None:
        """Attach a stream to a slot, in place of the one that is there; may start the engine.

        Raises
        ------
        InvalidTransition
            Not in INIT, RUNNING or PAUSED.
        SlotsUnfit
            The model does not use the slot, or their schemas do not fit.
        StreamError
            The stream cannot be opened.
        """
        async with self._verb:
            next_state(self.state, Event.ATTACH)
            await self._dock.attach(slot, stream, is_started=self.state is not EngineState.INIT)
            await self._start_if_complete()

    async def detach(self, slot: int) -> None:
        """Take a stream off its slot; only in INIT."""
        async with self._verb:
            next_state(self.state, Event.DETACH)
            if (intake := await self._dock.detach(slot)) is not None:
                self.on_faded(intake)

    async def pause(self) -> None:
        """Give the model no more records until `unpause`; what it has in work is finished.

        In INIT this is remembered for the start.
        """
        async with self._verb:
            self._to(Event.PAUSE)
            self._record.starts_paused = True
            self.manifold.is_open = False
            await self._record.remember()

    async def unpause(self) -> None:
        """Go on after `pause`."""
        async with self._verb:
            self._to(Event.UNPAUSE)
            self._record.starts_paused = False
            await self._record.remember()
            self._open_if_running()
            self.manifold.check_end()

    async def scale(self, n_jets: int) -> Scaled:
        """Run the model in so many jets; 0 makes input wait.

        Raises
        ------
        InvalidTransition
            Not in INIT, RUNNING or PAUSED.
        ModelError
            A new jet cannot be started; those that were there go on.
        """
        async with self._verb:
            next_state(self.state, Event.SCALE)
            crew = self.manifold.crew
            if crew is not None:
                new = await crew.grow(max(0, n_jets - len(crew.jets)))
                is_started = self.state is not EngineState.INIT
                frames = await crew.begin(new) if is_started else []
                async with self.manifold.held():
                    await self.manifold.committed()
                    given = dict(self.manifold.tasks.marks)
                    if is_started:
                        saved = None if crew.jets else await saved_for(self.manifold, crew.model)
                        await crew.make_ready(new, saved)
                    surplus, crew.jets = crew.jets[n_jets:], [*crew.jets[:n_jets], *new]
                    if is_started:
                        await self.manifold.share(given)
                self.manifold.put_hook_outputs(frames)
                self._spawn(crew.retire(surplus))
            self._record.n_jets = n_jets
            await self._record.remember()
            log.info("model.scaled", jets=n_jets)
            return crew.scaled(n_jets) if crew is not None else Scaled(n_jets, n_jets)

    async def reset(self) -> None:
        """End everything: the model is unloaded, the streams are closed and detached."""
        self._is_ending = True
        await self._shut(EngineError("The engine was reset."))  # frees whatever verb is under way
        async with self._verb:
            await self._shut(EngineError("The engine was reset."))
            self._dock.clear()
            self.link.group = None
            self.manifold.crew = None
            self._crews.clear()
            self._record.forget()
            await asyncio.wrap_future(self.store.clear())
            self.manifold.cells.clear()
            self.manifold.ledger.committer.is_stopping = False
            self._gate = Gate(self.manifold)
            self.error, self._is_ending = None, False
            self.rejects.latest.clear()
            self._to(Event.RESET)

    async def close(self, *, is_at_once: bool = False) -> None:
        """Drain and stop: take no more, score and commit what was taken, run ``end()`` and discard what it gives.

        While PAUSED, or without a jet, nothing is scored: what waits and is not in the journal is lost, and the log
        says how much.

        Parameters
        ----------
        is_at_once : bool
            Do not drain: what is not committed is left to the next engine, or lost where nothing is kept.
        """
        limit_s = self.settings.drain_timeout_s
        self._is_draining = True
        if self.state in (EngineState.RUNNING, EngineState.PAUSED) and not is_at_once:
            await drain(self.manifold, self.link, limit_s, is_scoring=self.state is EngineState.RUNNING)
        self._is_ending = True
        try:
            await self._shut(EngineError("The engine was stopped."))
            self._watch.stop()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=limit_s)
            await self.manifold.schemas.close()
            await asyncio.to_thread(self.store.close)
        finally:
            self._faults.end()

    async def _shut(self, error: EngineError) -> None:
        await shut(self.manifold, self.link, self._crews, error)

    async def accept(self, slot: int, bodies: Sequence[bytes], key: str | None = None) -> int:
        """Take the bodies of a request for a REST input; return how many records they hold.

        With a durable stream they are in the journal when this returns. `key` is the request's ``Idempotency-Key``:
        one that was seen before takes nothing, and returns what was returned then.

        Raises
        ------
        RetryAfter
            There is no room, or the engine is about to stop.
        StreamError
            No REST stream is attached to the slot.
        InvalidTransition
            Nothing will be read any more.
        """
        self._check_open(Event.INPUT)
        return await self._gate.accept(slot, bodies, key)

    async def score(
        self,
        record: bytes,
        input_slot: int = 0,
        output_slot: int = 1,
        timeout_s: float = 30.0,
        key: str | None = None,
    ) -> list[bytes]:
        """Score one record and return what the model wrote to `output_slot` for it; its other outputs go their way.

        Raises
        ------
        DataError
            The record, or an output, was rejected.
        ModelError
            The script failed on it.
        StreamTimeout
            It took too long; the record may still be scored.
        InvalidTransition, StreamError
            The engine is not RUNNING, or has no REST stream on the input slot.
        """
        self._check_open(Event.SCORE)
        return await self._gate.score(record, input_slot, output_slot, timeout_s, key)

    def call(
        self, record: bytes, tell: Tell, input_slot: int = 0, output_slot: int = 1, timeout_s: float = 30.0
    ) -> None:
        """Score one record as `score` does, and tell what came of it: for who would wait in a task of its own.

        Parameters
        ----------
        record : bytes
            As the stream's encoding has it.
        tell : callable
            Called once on the event loop, with the outputs or with what `score` would raise, never from within this.
        input_slot, output_slot, timeout_s
            As those of `score`.

        Raises
        ------
        InvalidTransition, StreamError, RetryAfter
            As `score`; then `tell` is not called.
        """
        self._check_open(Event.SCORE)
        self._gate.call(record, input_slot, output_slot, timeout_s, tell)

    async def outputs(
        self, slot: int, *, after: int | None = None, limit: int | None = None, wait_s: float | None = None
    ) -> Outputs:
        """Return what a REST output holds, oldest first.

        Parameters
        ----------
        slot : int
            The output slot.
        after : int, optional
            Acknowledge the records up to this sequence number: they are forgotten.
        limit : int, optional
            Return so many at most.
        wait_s : float, optional
            Wait at most so long until everything that was accepted before this call is scored, or nothing more can be
            before outputs are acknowledged.

        Raises
        ------
        StreamError
            No REST stream is attached to the slot.
        """
        return await self._gate.outputs(slot, after, limit, wait_s)

    def _check_open(self, event: Event) -> None:
        next_state(self.state, event)
        if self._is_draining:
            raise RetryAfter(1.0)

    def inspect(self) -> EngineInfo:
        """Return what there is to say about the engine."""
        return inspect_engine(self)

    async def wait(self, *states: EngineState) -> EngineState:
        """Wait until the engine is in one of the states, and return it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.state in states)
        return self.state

    def _to(self, event: Event) -> None:
        before, self.state = self.state, next_state(self.state, event)
        if before is not self.state:
            log.info("engine.state", state=self.state.value, before=before.value)
            self._tell_state()
            self._spawn(self._announce())

    def _tell_state(self) -> None:
        metrics.set_state(self.state.value, [state.value for state in EngineState])

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _open_if_running(self) -> None:
        if self.state is EngineState.RUNNING:
            self.manifold.open()

    async def profile(self) -> ProfileInfo | None:
        """Return where the time of the loaded model went, up to now; None without one."""
        if self.manifold.crew is not None:
            await self.manifold.crew.ask_predictors()
        return profile_engine(self)

    def silence_s(self, jet: Jet) -> float:
        """Return for how long a jet has answered nothing of what it was given."""
        return self._watch.silence_s(jet)

    @property
    def _is_over(self) -> bool:
        """The job that is resumed had come to its end."""
        return self.state is EngineState.INIT and self.store.fence is not None and self.store.fence.is_finished

    def _finish_if_complete(self) -> None:
        """Be finished when what the job has given has left; nothing is scored any more."""
        if self._record.finished is not None and not missing_slots(self._record.finished, self.streams):
            self._to(Event.FOUND_FINISHED)
            self._spawn(self._deliver_rest())

    async def _deliver_rest(self) -> None:
        try:
            await self.manifold.delivered()
        except EngineError as exc:
            self.on_broken(exc)
        else:
            self._to(Event.DRAINED)

    async def _start_if_complete(self) -> None:
        if self._is_over:
            self._finish_if_complete()
            return
        crew = self.manifold.crew
        if self.state is not EngineState.INIT or crew is None or missing_slots(crew.model, self.streams):
            return
        try:
            await begin(self.manifold, self._berths, self._record, self.link, crew)
        except EngineError as exc:
            self.on_broken(exc)
            raise
        self._to(Event.START_PAUSED if self._record.starts_paused else Event.START)
        for intake in self.manifold.sources:
            if intake.source is not None:
                intake.start()
        self._open_if_running()

    async def resume(
        self, library: Library | None, on_wait: Callable[[BrokerUnreachable], None] | None = None
    ) -> Resumed | None:
        """Load and attach again what the store's job had, and go on from its last commit; None without one.

        Parameters
        ----------
        library : Library, optional
            Where the model's attachments are.
        on_wait : callable, optional
            Called once when no broker answers: then they are waited for. Without it that is an error.

        Raises
        ------
        StateError
            What is kept is damaged, or does not fit any more.
        EngineError
            A stream or the model cannot be set up.
        """
        return await resume(self, self._record, self._berths, self.link, library, on_wait)

    def promise(self) -> list[str]:
        """Return what is promised for the streams that are attached and for the state, a sentence each."""
        crew = self.manifold.crew
        return [
            *promise_of(self.streams.items(), self.link.topics, is_volatile=self.is_volatile),
            *(f"{refusal} It begins anew after a crash or a restart." for refusal in (crew.unkept if crew else ())),
        ]

    def rejected(self, after: int = 0, limit: int | None = None) -> list[Reject]:
        """Return the reject log behind a number, oldest first."""
        return self.store.rejects(after, limit)

    async def drop_rejects(self, numbers: Sequence[int] | None = None) -> None:
        """Remove rejects from the log, or all of them."""
        await asyncio.wrap_future(self.store.drop_rejects(numbers))

    async def replay(self, numbers: Sequence[int] | None = None) -> int:
        """Score rejected records once more; each leaves the log when that is committed. Return how many.

        Parameters
        ----------
        numbers : sequence of int, optional
            In the reject log. By default all but those of which only an output was rejected: their other outputs were
            written.

        Raises
        ------
        StreamError
            A number is not in the log, or its slot has no stream.
        InvalidTransition
            Nothing is scored.
        """
        self._check_open(Event.SCORE)
        found = choose_rejects(self.store.rejects(), numbers)
        for slot, rejects in found.items():
            self.manifold.replay(slot, [one.number for one in rejects], [one.value for one in rejects])
        return sum(map(len, found.values()))

    def state_entries(self, scope: str = SCRIPT) -> Iterator[Entry]:
        """Return the committed state; where the script's is kept by partition, that of those that are read here."""
        if scope != SCRIPT or not self.manifold.is_tasked:
            return self.store.entries(scope)
        tasks = sorted({task for _, task in list(self.manifold.lanes)})  # a copy: any thread may ask
        return chain.from_iterable(self.store.entries(scope, task) for task in tasks)

    def on_inputs_ended(self) -> None:
        """Finish: nothing will come any more."""
        if self.state is EngineState.RUNNING and not self._is_draining:  # a drain leaves the end to the next engine
            self._to(Event.INPUTS_ENDED)
            self._spawn(self._finish())

    async def _finish(self) -> None:
        crew = self.manifold.crew
        self.link.hush()
        try:
            await self.manifold.drained()
            self.manifold.is_open, self.manifold.is_ending = False, True  # nothing is scored behind end()
            if crew is not None:
                await self.manifold.finish(await crew.end())
            await self.link.leave()  # first: tasks that the group may give yet would find no jet
            if crew is not None:
                await crew.stop(crew.jets)
        except EngineError as exc:
            self.on_broken(exc)
        if self.state is EngineState.FINISHING:
            self._to(Event.DRAINED)

    def on_faded(self, intake: Intake) -> None:
        """Close what takes the rejects of an input stream that is gone."""
        if intake.rejects is not None:
            self._spawn(close_outlet(intake.rejects))

    def on_broken(self, error: EngineError) -> None:
        """Go to ERROR: nothing is read or scored any more, and what was scored before is written."""
        if self._is_ending or self.state in (EngineState.ERROR, EngineState.FINISHED):
            return
        self.error = error
        log.error("engine.error", error=type(error).__name__, reason=str(error))
        self._to(Event.FAIL)
        self._spawn(self._shut(error))

    def on_console(self, line: ConsoleLine) -> None:
        """Keep a printed line."""
        metrics.count_console_lines(1)
        self.console.append(line)
        if self._listener is not None:
            self._listener(line)

    def _look(self) -> None:
        self._crews = [crew for crew in self._crews if crew is self.manifold.crew or not crew.is_over]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
