"""A jet under supervision: loaded, begun, fed, watched, and started again when it ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from engine import metrics
from engine.channel import (
    PROTOCOL_VERSION,
    BatchFrame,
    Kind,
    OutputFrame,
    load_error,
    pack_frame,
    pack_message,
    unpack_message,
)
from engine.errors import EngineError, LaunchFailed, ModelCrashed, ModelStalled
from engine.log import get_logger
from engine.registry import Model
from engine.runtime.dialogue import Dialogue
from engine.runtime.faults import raise_fault
from engine.runtime.flight import Flight
from engine.runtime.info import ConsoleLine, Figures
from engine.runtime.jet_events import JetOwner
from engine.runtime.launcher import Launcher
from engine.runtime.runner import Runner
from engine.runtime.saved import frames_of
from engine.runtime.supervision import Trials, Watch
from engine.runtime.work import Sent, Work
from engine.script import MESSAGE_KEY
from engine.settings import Settings
from engine.state.commits import SCRIPT, Entry
from engine.streams import Stream

if TYPE_CHECKING:
    from engine.runtime.intake import Intake
    from engine.runtime.lanes import Lane
    from engine.runtime.outlet import Outlet

log = get_logger(__name__)

STOP_S = 5.0
"""What a jet gets to end by itself before it is killed."""

_TELL_S = 1.0
"""What a jet gets to say what its predictors did."""


class JetStatus(enum.Enum):
    """What a jet is good for."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


