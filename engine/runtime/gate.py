"""Where requests bring records and fetch outputs: REST streams, and synchronous scores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from engine import metrics
from engine.errors import RetryAfter, StreamError, StreamTimeout
from engine.runtime.info import Outputs
from engine.runtime.intake import Intake
from engine.runtime.manifold import Manifold
from engine.runtime.outlet import Outlet
from engine.runtime.work import Work
from engine.transports import RestInbox, RestOutbox

LOOK_S = 0.05
"""How often a wait looks whether the outbox is full: then only the one who waits can make room."""


class Gate:
    """Puts records into the REST streams of a manifold, and takes outputs from them."""

    def __init__(self, manifold: Manifold) -> None:
        self._manifold = manifold

    def accept(self, slot: int, bodies: Sequence[bytes]) -> int:
        """Take the bodies of requests for an input; return how many records that is.

        Raises
        ------
        RetryAfter
            There is no room.
        StreamError
            No REST stream is attached to the slot.
        """
        _, inbox = self._input(slot)
        return inbox.put(*bodies)

    async def score(self, record: bytes, input_slot: int, output_slot: int, timeout_s: float) -> list[bytes]:
        """Score one record; see `Engine.score`."""
        intake, inbox = self._input(input_slot)
        if output_slot not in self._manifold.outlets:
            raise StreamError(f"No stream is attached to output slot {output_slot}.")
        started_s = time.perf_counter()
        loop = asyncio.get_running_loop()
        caller: asyncio.Future[list[bytes]] = loop.create_future()
        expiry = loop.call_later(timeout_s, _expire, caller, timeout_s)
        if self._manifold.calling_bytes > inbox.max_bytes:
            raise RetryAfter(1.0)
        intake.last_seq += 1
        metrics.count_records(input_slot, "accepted", 1)
        work = Work(intake, intake.last_seq, [record], caller=caller, output_slot=output_slot)
        self._manifold.score(work)
        try:
            return await caller
        except (StreamTimeout, asyncio.CancelledError):
            self._manifold.forget(work)
            raise
        finally:
            expiry.cancel()
            metrics.observe_score(time.perf_counter() - started_s)

    async def outputs(self, slot: int, after: int | None, limit: int | None, wait_s: float | None) -> Outputs:
        """Return what a REST output holds; see `Engine.outputs`."""
        outlet, outbox = self._output(slot)
        if after is not None:
            outbox.acknowledge(after)
        is_settled = not self._manifold.is_open or await self._settle(outbox, wait_s or 0.0)
        records = outbox.peek(after or 0, limit)
        values = [value for _, value in records]
        return Outputs(values, records[-1][0] if records else after or 0, outlet.is_eof and not values, is_settled)

    async def _settle(self, outbox: RestOutbox, wait_s: float) -> bool:
        """Wait until what was accepted is scored, and say so; not longer than `wait_s`, nor for a full outbox."""
        settled = asyncio.ensure_future(self._manifold.settled())
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + wait_s
        while not outbox.is_full and (left_s := give_up_s - loop.time()) > 0:
            if (await asyncio.wait([settled], timeout=min(left_s, LOOK_S)))[0]:
                return settled.exception() is None
        settled.cancel()
        return False

    def _input(self, slot: int) -> tuple[Intake, RestInbox]:
        intake = self._manifold.intakes.get(slot)
        if intake is None or intake.inbox is None:
            raise StreamError(f"No REST stream is attached to input slot {slot}.")
        return intake, intake.inbox

    def _output(self, slot: int) -> tuple[Outlet, RestOutbox]:
        outlet = self._manifold.outlets.get(slot)
        if outlet is None or not isinstance(outlet.sink, RestOutbox):
            raise StreamError(f"No REST stream is attached to output slot {slot}.")
        return outlet, outlet.sink


def _expire(caller: asyncio.Future[list[bytes]], timeout_s: float) -> None:
    if not caller.done():
        caller.set_exception(StreamTimeout("The record was not scored", timeout_s))
