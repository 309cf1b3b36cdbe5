"""Frames in, frames out: one copy of a script and the slots it reads and writes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from types import GeneratorType
from typing import Any, NamedTuple

from engine.channel import PROTOCOL_VERSION, BatchFrame, Cell, Kind, Phase, dump_error, pack_message, unpack_message
from engine.codecs import open_codec
from engine.compat import install_modules
from engine.errors import ActionFailed, ConfigError, DataError, EngineError, HookMissing, StateError
from engine.jet.answer import FLUSH_BYTES, Answer
from engine.jet.changes import ChangedFrames
from engine.jet.keeping import try_state
from engine.jet.keyed import KeyedMemory
from engine.jet.keys import key_reader
from engine.jet.loading import class_finder, import_script, reason_of, script_traceback
from engine.jet.memory import Memory, Resolve
from engine.jet.schemas import AskedSchemas
from engine.jet.turn import Turn
from engine.jet.unkeyed import ModuleMemory
from engine.jet.watch import Watch
from engine.ports import Codec
from engine.schema import parse_schema
from engine.script import MESSAGE_KEY, Script, callable_arity, inspect_script
from engine.sdk.clock import set_clock
from engine.sdk.sharing import Ask, connect
from engine.state import loaded_class


class _Input(NamedTuple):
    """An input slot, ready for records."""

    decode: Callable[[bytes], Any]
    action: Callable[..., Any]
    hook: str
    arity: int
    is_halting: bool


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
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        cell: Cell,
        ask: Ask | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._send, self._cell, self._ask, self._clock = send, cell, ask, clock
        self._turn = Turn(cell, clock)
        self._inputs: dict[int, _Input] = {}
        self._outputs: dict[int, Codec] = {}
        self._resolve: Resolve = loaded_class
        self._is_halted = False
        self._restoring: dict[int, bool] = {}
        """Tasks of which state is on its way back, and whether that has failed."""
        self._handlers: dict[Kind, Callable[[memoryview], None]] = {
            Kind.SETUP: self._set_up,
            Kind.SLOT: self._open_slot,
            Kind.BEGIN: lambda body: self._run_hook(Phase.BEGIN, unpack_message(body)),
            Kind.RESTORE: self._restore,
            Kind.BATCH: self._score,
            Kind.COMMIT: self._commit,
            Kind.FORGET: self._forget,
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

    def _set_up(self, body: memoryview) -> None:
        message = unpack_message(body)
        path = Path(message["path"])
        self._cell.enter(Phase.IMPORT)
        try:
            _check_protocol(message["protocol"])
            self._script: Script = inspect_script(message["source"], message["name"])
            self._path = path
            install_modules()
            connect(self._ask, lambda *names: self._resolve(*names))
            set_clock(self._turn.time_s)
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
            return ModuleMemory(self._module, script.state_names, resolve, is_tasked=self._is_tasked)
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
        decode: Callable[[bytes], Any] = codec.decode
        if isinstance(self._memory, KeyedMemory):
            path = self._script.keys[number]
            key_of = (lambda _: self._turn.key()) if path == MESSAGE_KEY else key_reader(path)
            decode = self._memory.reader(decode, key_of)
        self._inputs[number] = _Input(decode, action, self._script.slots[number].action or "action", arity, is_halting)

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
        self._cell.leave()
        answer.finish(1)

    def _report_state(self, answer: Answer) -> None:
        """Tell what of the state can be kept; what the script declares as state must be."""
        trials = try_state(self._module, self._script.state_names)
        self._send(pack_message(Kind.STATE, trials))
        for reason in self._memory.begin(trials):
            answer.fail(0, "action", answer.failed(0, reason))

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

    @staticmethod
    def _collect(answer: Answer, index: int, result: Any) -> None:
        if type(result) is GeneratorType:
            for item in result:
                answer.put(index, item)
        elif result is not None:
            answer.put(index, result)

    def _fail(self, answer: Answer, index: int, exc: BaseException) -> None:
        """Drop what a record gave, and note why it failed."""
        if isinstance(exc, KeyboardInterrupt):  # Ctrl-C, when the script runs inline
            raise exc
        answer.drop(index)
        if not isinstance(exc, ActionFailed):
            exc = answer.failed(index, reason_of(exc), script_traceback(exc, self._path))
        answer.fail(index, "action", exc)

    def _score(self, body: memoryview) -> None:
        batch = BatchFrame.unpack(body)
        if self._is_halted and not batch.is_synchronous:
            return
        decode, action, hook, arity, is_halting = self._inputs[batch.slot]
        answer = Answer(self._send, batch.batch, self._outputs, hook, batch.slot, batch.first_seq)
        self._cell.enter(Phase.ACTION, batch.batch, batch.slot, batch.first_seq)
        self._memory.enter(batch.task)
        self._turn.begin(batch)
        words, at, put = self._cell.words, Cell.INDEX, answer.put
        n_done = 0
        for index, raw in enumerate(batch.values):
            words[at] = index
            try:
                value = decode(raw)
            except DataError as exc:
                answer.fail(index, "input", exc)
            else:
                try:
                    if arity == 1:
                        result = action(value)
                    else:
                        result = action(value, *(batch.slot, batch.first_seq + index)[: arity - 1])
                    # As `_collect`, whose call would cost as much as that of a small action.
                    if type(result) is GeneratorType:
                        for item in result:
                            put(index, item)
                    elif result is not None:
                        put(index, result)
                except BaseException as exc:  # noqa: BLE001 -- the script may raise anything
                    self._fail(answer, index, exc)
                    if is_halting and not batch.is_synchronous:
                        self._is_halted = True
                        break
            n_done = index + 1
            if answer.size_bytes > FLUSH_BYTES:
                answer.send_part(n_done)
        answer.finish(n_done, is_halted=self._is_halted and not batch.is_synchronous)
        self._turn.end()
        self._cell.leave()


def _check_protocol(spoken: int) -> None:
    if spoken != PROTOCOL_VERSION:
        raise ConfigError(f"The engine speaks version {spoken} of the channel, and its jet version {PROTOCOL_VERSION}.")