class Jet:
    """One copy of a model.

    Parameters
    ----------
    number : int
        Counted from 1.
    launcher : Launcher
        Starts its runners.
    owner : JetOwner
        Who is told.
    """

    def __init__(self, number: int, launcher: Launcher, owner: JetOwner, settings: Settings) -> None:
        self.number, self.status = number, JetStatus.STARTING
        self.n_records = self.n_restarts = 0
        self.tasks: set[int] = set()
        """Those whose state it was given."""
        self.is_tasked = False
        """Whether it was set up to keep a state for every task."""
        self.kept: Mapping[str, tuple[int | None, str | None]] = {}
        """Of each name of the state, the packed size after ``begin()``, or why it cannot be kept."""
        self._launcher, self._owner = launcher, owner
        self._runner: Runner | None = None
        self._dialogue = Dialogue()
        self._has_told = asyncio.Event()
        self._restoring = asyncio.Lock()
        self._exited: asyncio.Future[int] | None = None
        self._flight = Flight()
        self._coded: dict[int, Stream] = {}
        self._last_batch = 0
        self._last_commit = 0
        self._n_asked = 0
        """Records that it had answered when it was asked last what its predictors did."""
        self._changed: list[Entry] = []
        self._failure: EngineError | None = None
        """Why the runner that was being started has ended."""
        self._is_renewed = False
        self._trials, self._watch = Trials(settings), Watch(number)
        self._stalled: ModelStalled | None = None
        self._is_heard = True
        self._task: asyncio.Task[None] | None = None

    @property
    def model(self) -> Model:
        """What it runs."""
        return self._launcher.model

    @property
    def is_inline(self) -> bool:
        """Whether it runs on the thread of the engine."""
        return self._launcher.is_inline

    def stream_of(self, slot: int) -> Stream:
        """Return the stream for which it codes the records of a slot."""
        return self._coded[slot]

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._runner.pid if self._runner is not None else None

    @property
    def is_ready(self) -> bool:
        """Whether it takes work."""
        return self.status is JetStatus.READY

    @property
    def is_settled(self) -> bool:
        """Whether it takes work, or never will again."""
        return self.status in (JetStatus.READY, JetStatus.STOPPED)

    @property
    def max_records(self) -> int:
        """How many records one batch to it may have."""
        return self._flight.max_records

    def has_room(self, size_bytes: int) -> bool:
        """Say whether a batch of this size may be submitted."""
        return self.status is JetStatus.READY and self._flight.has_room(size_bytes)

    @property
    def n_in_flight(self) -> int:
        """Batches under way."""
        return len(self._flight)

    def policy(self, slot: int) -> str:
        """Return what becomes of a record of the slot on which the script raises: stop, reject or skip."""
        return self._launcher.policy(slot)

    async def load(self) -> None:
        """Start a runner and have it import the script.

        Raises
        ------
        ModelError
            The script raised, or its process ended.
        """
        self._coded.clear()
        self.tasks.clear()
        self._stalled = self._failure = None
        self._is_renewed = False
        self._exited = asyncio.get_running_loop().create_future()
        runner = self._runner = await self._launcher.launch(self.number, self)
        if self.status is JetStatus.STOPPED:  # meanwhile
            runner.kill()
            await self._exited
            raise EngineError("The model was stopped.")
        script = self._launcher.model.script
        message = {"protocol": PROTOCOL_VERSION, "name": script.name, "source": script.source}
        self.is_tasked = self._owner.is_tasked
        message |= {"is_tasked": self.is_tasked, "is_watched": self._launcher.is_watched}
        await self._ask(pack_message(Kind.SETUP, message | {"path": str(self._launcher.script_path(self.number))}))

    async def reload(self) -> None:
        """Load once more, in another runner, before ``begin()``; raises as `load`."""
        if self._runner is not None and self._exited is not None:
            self._runner.kill()
            await self._exited
        await self.load()

    async def begin(self) -> list[OutputFrame]:
        """Call ``begin()`` and return what it gave.

        Raises
        ------
        ModelError
            It raised, or its process ended.
        """
        self.code_outputs()
        return await self._call(Kind.BEGIN)

    def make_ready(self) -> None:
        """Take work from now on.

        Raises
        ------
        ModelError
            Its process has ended since it was begun.
        """
        self._check_alive()
        if self.status is not JetStatus.STOPPED:
            self.status = JetStatus.READY

    def _check_alive(self) -> None:
        if self._runner is None:
            raise self._failure or EngineError("The model's process has ended.")

    async def restore(self, entries: Iterable[Entry], task: int = 0) -> int:
        """Give the script the state that was committed, in place of what ``begin()`` left; return how many keys it has.

        Batches of other tasks may be under way.

        Raises
        ------
        StateError
            It does not fit the script, or is damaged.
        ModelError
            The process ended.
        """
        async with self._restoring:
            self._check_alive()
            waiting = self._dialogue.restore()
            try:
                async for frame in frames_of(entries, task):
                    if self._runner is None or waiting.done():
                        break
                    self._send(frame)
                    await self._runner.drain()
                n_keys = await waiting
            except BaseException:
                if self.is_tasked:  # half of it may be there
                    self.forget([task])
                raise
            finally:
                self._dialogue.end_restore()
        self.tasks.add(task)
        self._owner.on_restored(n_keys)
        return n_keys

    def forget(self, tasks: Collection[int]) -> None:
        """Have the script drop the state of tasks, behind the batches that were submitted."""
        self.tasks.difference_update(tasks)
        self._send(pack_message(Kind.FORGET, sorted(tasks)))

    async def end(self) -> list[OutputFrame]:
        """Call ``end()`` and return what it gave; raises as `begin` does."""
        if self._task is not None and self.status is JetStatus.RESTARTING:
            await asyncio.wait([self._task])  # its last record ended it: there is still an end to call
        return await self._call(Kind.END)

    def code_outputs(self) -> None:
        """Have the jet encode as the streams ask that are attached to the output slots now."""
        for outlet in self._owner.outlets.values():
            self._code(outlet)

    def _code(self, end: Intake | Lane | Outlet) -> None:
        if self._coded.get(end.slot) is not end.stream:
            self._coded[end.slot] = end.stream
            self._send(pack_message(Kind.SLOT, self._launcher.coding(end.slot, end.stream)))

    def _send(self, frame: bytes) -> None:
        if self._runner is not None:
            self._runner.send(frame)

    async def _ask(self, frame: bytes, batch: int | None = None) -> list[OutputFrame]:
        self._check_alive()
        waiting = self._dialogue.ask(batch)
        self._send(frame)
        return await waiting

    async def _call(self, kind: Kind) -> list[OutputFrame]:
        self._last_batch += 1
        frames = await self._ask(pack_message(kind, self._last_batch), self._last_batch)
        failures = [failure for frame in frames for failure in frame.failures]
        if failures:
            raise failures[0].error
        return frames

    def submit(self, work: Work) -> None:
        """Send a batch; the answers come to the owner, in the order of the batches."""
        spans = work.spans(self.policy(work.slot)) if work.condemned else ((0, len(work.values)),)
        parts = [Sent(0, work, start, stop, 0) for start, stop in spans]
        work.n_open, work.is_done = len(parts), not parts
        for part in parts:
            self._send_part(part)

    def commit(self) -> None:
        """Ask for the state that has changed, as of behind the batches that were submitted; the owner gets it."""
        self._last_commit += 1
        self._changed = []
        self._send(pack_message(Kind.COMMIT, self._last_commit))

    def renew(self) -> None:
        """Start another runner, since the state that this one holds must not be committed; what it has is given up.

        One that is not ready gets the committed state in any case.
        """
        if self.status is JetStatus.READY and self._runner is not None:
            self.status, self._is_renewed = JetStatus.RESTARTING, True
            self._flight.land()
            self._runner.kill()

    def _send_part(self, part: Sent) -> None:
        work = part.work
        self._code(work.intake)
        self._last_batch += 1
        part.batch = self._last_batch
        values = work.values[part.start : part.stop]
        part.size_bytes = (
            work.size_bytes if len(values) == len(work.values) else sum(map(len, values)) + 4 * len(values)
        )
        self._flight.add(part)
        frame = BatchFrame(
            part.batch,
            work.slot,
            work.first_seq + part.start,
            values,
            work.caller is not None,
            task=work.task,
            is_careful=work.is_careful,
        )
        if work.labels is not None:
            frame.timestamps_ms = work.labels.timestamps_ms[part.start : part.stop]
            if self.model.script.keys.get(work.slot) == MESSAGE_KEY:
                frame.keys = work.labels.keys[part.start : part.stop]
        self._send(frame.pack())

    def on_frame(self, kind: Kind, body: memoryview) -> None:
        """Take what the script's side says."""
        if self._is_renewed:
            return
        if kind is Kind.OUTPUT:
            self._take(OutputFrame.unpack(body))
        elif kind is Kind.CHANGED:
            self._take_changes(unpack_message(body))
        elif kind is Kind.PREDICTORS:
            self._flight.is_batched = True
            self._owner.on_predictors(self, unpack_message(body))
            self._has_told.set()
        elif kind is Kind.ASK:
            self._owner.on_ask(self, unpack_message(body), self._reply)
        elif kind is Kind.STATE:
            self._note_state(unpack_message(body))
        else:
            message = unpack_message(body)
            if kind is Kind.LOADED:
                self._note_state(message["state"])
            self._dialogue.answer(kind, message)

    def _take_changes(self, message: dict[str, Any]) -> None:
        if message["number"] != self._last_commit:
            return
        self._changed += [Entry(SCRIPT, key, name, value, task) for task, key, name, value in message["entries"]]
        if not message["is_last"]:
            return
        for name, refusal in message["refusals"]:
            log.warning("state.refused", jet=self.number, name=name, reason=refusal)
            self.kept = {**self.kept, name: (None, refusal)}
        for event, fields in message["warnings"]:
            log.warning(event, jet=self.number, **fields)
        if message["failure"] is not None:
            self._owner.on_jet_broken(self, load_error(message["failure"]))
            return
        changed, self._changed = self._changed, []
        self._owner.on_changed(self, changed, Figures(message["n_keys"], message["n_live"], message["size_bytes"]))

    def _reply(self, value: bytes | None) -> None:
        self._send(pack_message(Kind.REPLY, [value]))

    def _note_state(self, trials: list[tuple[str, int | None, str | None]]) -> None:
        self.kept = {name: (size_bytes, refusal) for name, size_bytes, refusal in trials}

    def _take(self, frame: OutputFrame) -> None:
        if self._dialogue.take(frame):
            return
        work, n_settled = self._flight.answer(frame)
        self.n_records += n_settled
        metrics.add_action_time(n_settled, frame.action_ns / 1e9)
        self._trials.clear()
        self._owner.on_answer(work)

    def on_console(self, stream: str, text: str, record: tuple[int, int] | None) -> None:
        """Pass a printed line on."""
        slot, seq_no = record if record is not None else (None, None)
        self._owner.on_console(ConsoleLine(self.number, stream, text, slot, seq_no))

    def on_exit(self, exit_code: int) -> None:
        """Settle what the end of the runner means."""
        runner, self._runner = self._runner, None
        self._launcher.clean(self.number)
        self._owner.on_jet_ended(self)
        if self._exited is not None and not self._exited.done():
            self._exited.set_result(exit_code)
        if self.status is JetStatus.STOPPED or runner is None:
            self._give_up(EngineError("The model was stopped."))
            return
        error: EngineError = self._stalled or ModelCrashed(exit_code, runner.cell.describe())
        is_asked = self._dialogue.is_asked
        self._dialogue.fail(error)
        if is_asked:
            self._failure = error
            return
        if self.status is JetStatus.READY:
            self._settle_loss(runner, error, exit_code)
        elif not self._is_renewed:
            self._failure = error  # whoever starts it is told
            return
        self.status, is_renewed = JetStatus.RESTARTING, self._is_renewed
        self._task = asyncio.get_running_loop().create_task(self._restart(error, is_free=is_renewed))
        self._task.add_done_callback(raise_fault)

    def _settle_loss(self, runner: Runner, error: EngineError, exit_code: int) -> None:
        """Say what becomes of what the jet had in work."""
        self._watch.clear()
        log.error("jet.ended", jet=self.number, exit_code=exit_code, reason=str(error))
        n_condemned = self._flight.n_condemned
        self._flight.judge(runner.cell, error)
        if self._flight.n_condemned > n_condemned:  # one record less to fail on: that is progress
            self._trials.clear()
        self.status = JetStatus.RESTARTING
        if self._owner.on_jet_lost(self):
            self._flight.land()
            return
        for work in self._flight.cut(self.policy):
            self._owner.on_answer(work)

    def _give_up(self, error: EngineError) -> None:
        self._dialogue.fail(error)
        self._flight.give_up(error)

    async def _restart(self, error: EngineError, *, is_free: bool) -> None:
        """Start a runner until one is ready; `is_free` does not count the first as a trial."""
        while self.status is JetStatus.RESTARTING:
            if not is_free and not await self._trials.pause():
                self._owner.on_jet_broken(self, error)
                return
            is_free = False
            self.n_restarts += 1
            metrics.count_restart()
            log.info("jet.restart", jet=self.number, attempt=self._trials.n_vain)
            try:
                await self.load()
                await self.begin()  # what it gives was given before
                async for task, entries in self._owner.saved_state(self):
                    await self.restore(entries, task)
                self.make_ready()
            except (ModelCrashed, ModelStalled) as exc:
                error = exc
            except EngineError as exc:
                self._owner.on_jet_broken(self, exc)
                return
            except Exception as exc:  # noqa: BLE001 -- a task's exception is seen by nobody
                failure = LaunchFailed(self._launcher.model.script.name, f"{type(exc).__name__}: {exc}")
                self._owner.on_jet_broken(self, failure)
                return
        for part in self._flight.land():
            self._send_part(part)
        self._owner.on_ready()

    def listen(self, *, is_on: bool) -> None:
        """Take answers, or leave them in the pipe while there is no room for outputs."""
        self._is_heard = is_on
        if self._runner is not None:
            self._runner.listen(is_on=is_on)

    def watch(self, now_s: float) -> None:
        """Look at the record in work, against the time it may take, and ask what predictors did.

        Called a few times within that time, and at least once a second.
        """
        if self._runner is None:
            return
        if self._flight.is_batched and self.status is JetStatus.READY and self._n_asked != self.n_records:
            self._n_asked = self.n_records
            self._send(pack_frame(Kind.PREDICTORS))
        timeout_s = self._launcher.model.script.timeout_s
        stalled = self._watch.look(self._runner.cell, now_s, timeout_s, is_heard=self._is_heard)
        if stalled is not None:
            self._stalled = stalled
            self._runner.kill()

    async def ask_predictors(self) -> None:
        """Ask what predictors did, and wait until it is told: for a second, since a batch may be in work."""
        if not self._flight.is_batched or self.status is not JetStatus.READY:
            return
        self._has_told.clear()
        self._send(pack_frame(Kind.PREDICTORS))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_told.wait(), _TELL_S)

    async def stop(self, *, is_kill: bool = False) -> None:
        """End the runner: when it is through with what it has, or at once."""
        is_first = self.status is not JetStatus.STOPPED
        self.status = JetStatus.STOPPED
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._runner is None or self._exited is None:
            self._give_up(EngineError("The model was stopped."))
            return
        if is_kill or not is_first:
            self._runner.kill()
        else:
            self._runner.stop()
        done, _ = await asyncio.wait([self._exited], timeout=STOP_S)
        if not done:
            self._runner.kill()
            await self._exited
