"""A thread that sends the outputs of an HTTP stream, batch by batch and in order, until the peer has taken them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from engine import metrics
from engine.errors import DeliveryFailed, EngineError, PeerUnavailable
from engine.log import get_logger
from engine.transports import Outbox

log = get_logger(__name__)

FIRST_PAUSE_S = 0.1
"""Before a batch is sent for the second time: a peer that was just restarted may be there by then."""

LONGEST_PAUSE_S = 30.0
"""Between two times: half a minute after the peer is back, at the latest, it is noticed."""

CLOSE_S = 1.0
"""What a request gets that is under way at the end. The peer knows it by its key, should it come again."""


def pause_s(n_tries: int) -> float:
    """Return how long to wait after so many tries: twice as long each time, of which up to half is left to chance."""
    longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(n_tries - 1, 30))
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 -- so that many do not come at once; it is no secret


class Poster(Protocol):
    """What sends batches; `engine.streams.BatchPoster`."""

    @property
    def watermark(self) -> int | None:
        """The most records of a batch; None for any number."""

    def cut(self, values: Sequence[bytes]) -> list[bytes]:
        """Return the records of the first batch."""

    def post(self, values: Sequence[bytes], key: str) -> None:
        """Send a batch; raises `PeerUnavailable` or `DeliveryFailed`."""

    def close(self) -> None:
        """Let go of the connection."""


class Courier:
    """Empties an outbox into an HTTP address.

    Parameters
    ----------
    slot : int
        The output slot.
    outbox : Outbox
        Acknowledged as the peer takes batches. A batch ends where a commit ended, or earlier.
    poster : Poster
        Sends a batch; closed with this.
    key : str
        Each request's ``Idempotency-Key`` is this, a slash and the number of its first record. No other stream, of
        this or any other job, may ever have the same: a peer would take its outputs for a repetition of these.
    on_delivered : callable
        Called on the event loop with the number up to which the peer has taken the outputs.
    on_broken : callable
        Called on the event loop with the error after which nothing more is sent.
    pause_s : callable
        From a number of tries to the pause behind them.
    """

    def __init__(
        self,
        slot: int,
        outbox: Outbox,
        poster: Poster,
        key: str,
        *,
        on_delivered: Callable[[int], None],
        on_broken: Callable[[EngineError], None],
        pause_s: Callable[[int], float] = pause_s,
    ) -> None:
        self.slot = slot
        self.waits_for = ""
        """A sentence that says why outputs are not delivered, while they are not."""
        self.error: EngineError | None = None
        """Why nothing is sent any more."""
        self._outbox, self._poster, self._key, self._pause_s = outbox, poster, key, pause_s
        self._on_delivered, self._on_broken = on_delivered, on_broken
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._waiters: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Begin to send."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"courier-{self.slot}", daemon=True)
        self._thread.start()

    async def drained(self) -> None:
        """Wait until the peer has taken everything that is in the outbox; returns at once when it is closed.

        Raises
        ------
        EngineError
            Nothing is sent any more.
        """
        while not self._outbox.is_empty and not self._closing.is_set():
            if self.error is not None:
                raise self.error
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def close(self) -> None:
        """Send nothing more. What the peer did not take stays in the outbox, and in the store."""
        self._closing.set()
        self._outbox.close()
        self._wake()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, CLOSE_S)

    def _run(self) -> None:
        after = self._outbox.acknowledged_seq
        try:
            while self._outbox.wait(after) and not self._closing.is_set():
                values = self._next_batch(after)
                if not self._send(values, f"{self._key}/{after + 1}"):
                    return
                after += len(values)
                self._tell(partial(self._deliver, after))
        except EngineError as exc:
            self._tell(partial(self._break, exc))
        except Exception as exc:  # noqa: BLE001 -- a fault of this must stop the engine, not only this thread
            error = DeliveryFailed(f"slot {self.slot}", f"{type(exc).__name__}: {exc}")
            error.__cause__ = exc
            self._tell(partial(self._break, error))
        finally:
            self._poster.close()

    def _next_batch(self, after: int) -> list[bytes]:
        """Return what is sent in one request: the same in every process that has it to send."""
        end = next(end for end in self._outbox.ends if end > after)
        n_records = min(end - after, self._poster.watermark or end)
        return self._poster.cut([value for _, value in self._outbox.peek(after, n_records)])

    def _send(self, values: Sequence[bytes], key: str) -> bool:
        """Send a batch until it is taken; False when the courier is closed before that."""
        n_tries = 0
        while not self._closing.is_set():
            try:
                self._poster.post(values, key)
            except PeerUnavailable as exc:
                n_tries += 1
                metrics.count_resend(self.slot)
                if self.waits_for != str(exc):
                    self.waits_for = str(exc)
                    log.warning("delivery.waits", slot=self.slot, reason=str(exc))
                least_s = 0.0 if exc.retry_s is None else exc.retry_s
                self._closing.wait(max(least_s, self._pause_s(n_tries if exc.retry_s is None else 1)))
            else:
                if self.waits_for:
                    self.waits_for = ""
                    log.info("delivery.resumed", slot=self.slot, n_tries=n_tries)
                return True
        return False

    def _deliver(self, through: int) -> None:
        self._outbox.acknowledge(through)
        self._on_delivered(through)
        self._wake()

    def _break(self, error: EngineError) -> None:
        self.error = error
        self._on_broken(error)
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _tell(self, listener: Callable[[], None]) -> None:
        """Call the listener on the loop."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(listener)
