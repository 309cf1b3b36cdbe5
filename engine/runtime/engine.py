"""The engine: one model, the streams on its slots, and the verbs that change them."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from engine import metrics
from engine.errors import EngineError, InvalidTransition, RetryAfter, StreamError
from engine.log import get_logger
from engine.registry import Model
from engine.runtime.crew import Crew
from engine.runtime.fitting import check_files, check_fit, missing_slots, model_schema
from engine.runtime.gate import Gate
from engine.runtime.info import ConsoleLine, EngineInfo, Outputs, Scaled
from engine.runtime.inspection import inspect_engine
from engine.runtime.intake import Intake
from engine.runtime.manifold import Manifold
from engine.runtime.outlet import Outlet
from engine.runtime.rejects import RejectLog
from engine.runtime.states import EngineState, Event, next_state
from engine.runtime.workdir import remove_abandoned
from engine.settings import Settings
from engine.streams import Stream, open_sink, open_source

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
    on_console : callable, optional
        Takes each line that the script prints.
    is_inline : bool
        Run the script in this process instead of jets.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_console: Callable[[ConsoleLine], None] | None = None,
        is_inline: bool = False,
    ) -> None:
        self.settings, self.state, self.n_jets = settings, EngineState.INIT, settings.n_jets
        self.error: EngineError | None = None
        self.rejects = RejectLog(settings.state_dir)
        self.console: deque[ConsoleLine] = deque(maxlen=N_CONSOLE_LINES)
        self.manifold = Manifold(self, self.rejects)
        self._gate = Gate(self.manifold)
        self._listener, self._is_inline = on_console, is_inline
        self._starts_paused = False
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
            is_started = self.state is not EngineState.INIT
            if is_started and (missing := missing_slots(model, self.streams)):
                verb = f"load {model.script.name!r}, whose slots {', '.join(map(str, missing))} have no stream"
                raise InvalidTransition(self.state.value, verb, [EngineState.INIT.value])
            crew, before = Crew(model, self.manifold, self.settings, is_inline=self._is_inline), self.manifold.crew
            self._crews.append(crew)
            crew.jets = await crew.grow(self.n_jets)
            frames = await crew.begin(crew.jets) if is_started else []
            async with self.manifold.held():
                self.manifold.crew = crew
                self.manifold.put_hook_outputs(frames)
            log.info("model.loaded", model=model.script.name, digest=model.digest, jets=self.n_jets)
            if before is not None:
                self._spawn(before.retire(before.jets))
            self._watch(model.script.timeout_s)
            await self._start_if_complete()

    async def unload(self) -> None:
        """Remove the model and end its jets; only in INIT."""
        async with self._verb:
            next_state(self.state, Event.UNLOAD)
            crew, self.manifold.crew = self.manifold.crew, None
            if crew is not None:
                await crew.stop(crew.jets)

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
        intake = Intake(slot, stream, self.manifold)
        if self.manifold.crew is not None or not stream.needs_model_schema:
            await self._open(intake)
        if (before := self.manifold.replace_intake(intake)) is not None:
            await before.stop()
        if self.state is not EngineState.INIT:
            intake.start()

    async def _open(self, intake: Intake) -> None:
        crew = self.manifold.crew
        schema = model_schema(crew.model, intake.slot) if crew is not None else None
        intake.source = await asyncio.to_thread(
            open_source,
            intake.stream,
            model_schema=schema,
            inbox_bytes=self.settings.inbox_bytes,
            max_record_bytes=self.settings.max_record_bytes,
        )

    async def _attach_output(self, slot: int, stream: Stream) -> None:
        sink = await asyncio.to_thread(open_sink, stream, outbox_bytes=self.settings.outbox_bytes)
        async with self.manifold.held():
            before = self.manifold.outlets.get(slot)
            self.manifold.outlets[slot] = Outlet(slot, stream, sink, self.manifold)
            if self.state is not EngineState.INIT and self.manifold.crew is not None:
                for jet in self.manifold.crew.jets:
                    jet.code_outputs()
            if before is not None:
                await before.close()

    async def detach(self, slot: int) -> None:
        """Take a stream off its slot; only in INIT."""
        async with self._verb:
            next_state(self.state, Event.DETACH)
            if slot not in self.streams:
                raise StreamError(f"No stream is attached to slot {slot}.")
            if (intake := self.manifold.intakes.pop(slot, None)) is not None:
                await intake.stop()
            else:
                await self.manifold.outlets.pop(slot).close()
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

    async def unpause(self) -> None:
        """Go on after `pause`."""
        async with self._verb:
            self._to(Event.UNPAUSE)
            self._starts_paused = False
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
                if self.state is not EngineState.INIT:
                    self.manifold.put_hook_outputs(await crew.begin(new))
                async with self.manifold.held():
                    surplus, crew.jets = crew.jets[n_jets:], [*crew.jets[:n_jets], *new]
                self._spawn(crew.retire(surplus))
            self.n_jets = n_jets
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
            self.error, self._starts_paused, self._is_ending = None, False, False
            self.rejects.latest.clear()
            self._to(Event.RESET)

    async def close(self) -> None:
        """Drain and stop: take no more, score what was taken, run ``end()`` and discard what it gives.

        While PAUSED, or without a jet, nothing is scored: what waits is lost, and the log says how much.
        """
        crew, limit_s = self.manifold.crew, self.settings.drain_timeout_s
        self._is_draining = True
        if self.state is EngineState.RUNNING and crew is not None and crew.jets:
            for intake in self.manifold.intakes.values():
                if intake.inbox is None:
                    await intake.stop()
            try:
                async with asyncio.timeout(limit_s):  # wait_for of Python 3.11 may swallow a cancellation
                    await self.manifold.drained()
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

    async def _shut(self, error: EngineError) -> None:
        self.manifold.abandon(error)
        await asyncio.gather(
            *(self._stop_intake(intake) for intake in self.manifold.sources),
            *(self._close_outlet(outlet) for outlet in self.manifold.outlets.values()),
            *(crew.abandon() for crew in self._crews),
        )

    @staticmethod
    async def _stop_intake(intake: Intake) -> None:
        n_left = intake.inbox.n_accepted - intake.position if intake.inbox is not None else 0
        if n_left:
            log.error("input.lost", slot=intake.slot, n_records=n_left)
        await intake.stop()

    @staticmethod
    async def _close_outlet(outlet: Outlet) -> None:
        try:
            await outlet.close()
        except EngineError as exc:
            log.error("output.lost", slot=outlet.slot, reason=str(exc))

    def accept(self, slot: int, bodies: Sequence[bytes]) -> int:
        """Take the bodies of requests for a REST input; return how many records they hold.

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
        return self._gate.accept(slot, bodies)

    async def score(
        self, record: bytes, input_slot: int = 0, output_slot: int = 1, timeout_s: float = 30.0
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
        return await self._gate.score(record, input_slot, output_slot, timeout_s)

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

    async def _start_if_complete(self) -> None:
        crew = self.manifold.crew
        if self.state is not EngineState.INIT or crew is None or missing_slots(crew.model, self.streams):
            return
        try:
            for intake in self.manifold.intakes.values():
                if intake.source is None:
                    await self._open(intake)
            self.manifold.put_hook_outputs(await crew.begin(crew.jets))
        except EngineError as exc:
            self.on_broken(exc)
            raise
        self._to(Event.START_PAUSED if self._starts_paused else Event.START)
        for intake in self.manifold.sources:
            intake.start()
        self._open_if_running()

    def on_inputs_ended(self) -> None:
        """Finish: nothing will come any more."""
        if self.state is EngineState.RUNNING:
            self._to(Event.INPUTS_ENDED)
            self._spawn(self._finish())

    async def _finish(self) -> None:
        crew = self.manifold.crew
        try:
            if crew is not None:
                self.manifold.put_hook_outputs(await crew.end())
            for outlet in self.manifold.outlets.values():
                await outlet.flush()
                outlet.is_eof = True
            if crew is not None:
                await crew.stop(crew.jets)
        except EngineError as exc:
            self.on_broken(exc)
        if self.state is EngineState.FINISHING:
            self._to(Event.DRAINED)

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
