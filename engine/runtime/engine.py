"""The engine: one model, the streams on its slots, and the verbs that change them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any

from engine import metrics
from engine.errors import EngineError, InvalidTransition, RetryAfter, StreamError
from engine.log import get_logger
from engine.registry import Library, Model
from engine.runtime.berths import Berths
from engine.runtime.crew import Crew
from engine.runtime.fitting import check_files, check_fit, missing_slots
from engine.runtime.gate import Gate
from engine.runtime.info import ConsoleLine, EngineInfo, Outputs, Resumed, Scaled
from engine.runtime.inspection import inspect_engine
from engine.runtime.intake import Intake
from engine.runtime.job import Job, check_state
from engine.runtime.manifold import Manifold
from engine.runtime.outlet import Outlet
from engine.runtime.promise import promise_of
from engine.runtime.rejects import LatestRejects, choose_rejects
from engine.runtime.states import EngineState, Event, next_state
from engine.runtime.steps import Killer, Step
from engine.runtime.workdir import remove_abandoned
from engine.settings import Settings
from engine.state.commits import SCRIPT, CommitLog, Entry, Reject
from engine.state.sqlite import SqliteStore
from engine.streams import Stream

log = get_logger(__name__)

WATCH_S = 1.0
"""How often jets are looked at; four times within the model's time-out where that is more often."""

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
        self.settings, self.state, self.n_jets = settings, EngineState.INIT, settings.n_jets
        self.error: EngineError | None = None
        self.rejects = LatestRejects()
        self.console: deque[ConsoleLine] = deque(maxlen=N_CONSOLE_LINES)
        self._on_step = on_step = Killer(settings.kill_at)
        self.is_volatile = store is None
        self.store: CommitLog = store if store is not None else SqliteStore(None)
        self.manifold = Manifold(self, self.store, self.rejects, settings.commit_interval_s, on_step)
        self._berths = Berths(self.manifold, settings, job)
        self._is_resuming = is_resuming
        if is_resuming:
            self._berths.recall(self.store.job)
        self._gate = Gate(self.manifold)
        self._listener, self._is_inline = on_console, is_inline
        self._starts_paused = False
        self._finished: Model | None = None
        """The model of a job that is resumed and had come to its end."""
        self._crews: list[Crew] = []
        """Every crew of which a jet may be left: the one at work, one that is being loaded, those that retire."""
        self._is_ending = self._is_draining = False
        self._verb = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watcher: asyncio.TimerHandle | None = None
        self._tell_state()
        remove_abandoned(settings.state_dir / "jets")

    @property
    def streams(self) -> dict[int, Stream]:
        """What is attached, by slot."""
        ends: dict[int, Intake | Outlet] = {**self.manifold.intakes, **self.manifold.outlets}
        return {slot: end.stream for slot, end in sorted(ends.items())}

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
            check_fit(model, self.streams)
            if self._is_over:
                self._finished = model
                self._finish_if_complete()
                return
            is_started = self.state is not EngineState.INIT
            if is_started and (missing := missing_slots(model, self.streams)):
                verb = f"load {model.script.name!r}, whose slots {', '.join(map(str, missing))} have no stream"
                raise InvalidTransition(self.state.value, verb, [EngineState.INIT.value])
            self._check_state(model)
            crew, before = Crew(model, self.manifold, self.settings, is_inline=self._is_inline), self.manifold.crew
            self._crews.append(crew)
            crew.jets = await crew.grow(self.n_jets)
            if is_started:
                frames = await crew.begin(crew.jets)
                async with self.manifold.held():
                    await self.manifold.committed()
                    await self._take_over(crew)
                    self.manifold.put_hook_outputs(frames)
            else:
                self.manifold.crew = crew
                await self._remember()
            log.info("model.loaded", model=model.script.name, digest=model.digest, jets=self.n_jets)
            if before is not None:
                self._spawn(before.retire(before.jets))
            self._watch(model.script.timeout_s)
            await self._start_if_complete()

    def _check_state(self, model: Model) -> None:
        """Refuse a model that cannot go on with the state of the one of the same name."""
        fence = self.store.fence
        if fence is not None and fence.model == model.script.name:
            check_state(fence, model, next(self.store.entries(), None))

    async def _take_over(self, crew: Crew) -> None:
        """Put a crew in the place of the one before, with the state if it is the same model's."""
        await crew.make_ready(crew.jets, self._saved_for(crew.model))
        self.manifold.crew = crew
        await self._remember()  # first: after a kill in between, the fence says whose state it is
        if self.manifold.ledger.committer.is_anew:
            self.manifold.cells.clear()
        await self.manifold.pin(has_begun=False)

    def _saved_for(self, model: Model) -> Iterator[Entry] | None:
        """Return the committed state that a model goes on with; of another model, it is forgotten."""
        fence = self.store.fence
        if fence is None:
            return None
        if fence.model != model.script.name:
            self.manifold.ledger.committer.is_anew = True
            return None
        return self.store.entries()

    async def unload(self) -> None:
        """Remove the model and end its jets; only in INIT."""
        async with self._verb:
            next_state(self.state, Event.UNLOAD)
            crew, self.manifold.crew = self.manifold.crew, None
            if crew is not None:
                await crew.stop(crew.jets)
            await self._remember()

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
            check_files(slot, stream, self.streams)
            if self.manifold.crew is not None:
                check_fit(self.manifold.crew.model, {slot: stream})
            await (self._attach_output(slot, stream) if slot % 2 else self._attach_input(slot, stream))
            log.info("stream.attached", slot=slot, stream=stream.name, transport=stream.transport)
            await self._start_if_complete()

    async def _attach_input(self, slot: int, stream: Stream) -> None:
        crew = self.manifold.crew
        intake = await self._berths.intake(slot, stream, crew.model if crew is not None else None)
        is_started = self.state is not EngineState.INIT
        async with self._settled(is_started=is_started):
            before = self.manifold.replace_intake(intake)
            # Before anything else: what is accepted from here on is journaled behind it.
            await self._remember()
            if before is not None and before.inbox is None:
                await before.stop()
            if is_started:
                await self._pin()
        if is_started:
            intake.start()

    async def _attach_output(self, slot: int, stream: Stream) -> None:
        before = self.manifold.outlets.get(slot)
        _check_taken(before)
        outlet = await self._berths.outlet(slot, stream)
        is_started = self.state is not EngineState.INIT
        async with self._settled(is_started=is_started):
            self.manifold.outlets[slot] = outlet
            await self._remember()
            if is_started and self.manifold.crew is not None:
                for jet in self.manifold.crew.jets:
                    jet.code_outputs()
                await self._pin()
            if before is not None:
                await before.close()

    @contextlib.asynccontextmanager
    async def _settled(self, *, is_started: bool) -> AsyncIterator[None]:
        """While the engine works, hold it with everything committed."""
        if not is_started:
            yield
            return
        async with self.manifold.held():
            await self.manifold.committed()
            yield

    async def _pin(self) -> None:
        """Commit where the streams stand that are attached now; what ``begin()`` gave stays written, or not."""
        fence = self.store.fence
        await self.manifold.pin(has_begun=fence is not None and fence.has_begun)

    async def detach(self, slot: int) -> None:
        """Take a stream off its slot; only in INIT."""
        async with self._verb:
            next_state(self.state, Event.DETACH)
            if slot not in self.streams:
                raise StreamError(f"No stream is attached to slot {slot}.")
            if (intake := self.manifold.intakes.pop(slot, None)) is not None:
                await intake.stop()
                self.on_faded(intake)
            else:
                await self.manifold.outlets.pop(slot).close()
            await self._remember()
            metrics.forget_slot(slot)
            log.info("stream.detached", slot=slot)

    async def pause(self) -> None:
        """Give the model no more records until `unpause`; what it has in work is finished.

        In INIT this is remembered for the start.
        """
        async with self._verb:
            self._to(Event.PAUSE)
            self._starts_paused = True
            self.manifold.is_open = False
            await self._remember()

    async def unpause(self) -> None:
        """Go on after `pause`."""
        async with self._verb:
            self._to(Event.UNPAUSE)
            self._starts_paused = False
            await self._remember()
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
                    if is_started:
                        await crew.make_ready(new, self._saved_for(crew.model) if not crew.jets else None)
                    surplus, crew.jets = crew.jets[n_jets:], [*crew.jets[:n_jets], *new]
                self.manifold.put_hook_outputs(frames)
                self._spawn(crew.retire(surplus))
            self.n_jets = n_jets
            await self._remember()
            log.info("model.scaled", jets=n_jets)
            return crew.scaled(n_jets) if crew is not None else Scaled(n_jets, n_jets)

    async def reset(self) -> None:
        """End everything: the model is unloaded, the streams are closed and detached."""
        self._is_ending = True
        await self._shut(EngineError("The engine was reset."))  # frees whatever verb is under way
        async with self._verb:
            await self._shut(EngineError("The engine was reset."))
            for slot in self.streams:
                metrics.forget_slot(slot)
            self.manifold.intakes.clear()
            self.manifold.outlets.clear()
            self.manifold.crew = None
            self._crews.clear()
            self._berths.recall(None)
            await asyncio.wrap_future(self.store.clear())
            self.manifold.cells.clear()
            self.manifold.ledger.committer.is_stopping = False
            self._gate = Gate(self.manifold)
            self.error, self._starts_paused, self._is_ending, self._finished = None, False, False, None
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
        crew, limit_s = self.manifold.crew, self.settings.drain_timeout_s
        self._is_draining = True
        is_working = self.state in (EngineState.RUNNING, EngineState.PAUSED) and not is_at_once
        if is_working and crew is not None and crew.jets:
            for intake in self.manifold.intakes.values():
                if intake.inbox is None:
                    await intake.stop()
                else:
                    intake.inbox.seal()  # a batch that waits for more is read as it is
            try:
                async with asyncio.timeout(limit_s):  # wait_for of Python 3.11 may swallow a cancellation
                    if self.state is EngineState.RUNNING:
                        await self.manifold.drained()
                    await self.manifold.committed()
            except (TimeoutError, EngineError) as exc:
                log.error("drain.incomplete", reason=str(exc) or f"it took longer than {limit_s:g} s")
            else:
                await crew.retire(crew.jets)
        self._is_ending = True
        await self._shut(EngineError("The engine was stopped."))
        if self._watcher is not None:
            self._watcher.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)
        await asyncio.to_thread(self.store.close)

    async def _shut(self, error: EngineError) -> None:
        self.manifold.abandon(error)
        await self.manifold.ledger.close()
        await asyncio.gather(
            *(self._stop_intake(intake) for intake in self.manifold.sources),
            *(self._close_outlet(outlet) for outlet in self.manifold.all_outlets),
            *(crew.abandon() for crew in self._crews),
        )

    @staticmethod
    async def _stop_intake(intake: Intake) -> None:
        n_left = intake.inbox.n_accepted - intake.position if intake.inbox is not None else 0
        if n_left and intake.stream.descriptor.durable is False:
            log.error("input.lost", slot=intake.slot, n_records=n_left)
        elif n_left:
            log.info("input.left", slot=intake.slot, n_records=n_left)
        await intake.stop()

    @staticmethod
    async def _close_outlet(outlet: Outlet) -> None:
        try:
            await outlet.close()
        except EngineError as exc:
            log.error("output.lost", slot=outlet.slot, reason=str(exc))

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

    @property
    def _is_over(self) -> bool:
        """The job that is resumed had come to its end."""
        return self.state is EngineState.INIT and self.store.fence is not None and self.store.fence.is_finished

    def _finish_if_complete(self) -> None:
        """Be finished when what the job has given has left; nothing is scored any more."""
        if self._finished is not None and not missing_slots(self._finished, self.streams):
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
            for intake in self.manifold.intakes.values():
                if intake.source is None:
                    await self._berths.open(intake, crew.model)
            frames = await crew.begin(crew.jets)
            fence = self.store.fence
            if fence is not None and fence.model == crew.model.script.name:
                cells = (entry for scope in self._cell_scopes() for entry in self.store.entries(scope))
                self.manifold.cells.load(cells)
            else:
                fence = None
            if fence is None or not fence.has_begun:
                await self._take_over(crew)
                self.manifold.put_hook_outputs(frames)
            else:
                await crew.make_ready(crew.jets, self._saved_for(crew.model))
        except EngineError as exc:
            self.on_broken(exc)
            raise
        self._to(Event.START_PAUSED if self._starts_paused else Event.START)
        for intake in self.manifold.sources:
            intake.start()
        self._open_if_running()

    def _cell_scopes(self) -> list[str]:
        return [scope for scope in self.store.scopes() if scope != SCRIPT]

    async def _remember(self) -> None:
        """Keep what is loaded and attached, unless that is the half of a job that is being put together again."""
        crew = self.manifold.crew
        model = crew.model if crew is not None else None
        if not self._berths.is_recalling(model or self._finished):
            job = self._berths.job(model, self.n_jets, is_paused=self._starts_paused)
            await asyncio.wrap_future(self.store.set_job(job.dump()))
            self._on_step(Step.REMEMBERED.value)

    async def resume(self, library: Library | None) -> Resumed | None:
        """Load and attach again what the store's job had, and go on from its last commit; None without one.

        Raises
        ------
        StateError
            What is kept is damaged, or does not fit any more.
        EngineError
            A stream or the model cannot be set up.
        """
        if self.store.job is None:
            return None
        job, fence = Job.load(self.store.job, library), self.store.fence
        if job.model is None and not job.attached:
            return None
        self.n_jets, self._starts_paused = job.n_jets, job.is_paused
        self._berths.recall(self.store.job)
        for one in sorted(job.attached, key=lambda one: one.slot % 2 == 0):
            if not one.is_fading:
                await self.attach(one.slot, one.stream)
            elif self.store.inputs(one.number).values:
                intake = await self._berths.fading(one, job.model)
                if intake.inbox is not None:
                    intake.inbox.seal()
                self.manifold.add_fading(intake)
        if job.model is not None:
            await self.load(job.model)
        positions = {one.slot: one.seq_no for one in (fence.inputs.values() if fence is not None else ())}
        name = job.model.script.name if job.model is not None else None
        log.info("engine.resumed", model=name, commits=fence.number if fence is not None else 0)
        return Resumed(name, fence.number if fence is not None else 0, positions, self.state.value)

    def promise(self) -> list[str]:
        """Return what is promised for the streams that are attached and for the state, a sentence each."""
        crew = self.manifold.crew
        return [
            *promise_of(self.streams.items(), is_volatile=self.is_volatile),
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
        """Return the committed state."""
        return self.store.entries(scope)

    def on_inputs_ended(self) -> None:
        """Finish: nothing will come any more."""
        if self.state is EngineState.RUNNING and not self._is_draining:  # a drain leaves the end to the next engine
            self._to(Event.INPUTS_ENDED)
            self._spawn(self._finish())

    async def _finish(self) -> None:
        crew = self.manifold.crew
        try:
            await self.manifold.drained()
            self.manifold.is_ending = True
            if crew is not None:
                await self.manifold.finish(await crew.end())
                await crew.stop(crew.jets)
        except EngineError as exc:
            self.on_broken(exc)
        if self.state is EngineState.FINISHING:
            self._to(Event.DRAINED)

    def on_faded(self, intake: Intake) -> None:
        """Close what takes the rejects of an input stream that is gone."""
        if intake.rejects is not None:
            self._spawn(self._close_outlet(intake.rejects))

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

    def _watch(self, timeout_s: float | None) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        loop, period_s = asyncio.get_running_loop(), min(WATCH_S, timeout_s / 4) if timeout_s else WATCH_S

        def look() -> None:
            jets = self.manifold.crew.jets if self.manifold.crew is not None else []
            for jet in jets:
                jet.watch(loop.time())
            self._crews = [crew for crew in self._crews if crew is self.manifold.crew or not crew.is_over]
            metrics.set_jets(Counter(jet.status.value for jet in jets))
            self.manifold.measure()
            self._watcher = loop.call_later(period_s, look)

        look()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _check_taken(outlet: Outlet | None) -> None:
    """Refuse to replace a stream that holds outputs which nobody has taken."""
    if outlet is not None and outlet.n_left:
        raise StreamError(
            f"Slot {outlet.slot} ({outlet.stream.name}) holds {outlet.n_left} outputs that nobody has taken yet, and"
            " another stream would drop them. Have them read or delivered first, or reset the engine."
        )
