"""One run of a model from its inputs' start to their end, in an engine of this process."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.cli.printing import counted, talk
from engine.cli.waiting import PATIENCE_S, waiting_for_brokers

if TYPE_CHECKING:
    from types import FrameType

    from engine.errors import EngineError
    from engine.registry import Model
    from engine.runtime import Engine
    from engine.runtime.info import ConsoleLine, EngineInfo
    from engine.settings import Settings
    from engine.state.commits import CommitLog, Fence, Reject
    from engine.streams import Stream

TICK_S = 0.1  # as often as a progress bar needs to be redrawn to look alive
N_REASONS = 5  # rejected records that a summary explains
N_REJECTS = 1000  # of earlier runs, that are passed over at once


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run.

    Parameters
    ----------
    settings : Settings
        Of the engine.
    model : Model
        The script with its schemas and attachments.
    streams : mapping of int to Stream
        For each slot.
    is_inline : bool
        In this process, for a debugger.
    name : str
        By which the store knows it.
    store : CommitLog, optional
        Keeps what a later run may go on with; closed at the end. By default nothing survives.
    is_resuming : bool
        Go on with what the store keeps.
    """

    settings: Settings
    model: Model
    streams: Mapping[int, Stream]
    is_inline: bool = False
    name: str = ""
    store: CommitLog | None = None
    is_resuming: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """Records that were read and written, and those that were bad, in or out."""

    n_in: int = 0
    n_out: int = 0
    n_rejected: int = 0


def counts_of(info: EngineInfo) -> Counts:
    """Return what the engine has counted, in earlier runs of the job too."""
    return Counts(
        sum(slot.n_records for slot in info.slots if slot.slot % 2 == 0),
        sum(slot.n_records for slot in info.slots if slot.slot % 2),
        sum(slot.n_rejected for slot in info.slots),
    )


def counts_before(job: Job, fence: Fence | None = None) -> Counts:
    """Return what earlier runs of the job have counted, if it goes on from `fence`; asked for before it does."""
    fence = fence or (job.store.fence if job.store is not None else None)
    if fence is None or not job.is_resuming:
        return Counts()
    # By slot: of several attachments to one, the last is what the engine goes on with.
    inputs = {place.slot: place for _, place in sorted(fence.inputs.items()) if place.slot in job.streams}
    outputs = {place.slot: place for _, place in sorted(fence.outputs.items()) if place.slot in job.streams}
    return Counts(
        sum(place.seq_no for place in inputs.values()),
        sum(place.seq_no for place in outputs.values()),
        sum(place.n_rejected for place in inputs.values()),
    )


@dataclass(frozen=True, slots=True)
class Done:
    """How a job went; `rejects` are the first few, and `before` is what earlier runs of it had counted."""

    info: EngineInfo
    error: EngineError | None
    seconds: float
    rejects: tuple[Reject, ...]
    before: Counts = Counts()

    @property
    def n_in(self) -> int:
        """Records read by this run."""
        return counts_of(self.info).n_in - self.before.n_in

    @property
    def n_out(self) -> int:
        """Records written by this run."""
        return counts_of(self.info).n_out - self.before.n_out

    @property
    def n_rejected(self) -> int:
        """Records of this run that were bad, in or out."""
        return counts_of(self.info).n_rejected - self.before.n_rejected

    def summary(self) -> str:
        """Return one sentence about it."""
        rate = self.n_in / self.seconds if self.seconds > 0 else 0.0
        return (
            f"{counted(self.n_in, 'record')} in, {self.n_out} out, {self.n_rejected} rejected, "
            f"in {self.seconds:.1f} s ({rate:,.0f} records/s)."
        )


def perform(
    job: Job,
    *,
    on_console: Callable[[ConsoleLine], None],
    on_start: Callable[[Sequence[str]], None] = lambda _promise: None,
    on_tick: Callable[[EngineInfo], None] = lambda _info: None,
) -> Done:
    """Run the job until every input has ended, or the engine is in ERROR.

    Parameters
    ----------
    job : Job
        What to run.
    on_console : callable
        Gets each line that the script prints.
    on_start : callable
        Gets what is promised, a sentence each, when every stream is attached.
    on_tick : callable
        Gets what the engine says of itself, ten times a second.

    Raises
    ------
    ModelError
        The script could not be set up.
    SchemaMismatch
        A stream's schema does not fit the model's.
    StateError
        What the store keeps is damaged, or does not fit the script or the streams any more.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; what was written until then is whole records.
    """
    before = signal.getsignal(signal.SIGINT)
    # Whoever ends a container says SIGTERM: a run that is ended so leaves its consumer group in order, too.
    terminate = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if before is signal.SIG_IGN:  # a job in the background of a shell script: SIGTERM has to get through all the same
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if job.is_inline:
        # The script holds the event loop, so that asyncio's way, to cancel a task, would wait for the whole batch.
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return asyncio.run(_perform(job, on_console, on_start, on_tick))
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, terminate)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


async def _perform(
    job: Job,
    on_console: Callable[[ConsoleLine], None],
    on_start: Callable[[Sequence[str]], None],
    on_tick: Callable[[EngineInfo], None],
) -> Done:
    from engine.runtime import Engine, EngineState
    from engine.runtime.collector import sparing_collector

    engine = Engine(
        job.settings,
        store=job.store,
        job=job.name,
        is_resuming=job.is_resuming,
        on_console=on_console,
        is_inline=job.is_inline,
    )
    is_interrupted = False
    try:
        last_reject = _last_reject(engine)
        with _telling_who_is_waited_for(job):
            await engine.foresee(job.model, job.streams)
        before = counts_before(job, engine.store.fence)
        await engine.load(job.model)
        started_s = time.perf_counter()
        # Outputs first: the engine starts with the last stream, and nothing is read before there is a place for it.
        for slot in sorted(job.streams, key=lambda slot: (slot % 2 == 0, slot)):
            await engine.attach(slot, job.streams[slot])
        on_start(engine.promise())
        end = asyncio.ensure_future(engine.wait(EngineState.FINISHED, EngineState.ERROR))
        try:
            with sparing_collector():
                while not (await asyncio.wait([end], timeout=TICK_S))[0]:
                    on_tick(engine.inspect())
        finally:
            end.cancel()
        info = engine.inspect()
        on_tick(info)
        rejects = engine.rejected(last_reject, N_REASONS)
        return Done(info, engine.error, time.perf_counter() - started_s, tuple(rejects), before)
    except asyncio.CancelledError:
        is_interrupted = True
        raise
    finally:
        await engine.close(is_at_once=is_interrupted)  # else what is read already would be scored first


@contextmanager
def _telling_who_is_waited_for(job: Job) -> Iterator[None]:
    """Say after a while whose answer is waited for, where that is brokers."""
    servers = next((stream.kafka.servers for stream in job.streams.values() if stream.kafka is not None), None)
    if servers is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(PATIENCE_S, talk, waiting_for_brokers(servers))
    try:
        yield
    finally:
        timer.cancel()


def _last_reject(engine: Engine) -> int:
    """Return the number of the last reject of earlier runs: they stay when a job begins anew."""
    number = 0
    while page := engine.rejected(number, N_REJECTS):
        number = page[-1].number
    return number
