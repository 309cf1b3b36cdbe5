"""A thread that writes a sink, fed from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol

from engine.errors import DeliveryFailed, EngineError
from engine.ports import Sink
from engine.streams import Stream

FULL_BYTES = 1 << 23
"""Outputs that wait for a slow sink before no more input is given to the model: 8 MiB."""

CLOSE_S = 5.0
"""What a sink gets at its end to take what it was given: longer than a disk takes to sync, and no trial of patience."""

_Task = list[bytes] | Callable[[], None] | None


class OutletOwner(Protocol):
    """Who is told; every call comes from the event loop."""

    def on_room(self) -> None:
        """Go on: the sink has caught up."""

    def on_broken(self, error: EngineError) -> None:
        """Stop: the sink failed."""


class Outlet:
    """An attached output stream.

    Parameters
    ----------
    slot : int
        Its slot.
    stream : Stream
        What was attached.
    sink : Sink
        Opened for it; closed by `close`.
    owner : OutletOwner
        Who is told.
    """

    def __init__(self, slot: int, stream: Stream, sink: Sink, owner: OutletOwner) -> None:
        self.slot, self.stream, self.sink = slot, stream, sink
        self.n_records = self.n_rejected = 0
        self.is_eof = self._is_closed = self._is_ended = False
        self._owner, self._loop = owner, asyncio.get_running_loop()
        self._tasks: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self.waiting_bytes = 0
        """What was put and is not written yet."""
        self._error: EngineError | None = None
        self._thread = threading.Thread(target=self._run, name=f"outlet-{slot}", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """The sink is behind."""
        return self.waiting_bytes > FULL_BYTES

    def put(self, values: list[bytes]) -> None:
        """Have the records written; never blocks."""
        self.waiting_bytes += sum(map(len, values))
        self.n_records += len(values)
        self._tasks.put(values)

    async def flush(self) -> None:
        """Wait until everything put so far is safe.

        Raises
        ------
        DeliveryFailed
            It is not.
        """
        await self._do(self.sink.flush)

    async def settle(self) -> None:
        """Wait until everything put so far was written, safe or not; raises as `flush`."""
        await self._do(lambda: None)

    async def close(self) -> None:
        """Flush, close the sink and end the thread; may be called twice.

        Raises
        ------
        DeliveryFailed
            As `flush`; also when the sink takes nothing more: it is closed then, and what it did not take is lost.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._do(self.sink.flush)
        except TimeoutError as exc:
            reason = f"it took nothing for {CLOSE_S:g} s, and what was scored since is lost"
            raise DeliveryFailed(f"slot {self.slot}", reason) from exc
        finally:
            self._is_ended = True
            self._tasks.put(None)
            await asyncio.to_thread(self.sink.close)  # wakes a write that blocks
            await asyncio.to_thread(self._thread.join)

    async def _do(self, action: Callable[[], object]) -> None:
        if self._is_ended:
            return
        done: asyncio.Future[None] = self._loop.create_future()

        def settle(error: EngineError | None) -> None:
            if not done.done():
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

        def task() -> None:
            if self._error is None:
                self._attempt(action)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(settle, self._error)

        self._tasks.put(task)
        await done

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except EngineError as exc:
            self._error = exc
        except Exception as exc:  # noqa: BLE001 -- a fault of a sink must stop the engine, not only this thread
            self._error = DeliveryFailed(f"slot {self.slot}", f"{type(exc).__name__}: {exc}")
            self._error.__cause__ = exc

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            if callable(task):
                task()
                continue
            was_broken = self._error is not None
            if not was_broken:
                self._attempt(partial(self.sink.write, task))
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                self._loop.call_soon_threadsafe(self._written, sum(map(len, task)), was_broken)

    def _written(self, size_bytes: int, was_broken: bool) -> None:
        was_full = self.is_full
        self.waiting_bytes -= size_bytes
        if self._error is not None and not was_broken and not self._is_closed:
            self._owner.on_broken(self._error)
        elif was_full and not self.is_full:
            self._owner.on_room()
