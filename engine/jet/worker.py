"""Frames in, frames out: one copy of a script and the slots it reads and writes."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from engine.channel import PROTOCOL_VERSION, BatchFrame, Cell, Kind, Phase, dump_error, pack_message, unpack_message
from engine.codecs import open_codec
from engine.compat import install_modules
from engine.errors import ActionFailed, ConfigError, DataError, EngineError, HookMissing, StateError
from engine.jet.answer import FLUSH_BYTES, MAX_NUMBERS, Answer
from engine.jet.changes import ChangedFrames
from engine.jet.hook import Hook, Run
from engine.jet.keeping import try_state
from engine.jet.keyed import KeyedMemory
from engine.jet.keys import Key, key_reader
from engine.jet.loading import class_finder, import_script, reason_of, script_traceback
from engine.jet.memory import Memory, Resolve
from engine.jet.predictors import Predictors
from engine.jet.schemas import AskedSchemas
from engine.jet.turn import Turn
from engine.jet.unkeyed import ModuleMemory
from engine.jet.watch import Watch
from engine.ports import Codec
from engine.schema import parse_schema
from engine.script import MESSAGE_KEY, Script, callable_arity, inspect_script
from engine.sdk.batching import forget, set_answering
from engine.sdk.clock import set_clock
from engine.sdk.sharing import Ask, connect
from engine.state import loaded_class

if TYPE_CHECKING:
    from engine.jet.batcher import Batcher


class Worker:
    """Runs a script for an engine, whichever way the frames travel.

    Parameters
    ----------
    send : callable
        Takes a frame for the engine; called while a frame is handled, from the same thread.
    cell : Cell
        Where the record in work is noted.
    ask : callable, optional
        Takes what the script asks of cells and pools, ``[verb, scope, key, name, value]``, and returns the engine's
        answer. Without it they live here.
    clock : callable
        Returns the seconds since 1970: by it keys are forgotten.
    more : callable, optional
        Takes for how many seconds it may wait, and returns the bodies of the batches that have come meanwhile.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        cell: Cell,
        ask: Ask | None = None,
        clock: Callable[[], float] = time.time,
        more: Callable[[float], list[memoryview]] = lambda _wait_s: [],
    ) -> None:
        self._send, self._cell, self._ask, self._clock, self._more = send, cell, ask, clock, more
        self._turn = Turn(cell, clock)
        self._hooks: dict[int, Hook] = {}
        self._batch_readers: dict[int, Callable[[Sequence[bytes]], Sequence[Any] | None]] = {}
        """For each input slot, what decodes many records at once, or returns None."""
        self._readers: dict[int, Callable[[bytes], Any]] = {}
        """For each input slot, what decodes a record and has the script see the state of its key."""
        self._batcher: Batcher | None = None
        self._predictors = Predictors(send)
        self._outputs: dict[int, Codec] = {}
        self._resolve: Resolve = loaded_class
        self._is_halted = False
        self.is_awaited = False
        """Whether somebody waited for the last batch."""
        self._restoring: dict[int, bool] = {}
        """Tasks of which state is on its way back, and whether that has failed."""
        self._handlers: dict[Kind, Callable[[memoryview], None]] = {
            Kind.SETUP: self._set_up,
            Kind.SLOT: self._open_slot,
            Kind.BEGIN: lambda body: self._run_hook(Phase.BEGIN, unpack_message(body)),
            Kind.RESTORE: self._restore,
            Kind.BATCH: self._take,
            Kind.COMMIT: self._commit,
            Kind.FORGET: self._forget,
            Kind.PREDICTORS: self._report_predictors,
            Kind.END: lambda body: self._run_hook(Phase.END, unpack_message(body)),
        }

    def handle(self, kind: Kind, body: memoryview) -> bool:
        """Do what a frame asks for; return False when it was the last one."""
        if kind is Kind.STOP:
            return False
        self._handlers[kind](body)
        return True

    def close(self) -> None:
        """Let go of what it has changed in this process, which may be the engine's own."""
        connect()
        set_clock()
        set_answering()

    def _set_up(self, body: memoryview) -> None:
        message = unpack_message(body)
        path = Path(message["path"])
        self._cell.enter(Phase.IMPORT)
        try:
            _check_protocol(message["protocol"])
            self._script: Script = inspect_script(message["source"], message["name"])
            self._path = path
            install_modules()
            connect(self._ask_in_turn if self._ask is not None else None, lambda *names: self._resolve(*names))
            set_clock(self._turn.time_s)
            set_answering()
            forget()
            self._module = import_script(self._script.name, path)
            self._actions = {
                slot.number: self._hook(slot.action) for slot in self._script.slots.values() if slot.action is not None
            }
        except EngineError as exc:
            self._send(pack_message(Kind.FAILED, dump_error(exc)))
            return
        self._cell.leave()
        self._resolve = class_finder(self._script.name, self._module)
        self._is_tasked = message.get("is_tasked", False)
        self._memory: Memory = self._remember()
        self._watch = Watch(self._module, self._script) if message.get("is_watched", False) else None
        state = try_state(self._module, self._script.state_names)
        self._send(pack_message(Kind.LOADED, {"pid": os.getpid(), "python": platform.python_version(), "state": state}))

    def _remember(self) -> Memory:
        script, resolve = self._script, self._resolve
        if not script.keys:
            return ModuleMemory(
                self._module, script.state_names, resolve, is_tasked=self._is_tasked, changing=script.changing
            )
        ttl_s = next(iter(script.key_ttl_s.values()), None)  # the same for all slots
        return KeyedMemory(self._module, script.state_names, resolve, ttl_s, self._clock)

    def _hook(self, name: str) -> Callable[..., Any]:
        function = getattr(self._module, name, None)
        if not callable(function):
            raise HookMissing(self._script.name, name)
        hook: Callable[..., Any] = function
        return hook

    def _open_slot(self, body: memoryview) -> None:
        message = unpack_message(body)
        number = message["slot"]
        stream, model = (
            None if source is None else parse_schema(source) for source in (message["schema"], message["model_schema"])
        )
        schemas = None if self._ask is None else AskedSchemas(self._ask, self._cell, number)
        tagged_unions = message["tagged_unions"]
        codec = open_codec(message["encoding"], stream, model, tagged_unions=tagged_unions, schemas=schemas)
        if number % 2:
            self._outputs[number] = codec
            return
        action = self._actions[number]
        arity = self._script.slots[number].arity or callable_arity(action)
        is_halting = message["on_error"] == "stop"
        read: Callable[[bytes], Any] = codec.decode
        key_of: Callable[[Any], Key] | None = None
        if isinstance(self._memory, KeyedMemory):
            path = self._script.keys[number]
            key_of = (lambda _: self._turn.key()) if path == MESSAGE_KEY else key_reader(path)
            read = self._memory.reader(read, key_of)
        name = self._script.slots[number].action or "action"
        self._hooks[number] = Hook(codec.decode, key_of, action, name, arity, is_halting)
        self._readers[number] = read
        # State is in place by key when a record is decoded: with keys it is done one by one.
        self._batch_readers[number] = codec.decode_batch if key_of is None else lambda _raws: None

    def _run_hook(self, phase: Phase, batch: int) -> None:
        name = self._script.begin if phase is Phase.BEGIN else self._script.end
        # A begin() that takes one argument expects the job's description; there is none outside of a batch job.
        arguments: list[dict[str, object]] = [{}] * self._script.begin_arity if phase is Phase.BEGIN else []
        answer = Answer(self._send, batch, self._outputs, name or phase.name.lower())
        if phase is Phase.END and self._watch is not None and (overlooked := self._watch.end()) is not None:
            answer.fail(0, "action", overlooked)
        self._cell.enter(phase, batch)
        if name is not None:
            calls = self._memory.end() if phase is Phase.END else iter((None,))
            try:
                for _ in calls:
                    self._collect(answer, 0, self._hook(name)(*arguments))
            except BaseException as exc:  # noqa: BLE001 -- the script may raise anything
                self._fail(answer, 0, exc)
        if phase is Phase.BEGIN:
            self._report_state(answer)
            if self._watch is not None:
                self._watch.begin()
            self._prepare_batches()
        else:
            self._predictors.report()
        self._cell.leave()
        answer.finish(1)

    def _report_state(self, answer: Answer) -> None:
        """Tell what of the state can be kept; what the script declares as state must be."""
        trials = try_state(self._module, self._script.state_names)
        self._send(pack_message(Kind.STATE, trials))
        for reason in self._memory.begin(trials):
            answer.fail(0, "action", answer.failed(0, reason))

    def _prepare_batches(self) -> None:
        """Have predictions wait for each other, if the script has something that predicts."""
        if not self._predictors.report():
            return
        if shared := self._shared_with_batches():
            print(  # noqa: T201 - the jet's console
                f"Predictions are not batched: a batched function uses {shared}, which records change;"
                " have them pass it as an argument.",
                file=sys.stderr,
            )
            return
        from engine.jet.batcher import Batcher  # greenlets, for those who need them

        is_keyed = bool(self._script.keys)
        self._batcher = Batcher(self._memory, self._cell, self._turn, self._resolve, self._explained, is_keyed=is_keyed)
        self._batcher.try_copies()
        set_answering(self._batcher)

    def _shared_with_batches(self) -> str:
        """Return a name that batched functions use, and that is state or changes; an empty one if none is."""
        kept = {trial.name for trial in try_state(self._module, self._script.state_names) if trial.refusal is None}
        return next((name for name in self._script.batched if name in kept or name in self._script.changing), "")

    def _ask_in_turn(self, message: list[Any]) -> bytes | None:
        """Ask the engine when all records before the one in work are done: what cells hold has an order."""
        if self._batcher is not None:
            self._batcher.await_turn()
        assert self._ask is not None  # noqa: S101 - it was looked at when this was handed on
        return self._ask(message)

    def _restore(self, body: memoryview) -> None:
        is_last, task, entries = unpack_message(body)
        if self._is_tasked and task not in self._restoring:
            self._memory.forget([task])
        has_failed = self._restoring.setdefault(task, False)
        if not has_failed:
            try:
                for key, name, value in entries:
                    self._memory.restore(task, key, name, value)
                if is_last:
                    n_keys = self._memory.finish_restore(task)
                    self._send(pack_message(Kind.RESTORED, {"task": task, "n_keys": n_keys}))
            except StateError as exc:
                if self._is_tasked:
                    self._memory.forget([task])
                self._restoring[task] = True  # one answer is enough, whatever still comes
                self._send(pack_message(Kind.FAILED, dump_error(exc)))
        if is_last:
            del self._restoring[task]

    def _forget(self, body: memoryview) -> None:
        tasks = unpack_message(body)
        for task in tasks:
            self._restoring.pop(task, None)
        self._memory.forget(tasks)

    def _commit(self, body: memoryview) -> None:
        frames = ChangedFrames(self._send, unpack_message(body))
        frames.finish(self._memory.commit(frames.put))

    def _report_predictors(self, _body: memoryview) -> None:
        self._predictors.report(is_asked=True)

    @staticmethod
    def _collect(answer: Answer, index: int, result: Any) -> None:
        if type(result) is GeneratorType:
            for item in result:
                answer.put(index, item)
        elif result is not None:
            answer.put(index, result)

    def _explained(self, answer: Answer, index: int, exc: BaseException) -> ActionFailed:
        """Return the error that says what the script raised on a record."""
        if isinstance(exc, ActionFailed):
            return exc
        return answer.failed(index, reason_of(exc), script_traceback(exc, self._path))

    def _fail(self, answer: Answer, index: int, exc: BaseException) -> None:
        """Drop what a record gave, and note why it failed."""
        if isinstance(exc, KeyboardInterrupt):  # Ctrl-C, when the script runs inline
            raise exc
        answer.drop(index)
        answer.fail(index, "action", self._explained(answer, index, exc))

    def _take(self, body: memoryview) -> None:
        """Score a batch, together with those behind it where that makes predictions of many records one."""
        batch = BatchFrame.unpack(body)
        self.is_awaited = batch.is_synchronous
        batcher = self._batcher
        if batcher is None or not batcher.is_useful or batch.is_careful:
            self._score(batch)
        elif len(batch.values) > 1 or batcher.is_patient:
            self._score_together([batch])
        else:  # one record gains nothing by a greenlet, unless others are there
            batches = self._behind()
            if batches:
                self._score_together([batch, *batches])
            else:
                self._score(batch)

    def _behind(self, wait_s: float = 0.0) -> list[BatchFrame]:
        return [BatchFrame.unpack(body) for body in self._more(wait_s)]

    def _score_together(self, batches: list[BatchFrame]) -> None:
        """Score batches and those that come meanwhile, so that their predictions can be made as one."""
        assert self._batcher is not None  # noqa: S101 - asked by who calls this
        careful: list[BatchFrame] = []

        def runs_of(batches: list[BatchFrame]) -> list[Run]:
            at = next((index for index, batch in enumerate(batches) if batch.is_careful), len(batches))
            careful.extend(batches[at:])
            return [run for batch in batches[:at] if (run := self._run(batch)) is not None]

        def more(wait_s: float) -> list[Run]:
            return [] if careful else runs_of(self._behind(wait_s))

        is_undoable = any(hook.is_halting for hook in self._hooks.values())
        self._is_halted |= self._batcher.score(runs_of(batches), more, is_undoable=is_undoable)
        for batch in careful:
            self._score(batch)

    def _run(self, batch: BatchFrame) -> Run | None:
        """Return what scores a batch; None if the jet has stopped."""
        if self._is_halted and not batch.is_synchronous:
            return None
        hook = self._hooks[batch.slot]
        return Run(batch, hook, Answer(self._send, batch.batch, self._outputs, hook.name, batch.slot, batch.first_seq))

    def _score(self, batch: BatchFrame) -> None:  # noqa: C901 - calls cost as much as what small actions do
        """Score a batch record by record."""
        if self._is_halted and not batch.is_synchronous:
            return
        hook, decode = self._hooks[batch.slot], self._readers[batch.slot]
        action, is_usual = hook.action, hook.arity == 1
        answer = Answer(self._send, batch.batch, self._outputs, hook.name, batch.slot, batch.first_seq)
        self._cell.enter(Phase.ACTION, batch.batch, batch.slot, batch.first_seq)
        self._memory.enter(batch.task)
        self._turn.begin(batch)
        words, at, put = self._cell.words, Cell.INDEX, answer.put
        number, numbers = answer.number, answer.numbers
        add, add_source = numbers.append, answer.number_sources.append
        values = self._batch_readers[batch.slot](batch.values)
        records: Sequence[Any] = batch.values if values is None else values
        n_done = len(records)
        for index, value in enumerate(records):
            if answer.size_bytes > FLUSH_BYTES:
                answer.send_part(index)
            words[at] = index
            if values is None:
                try:
                    value = decode(value)
                except DataError as exc:
                    answer.fail(index, "input", exc)
                    continue
            try:
                result = action(value) if is_usual else hook.call(value, batch.slot, batch.first_seq + index)
                # As `_collect`, whose call would cost as much as that of a small action.
                if type(result) is GeneratorType:
                    for item in result:
                        if type(item) is number and len(numbers) < MAX_NUMBERS:
                            add(item)
                            add_source(index)
                        else:
                            put(index, item)
                elif type(result) is number:
                    add(result)
                    add_source(index)
                elif result is not None:
                    put(index, result)
            except BaseException as exc:  # noqa: BLE001 -- the script may raise anything
                self._fail(answer, index, exc)
                if hook.is_halting and not batch.is_synchronous:
                    self._is_halted, n_done = True, index
                    break
        answer.finish(n_done, is_halted=self._is_halted and not batch.is_synchronous)
        self._turn.end()
        self._cell.leave()


def _check_protocol(spoken: int) -> None:
    if spoken != PROTOCOL_VERSION:
        raise ConfigError(f"The engine speaks version {spoken} of the channel, and its jet version {PROTOCOL_VERSION}.")
