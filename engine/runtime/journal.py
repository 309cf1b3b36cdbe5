"""Requests on their way into the journal: those that come in one turn of the event loop are one write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from engine.runtime.intake import Intake
from engine.state.commits import Answer, CommitLog
from engine.transports import Parcel, RestInbox


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """What a request brought, and who waits until it is kept."""

    parcel: Parcel
    answer: Answer | None
    kept: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Journal:
    """Journals what requests bring to one input, and puts it into the inbox in the order in which it is kept.

    Parameters
    ----------
    intake : Intake
        The input.
    inbox : RestInbox
        Where its records wait.
    store : callable
        Returns where they are kept.
    """

    def __init__(self, intake: Intake, inbox: RestInbox, store: Callable[[], CommitLog]) -> None:
        self.inbox, self._number, self._store = inbox, intake.number, store
        self._is_synced = intake.stream.descriptor.durable == "disk"
        self._loop, self._turn = asyncio.get_running_loop(), asyncio.Lock()
        self._waiting: list[_Request] = []

    async def take(self, bodies: Sequence[bytes], answer_for: Callable[[int], Answer] | None = None) -> int:
        """Return how many records are in the bodies of a request, when they are kept.

        Parameters
        ----------
        bodies : sequence of bytes
            The bodies. A client that goes away takes nothing back.
        answer_for : callable, optional
            Returns the answer that is kept with so many records.

        Raises
        ------
        RetryAfter
            There is no room.
        StoreFailed
            They could not be kept.
        StreamError
            The inbox is closed, or the bodies cannot be split.
        """
        if not self.inbox.is_chunked:
            return await self._take(bodies, answer_for)
        # The next body may go on in the middle of a record: it has to wait until this one is kept, or is not.
        async with self._turn:
            return await self._take(bodies, answer_for)

    async def _take(self, bodies: Sequence[bytes], answer_for: Callable[[int], Answer] | None) -> int:
        parcel = self.inbox.split(bodies)
        n_records = len(parcel.values)
        request = _Request(parcel, answer_for(n_records) if answer_for is not None else None)
        self._waiting.append(request)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._flush)
        await request.kept
        return n_records

    def _flush(self) -> None:
        requests, self._waiting = self._waiting, []
        self._write(requests)

    def _write(self, requests: Sequence[_Request]) -> None:
        try:
            kept = self._store().append(
                self._number,
                [value for request in requests for value in request.parcel.values],
                pending=requests[-1].parcel.pending,
                answers=[request.answer for request in requests if request.answer is not None],
                is_synced=self._is_synced,
            )
        except Exception as exc:  # noqa: BLE001  whatever it was, those who wait must hear of it
            self._refuse(requests, exc)
        else:
            kept.add_done_callback(lambda kept: self._settle(requests, kept))

    def _settle(self, requests: Sequence[_Request], kept: Future[int]) -> None:
        """Put what was kept into the inbox; what was not is tried by itself: one of them may be what does not fit."""
        error = kept.exception()
        if error is None:
            for request in requests:
                self.inbox.put(request.parcel)
            self._tell(requests, None)
        elif len(requests) > 1 and not self.inbox.is_closed:
            for request in requests:
                self._on_loop(partial(self._write, [request]))
        else:
            self._refuse(requests, error)

    def _refuse(self, requests: Sequence[_Request], error: BaseException) -> None:
        for request in requests:
            self.inbox.give_back(request.parcel)
        self._tell(requests, error)

    def _tell(self, requests: Sequence[_Request], error: BaseException | None) -> None:
        def tell() -> None:
            for request in requests:
                if request.kept.done():
                    continue  # nobody waits any more
                if error is None:
                    request.kept.set_result(None)
                else:
                    request.kept.set_exception(error)

        self._on_loop(tell)

    def _on_loop(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(call)
