"""An attached output stream: outputs come to it a commit at a time."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from engine.errors import DeliveryFailed, EngineError
from engine.ports import Sink
from engine.record import Labels
from engine.runtime.courier import Courier
from engine.state.commits import CommitLog, OutputFence
from engine.streams import BatchPoster, Stream
from engine.transports import Outbox

CLOSE_S = 5.0
"""What a sink gets at its end to take what it was given: longer than a disk takes to sync, and no trial of patience."""


class OutletOwner(Protocol):
    """Who is told; every call comes from the event loop."""

    @property
    def store(self) -> CommitLog:
        """Where outputs are kept until they are acknowledged."""

    def on_room(self) -> None:
        """Go on: somebody has taken outputs away."""

    def on_broken(self, error: EngineError) -> None:
        """Stop: the other side will not take the outputs."""


class Outlet:
    """What was attached to an output slot, or takes the rejects of an input.

    Parameters
    ----------
    number : int
        Of the attachment.
    stream : Stream
        What was attached.
    sink : Sink or Outbox
        Opened for it; closed by `close`. A sink gets a thread of its own; an outbox is filled when the outputs are
        kept in the store.
    poster : BatchPoster, optional
        Sends what comes into the outbox.
    fence : OutputFence
        Where it begins.
    owner : OutletOwner
        Who is told.
    job : str
        What no other job has ever been called, for whoever has to know an output again.
    """

    def __init__(
        self,
        number: int,
        stream: Stream,
        sink: Sink | Outbox,
        fence: OutputFence,
        owner: OutletOwner,
        job: str = "",
        poster: BatchPoster | None = None,
    ) -> None:
        self.number, self.stream, self.fence = number, stream, fence
        self._owner, self._job, self._poster = owner, job, poster
        self._courier: Courier | None = None
        self._n_acknowledged = 0
        self.sink = None if isinstance(sink, Outbox) else sink
        self.outbox = sink if isinstance(sink, Outbox) else None
        self.is_eof = self._is_closed = self._is_ended = False
        self.n_rejected = 0
        self._loop = asyncio.get_running_loop()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"outlet-{self.slot}", daemon=True)

    def start(self) -> None:
        """Begin to take outputs."""
        if self.sink is not None:
            self._thread.start()
        elif self.outbox is not None and self._poster is not None:
            self._courier = Courier(
                self.slot,
                self.outbox,
                self._poster,
                f"{self._job}/{self.number}",
                on_delivered=self.acknowledge,
                on_broken=self._break,
            )
            self._courier.start()

    @property
    def slot(self) -> int:
        """Its slot."""
        return self.fence.slot

    @property
    def n_records(self) -> int:
        """How many records were written for good."""
        return self.fence.seq_no

    @property
    def is_full(self) -> bool:
        """Nothing more can be put there until readers have acknowledged some."""
        return self.outbox is not None and self.outbox.is_full

    @property
    def is_journaled(self) -> bool:
        """Whether the store keeps its outputs until they are acknowledged."""
        return self.outbox is not None and (self.stream.transport == "HTTP" or bool(self.stream.descriptor.durable))

    @property
    def n_left(self) -> int:
        """How many outputs wait to be taken by somebody."""
        return self.outbox.last_seq - self.outbox.acknowledged_seq if self.outbox is not None else 0

    @property
    def trouble(self) -> str:
        """Why outputs are not taken by the other side, while they are not."""
        return self._courier.waits_for if self._courier is not None else ""

    @property
    def wants_labels(self) -> bool:
        """Whether its sink takes what records carry beside their values."""
        return self.sink is not None and self.sink.wants_labels

    async def write(self, values: list[bytes], labels: Labels | None = None) -> None:
        """Hand records to the sink, with what they carry, where it wants that.

        Raises
        ------
        CommitAborted
            What was written since the last commit will never be seen.
        DeliveryFailed
            It did not take them; nothing written since the last `flush` counts.
        """
        if self.sink is not None:
            sink = self.sink
            await self._do(lambda: sink.write(values, labels))

    async def flush(self, n_records: int) -> OutputFence:
        """Make what was written safe, and return the fence behind these records; raises as `write`."""
        if self.sink is None:
            position = self.fence.position + n_records
        else:
            position = await self._do(self.sink.flush)
        return replace(self.fence, position=position, seq_no=self.fence.seq_no + n_records, identity=self._identity)

    async def cut(self) -> None:
        """Take away what was written behind the fence; raises `DeliveryFailed`."""
        if self.sink is not None:
            sink, position = self.sink, self.fence.position
            await self._do(lambda: sink.cut(position))

    @property
    def _identity(self) -> str:
        return self.sink.identity if self.sink is not None else ""

    def _break(self, error: EngineError) -> None:
        if not self._is_closed:
            self._owner.on_broken(error)

    def acknowledge(self, through: int) -> None:
        """Forget outputs up to and with a sequence number: whoever they were for has them."""
        if self.outbox is None or self._is_closed:
            return
        through = self.outbox.acknowledge(through)
        if through > self._n_acknowledged:
            self._n_acknowledged = through
            if self.is_journaled:
                self._owner.store.acknowledge(self.number, through)
            self._owner.on_room()

    async def delivered(self) -> None:
        """Wait until the other side has taken what is pushed to it; raises `DeliveryFailed`."""
        if self._courier is not None:
            await self._courier.drained()

    async def close(self) -> None:
        """Close the sink and end the thread; may be called twice.

        Raises
        ------
        DeliveryFailed
            The sink takes nothing more: it is closed then.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._courier is not None:
            await self._courier.close()
        if self.outbox is not None:
            self.outbox.close()
        if self.sink is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._do(self.sink.flush)
        except TimeoutError as exc:
            raise DeliveryFailed(f"slot {self.slot}", f"it took nothing for {CLOSE_S:g} s") from exc
        finally:
            self._is_ended = True
            self._tasks.put(None)
            await asyncio.to_thread(self.sink.close)  # wakes a write that blocks
            await asyncio.to_thread(self._thread.join)

    async def _do(self, action: Callable[[], int | None]) -> int:
        if self._is_ended:
            raise DeliveryFailed(f"slot {self.slot}", "it is closed")
        done: asyncio.Future[int] = self._loop.create_future()

        def settle(result: int | None, error: EngineError | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(result or 0)
            else:
                done.set_exception(error)

        def task() -> None:
            result, error = self._attempt(action)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(settle, result, error)

        self._tasks.put(task)
        return await done

    def _attempt(self, action: Callable[[], int | None]) -> tuple[int | None, EngineError | None]:
        try:
            return action(), None
        except EngineError as exc:
            return None, exc
        except Exception as exc:  # noqa: BLE001 -- a fault of a sink must stop the engine, not only this thread
            error = DeliveryFailed(f"slot {self.slot}", f"{type(exc).__name__}: {exc}")
            error.__cause__ = exc
            return None, error

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
