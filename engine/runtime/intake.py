"""A thread that reads a source, and hands its batches to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from engine.errors import EndOfStream, EngineError, StreamError
from engine.ports import Source
from engine.record import Batch
from engine.state.commits import InputFence
from engine.streams import BatchedSource, Stream
from engine.transports import RestInbox

if TYPE_CHECKING:
    from engine.runtime.outlet import Outlet

N_AHEAD = 2
"""Batches that are read before they are asked for: one is read while another is scored."""

POLL_S = 0.5
"""How long a read waits before it looks whether the intake was stopped, for a source whose close does not wake it."""

MAX_RECORDS = 2000
"""A frame's most: the channel costs 10 to 20 ns a record from here on."""


class IntakeOwner(Protocol):
    """Who takes the batches; every call comes from the event loop."""

    def on_batch(self, intake: Intake, batch: Batch) -> None:
        """Take a batch, and call `Intake.more` when the next one may come."""

    def on_end(self) -> None:
        """There will be no more batches of an intake."""

    def on_broken(self, error: EngineError) -> None:
        """Stop: the source failed."""


class Intake:
    """An attached input stream.

    Parameters
    ----------
    number : int
        Of the attachment.
    fence : InputFence
        Where it begins.
    stream : Stream
        What was attached.
    owner : IntakeOwner
        Who takes the batches.
    """

    task = 0
    """It has one part only."""

    def __init__(self, number: int, fence: InputFence, stream: Stream, owner: IntakeOwner) -> None:
        self.number, self.fence, self.stream = number, fence, stream
        self.source: Source | None = None
        """Opened for the stream, and closed by `stop`; None while only a model could say where its records end."""
        self.rejects: Outlet | None = None
        """Where its rejects go; None for the store's own log."""
        self.last_seq = fence.seq_no
        """Sequence number of the last record that came in."""
        self.last_position = fence.position
        """Where the source goes on behind what was read."""
        self.is_eof = self.is_stopped = False
        self._owner = owner
        self._loop: asyncio.AbstractEventLoop
        self._ahead = threading.Semaphore(N_AHEAD)
        self._thread: threading.Thread | None = None

    @property
    def slot(self) -> int:
        """Its slot."""
        return self.fence.slot

    @property
    def position(self) -> int:
        """Where the source goes on behind what is committed."""
        return self.fence.position

    @property
    def n_rejected(self) -> int:
        """How many of its records were rejected."""
        return self.fence.n_rejected

    @property
    def n_records(self) -> int:
        """How many records came in."""
        return self.last_seq

    @property
    def inbox(self) -> RestInbox | None:
        """Where requests put records; None unless this is a REST stream."""
        inner = self.source.inner if isinstance(self.source, BatchedSource) else None
        return inner if isinstance(inner, RestInbox) else None

    @property
    def is_over(self) -> bool:
        """Nothing more will be read."""
        return self.is_eof or self.is_stopped

    def start(self) -> None:
        """Begin to read."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"intake-{self.slot}", daemon=True)
        self._thread.start()

    def more(self) -> None:
        """Allow one more batch."""
        self._ahead.release()

    def _run(self) -> None:
        source = self.source
        assert source is not None  # noqa: S101 -- it was opened before the start
        try:
            while self._ahead.acquire() and not self.is_stopped:
                batch = Batch([], [])
                while not len(batch) and not self.is_stopped:
                    batch = source.read(MAX_RECORDS, POLL_S)
                if len(batch):
                    self._tell(partial(self._owner.on_batch, self, batch))
        except EndOfStream:
            self._tell(self._end)
        except EngineError as exc:
            self._tell(partial(self._owner.on_broken, exc))
        except Exception as exc:  # noqa: BLE001 -- a fault of a source must stop the engine, not only this thread
            error = StreamError(f"Input slot {self.slot}: {type(exc).__name__}: {exc}")
            error.__cause__ = exc
            self._tell(partial(self._owner.on_broken, error))

    def _end(self) -> None:
        self.is_eof = True
        self._owner.on_end()

    def _tell(self, listener: Callable[[], None]) -> None:
        """Call the listener on the loop, unless the intake was stopped meanwhile."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(lambda: None if self.is_stopped else listener())

    async def stop(self) -> None:
        """Close the source, and wait until its thread has let go of it."""
        self.is_stopped = True
        self._ahead.release()
        if self.source is not None:
            await asyncio.to_thread(self.source.close)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 2 * POLL_S)
