"""Where requests bring records and fetch outputs: REST streams, and synchronous scores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import msgpack

from engine import metrics
from engine.channel import load_error
from engine.errors import RetryAfter, StoreFailed, StreamError, StreamTimeout
from engine.runtime.callers import Caller, Calls, Tell
from engine.runtime.info import Outputs
from engine.runtime.intake import Intake
from engine.runtime.journal import Journal
from engine.runtime.manifold import Manifold
from engine.runtime.outlet import Outlet
from engine.runtime.repeats import Repeats, RequestKey, request_key
from engine.runtime.work import Work
from engine.state.commits import Answer
from engine.transports import Outbox, RestInbox

LOOK_S = 0.05
"""How often a wait looks whether the outbox is full: then only the one who waits can make room."""

RETRY_S = 1.0
"""When a request that found no room should come again: the shortest that an HTTP Retry-After can say."""


class Gate:
    """Puts records into the REST streams of a manifold, and takes outputs from them."""

    def __init__(self, manifold: Manifold) -> None:
        self._manifold = manifold
        self._calls = Calls(manifold.forget)
        self._repeats = Repeats(manifold)
        self._journals: dict[int, Journal] = {}

    async def accept(self, slot: int, bodies: Sequence[bytes], key: str | None = None) -> int:
        """Take the bodies of a request for an input; see `Engine.accept`.

        Raises
        ------
        RetryAfter
            There is no room.
        StoreFailed
            They could not be kept; nothing of them is taken.
        StreamError
            No REST stream is attached to the slot.
        KeyReused
            The key came before, with something else.
        """
        if key is None:
            return await self._take(slot, bodies, None)
        request = request_key(key, f"input {slot}", bodies)
        answer = self._repeats.answer_of(request)
        if answer is not None:
            return int(msgpack.unpackb(answer.content))
        taken = self._repeats.find(request)
        if taken is None:
            # A task of its own: what is being kept is not stopped because the client goes away.
            taken = asyncio.ensure_future(self._take(slot, bodies, request))
            self._repeats.watch(request, taken)
        return int(await asyncio.shield(taken))

    async def _take(self, slot: int, bodies: Sequence[bytes], request: RequestKey | None) -> int:
        intake, inbox = self._input(slot)
        if intake.stream.descriptor.durable is False:
            n_records = inbox.put(inbox.split(bodies))
            if request is not None:
                self._repeats.remember(_answer(request, n_records))
        else:
            answer_for = partial(_answer, request) if request is not None else None
            try:
                n_records = await self._journal(intake, inbox).take(bodies, answer_for)
            except StoreFailed as exc:
                if exc.is_full:
                    raise RetryAfter(RETRY_S, str(exc)) from exc
                raise
        return n_records

    def _journal(self, intake: Intake, inbox: RestInbox) -> Journal:
        journal = self._journals.get(intake.slot)
        if journal is None or journal.inbox is not inbox:
            journal = self._journals[intake.slot] = Journal(intake, inbox, lambda: self._manifold.store)
        return journal

    def call(self, record: bytes, input_slot: int, output_slot: int, timeout_s: float, tell: Tell) -> None:
        """Score one record and tell what came of it; see `Engine.call`."""
        intake = self._scored(input_slot, output_slot)
        call = self._calls.begin(tell, timeout_s)
        try:
            call.work = self._submit(intake, record, output_slot, call)
        except BaseException:
            call.cancel()
            raise

    async def score(
        self, record: bytes, input_slot: int, output_slot: int, timeout_s: float, key: str | None = None
    ) -> list[bytes]:
        """Score one record; see `Engine.score`."""
        if key is None:
            return await self._score(record, input_slot, output_slot, timeout_s)
        started_s = time.perf_counter()
        try:
            return await self._score_once(record, input_slot, output_slot, timeout_s, key)
        finally:
            metrics.observe_score(time.perf_counter() - started_s)

    async def _score(self, record: bytes, input_slot: int, output_slot: int, timeout_s: float) -> list[bytes]:
        future: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

        def tell(outputs: list[bytes] | None, error: BaseException | None) -> None:
            if future.done():
                return
            if outputs is not None:
                future.set_result(outputs)
            elif error is not None:
                future.set_exception(error)

        intake = self._scored(input_slot, output_slot)
        call = self._calls.begin(tell, timeout_s)
        try:
            call.work = self._submit(intake, record, output_slot, call)
            return await future
        except asyncio.CancelledError:
            if call.work is not None:
                self._manifold.forget(call.work)
            raise
        finally:
            call.cancel()

    async def _score_once(
        self, record: bytes, input_slot: int, output_slot: int, timeout_s: float, key: str
    ) -> list[bytes]:
        request = request_key(key, f"score {input_slot} {output_slot}", [record])
        answer = self._repeats.answer_of(request)
        if answer is not None:
            return _load_answer(answer)
        caller = self._repeats.find(request)
        if caller is None:
            caller = asyncio.get_running_loop().create_future()
            self._submit(self._scored(input_slot, output_slot), record, output_slot, caller, request)
            self._repeats.watch(request, caller)
        # It is scored even when nobody waits any more: the same request will come again, and ask what came of it.
        if not (await asyncio.wait([caller], timeout=timeout_s))[0]:
            raise StreamTimeout("The record was not scored", timeout_s)
        outputs: list[bytes] = caller.result()
        return outputs

    def _scored(self, input_slot: int, output_slot: int) -> Intake:
        """Return the input of a record that is to be scored; raises unless it can be."""
        intake, inbox = self._input(input_slot)
        if output_slot not in self._manifold.outlets:
            raise StreamError(f"No stream is attached to output slot {output_slot}.")
        if self._manifold.calling_bytes > inbox.max_bytes:
            raise RetryAfter(RETRY_S)
        return intake

    def _submit(
        self, intake: Intake, record: bytes, output_slot: int, caller: Caller, request: RequestKey | None = None
    ) -> Work:
        intake.last_seq += 1
        metrics.count_records(intake.slot, "accepted", 1)
        work = Work(intake, intake.last_seq, [record], caller=caller, output_slot=output_slot, answer_key=request)
        self._manifold.score(work)
        return work

    async def outputs(self, slot: int, after: int | None, limit: int | None, wait_s: float | None) -> Outputs:
        """Return what a REST output holds; see `Engine.outputs`.

        Raises
        ------
        StreamError
            No REST stream is attached to the slot.
        AcknowledgedUnseen
            There was no output of the number `after`.
        """
        outlet, outbox = self._output(slot)
        if after is not None:
            outlet.acknowledge(after)
        is_settled = await self._settle(outbox, wait_s or 0.0)
        records = outbox.peek(after or 0, limit)
        values = [value for _, value in records]
        return Outputs(values, records[-1][0] if records else after or 0, outlet.is_eof and not values, is_settled)

    async def _settle(self, outbox: Outbox, wait_s: float) -> bool:
        """Wait until what was accepted is scored, and say so; not longer than `wait_s`, nor for a full outbox."""
        if self._is_settled:
            return True
        if not wait_s:
            return False
        settled = asyncio.ensure_future(self._manifold.settled())
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + wait_s
        while not outbox.is_full and (left_s := give_up_s - loop.time()) > 0:
            if (await asyncio.wait([settled], timeout=min(left_s, LOOK_S)))[0]:
                return settled.exception() is None
        settled.cancel()
        return False

    @property
    def _is_settled(self) -> bool:
        """Everything that was accepted and read until now is scored and committed, or nothing is being scored."""
        manifold = self._manifold
        if not manifold.is_open:
            return True
        return (
            manifold.is_still
            and manifold.ledger.is_clear
            and all(
                intake.position >= (intake.last_position if intake.inbox is None else intake.inbox.n_accepted)
                for intake in manifold.sources
            )
        )

    def _input(self, slot: int) -> tuple[Intake, RestInbox]:
        intake = self._manifold.intakes.get(slot)
        if intake is None or intake.inbox is None:
            raise StreamError(f"No REST stream is attached to input slot {slot}.")
        return intake, intake.inbox

    def _output(self, slot: int) -> tuple[Outlet, Outbox]:
        """Return what is attached to an output slot; of an input slot, what takes its rejects."""
        outlet, what = self._manifold.outlets.get(slot), f"output slot {slot}"
        if slot % 2 == 0:
            intake = self._manifold.intakes.get(slot)
            outlet, what = intake.rejects if intake is not None else None, f"the rejects of input slot {slot}"
        if outlet is None or outlet.outbox is None or outlet.stream.transport != "REST":
            raise StreamError(f"No REST stream is attached to {what}.")
        return outlet, outlet.outbox


def _answer(request: RequestKey, n_records: int) -> Answer:
    return Answer(request.key, request.digest, msgpack.packb(n_records), time.time())


def _load_answer(answer: Answer) -> list[bytes]:
    """Return the outputs that a score was answered with, or raise its error; see `Manifold`, which writes it."""
    content = msgpack.unpackb(answer.content)
    if content and isinstance(content[0], str):
        raise load_error(content)
    outputs: list[bytes] = content
    return outputs
