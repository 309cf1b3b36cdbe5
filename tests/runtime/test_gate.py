"""Records reach the inbox only when the journal has them, and a request that comes again is done once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from engine.channel import dump_error
from engine.errors import (
    AcknowledgedUnseen,
    KeyReused,
    RetryAfter,
    SchemaMismatch,
    StoreFailed,
    StreamError,
    StreamTimeout,
)
from engine.runtime.gate import Gate
from engine.runtime.outlet import Outlet
from engine.runtime.work import Work
from engine.state.commits import Answer, OutputFence
from engine.state.sqlite import SqliteStore
from engine.streams import Stream, open_sink, open_source, parse_descriptor

FULL = StoreFailed("/state/store", "disk full", is_full=True)
BROKEN = StoreFailed("/state/store", "Input/output error")


@dataclass
class FakeStore:
    """A store whose writes are done when a test says so, in order; `settle` does them."""

    waiting: deque[tuple[Future[int], Sequence[bytes], Sequence[Answer]]] = field(default_factory=deque)
    journal: list[tuple[int, list[bytes], bytes, bool]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    is_held: bool = False
    fails: StoreFailed | None = None
    unfit: bytes | None = None
    """The record that is why it fails; None for every record."""
    n_kept: int = 0

    def append(
        self,
        attachment: int,
        values: Sequence[bytes],
        *,
        pending: bytes = b"",
        answers: Sequence[Answer] = (),
        is_synced: bool = True,
    ) -> Future[int]:
        self.journal.append((attachment, list(values), pending, is_synced))
        future: Future[int] = Future()
        self.waiting.append((future, values, answers))
        if not self.is_held:
            self.settle()
        return future

    def settle(self) -> None:
        while self.waiting:
            future, values, answers = self.waiting.popleft()
            if self.fails is not None and (self.unfit is None or self.unfit in values):
                self.journal.pop(-1 - len(self.waiting))
                future.set_exception(self.fails)
                continue
            self.n_kept += len(values)
            self.answers |= {answer.key: answer for answer in answers}
            future.set_result(self.n_kept)

    def answer_of(self, key: str) -> Answer | None:
        return self.answers.get(key)

    def acknowledge(self, attachment: int, through: int) -> None:
        self.acknowledged.append((attachment, through))


class FakeManifold:
    """Streams on slots 0 and 1, and works that a test answers."""

    def __init__(self, **fields: Any) -> None:
        self.store = FakeStore()
        self.answers: dict[str, Answer] = {}
        stream = stream_of(**fields)
        source = open_source(stream, inbox_bytes=1000)
        self.inbox: Any = source.inner
        self.intakes = {
            0: SimpleNamespace(
                number=7, slot=0, stream=stream, inbox=self.inbox, last_seq=0, rejects=None, position=0, last_position=0
            )
        }
        self.outlets = {1: outlet_of(8, stream_of(), self)}
        self.calling_bytes, self.is_open, self.n_rooms = 0, False, 0
        self.is_still, self.ledger = True, SimpleNamespace(is_clear=True)
        self.works: list[Work] = []
        self.forgotten: list[Work] = []

    @property
    def sources(self) -> list[Any]:
        return list(self.intakes.values())

    def score(self, work: Work) -> None:
        self.works.append(work)

    def forget(self, work: Work) -> None:
        self.forgotten.append(work)

    def on_room(self) -> None:
        self.n_rooms += 1

    def give(self, work: Work, outputs: list[bytes] | Exception) -> None:
        """Answer a work as a manifold does."""
        caller = work.caller
        assert caller is not None
        if work.answer_key is not None:
            content = outputs if isinstance(outputs, list) else dump_error(outputs)  # type: ignore[arg-type]
            self.answers[work.answer_key[0]] = Answer(*work.answer_key, msgpack.packb(content), 0.0)
        if isinstance(outputs, list):
            caller.set_result(outputs)
        else:
            caller.set_exception(outputs)

    def commit(self) -> None:
        self.store.answers |= self.answers
        self.answers.clear()


def outlet_of(number: int, stream: Stream, owner: FakeManifold) -> Outlet:
    return Outlet(number, stream, open_sink(stream), OutputFence(1), owner)  # type: ignore[arg-type]


def stream_of(**fields: Any) -> Stream:
    return Stream("rest", parse_descriptor({"Transport": "REST", "Encoding": "json", **fields}), None)


CHUNKED = {"Transport": {"Type": "REST", "Mode": "chunked"}}


def run(scenario: Callable[[Gate, FakeManifold], Awaitable[None]], **fields: Any) -> None:
    async def main() -> None:
        manifold = FakeManifold(**fields)
        await scenario(Gate(manifold), manifold)  # type: ignore[arg-type]

    asyncio.run(main())


def taken(manifold: FakeManifold) -> list[bytes]:
    return list(manifold.inbox.read(100, 0.0).values)


async def turn() -> None:
    """Let everything that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("durable", "is_synced"), [("disk", True), ("process", False)])
def test_records_are_read_once_the_journal_has_them(durable: str, is_synced: bool) -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.is_held = True
        accepted = asyncio.ensure_future(gate.accept(0, [b"1", b"2"]))
        await turn()
        assert (taken(manifold), accepted.done()) == ([], False)
        manifold.store.settle()
        assert taken(manifold) == [b"1", b"2"]
        assert await accepted == 2
        assert manifold.store.journal == [(7, [b"1", b"2"], b"", is_synced)]

    run(scenario, Durable=durable)


def test_a_stream_that_is_not_durable_asks_no_journal() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        assert await gate.accept(0, [b"1"]) == 1
        assert (taken(manifold), manifold.store.journal) == ([b"1"], [])

    run(scenario, Durable=False)


def test_requests_that_come_together_are_one_write() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        bodies = {"k": [b"1", b"2"], "l": [b"3"], "m": [b"4"]}
        assert await asyncio.gather(*(gate.accept(0, body, key) for key, body in bodies.items())) == [2, 1, 1]
        assert manifold.store.journal == [(7, [b"1", b"2", b"3", b"4"], b"", True)]
        assert taken(manifold) == [b"1", b"2", b"3", b"4"]
        assert manifold.store.answers.keys() == bodies.keys()

    run(scenario)


def test_of_requests_that_come_together_only_what_cannot_be_kept_is_refused() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.fails, manifold.store.unfit = BROKEN, b"2"
        requests = [gate.accept(0, [b"1"]), gate.accept(0, [b"2"]), gate.accept(0, [b"3"])]
        answers = await asyncio.gather(*requests, return_exceptions=True)
        assert answers == [1, BROKEN, 1]
        assert taken(manifold) == [b"1", b"3"]
        manifold.store.fails = None
        assert await gate.accept(0, [b"x" * 600]) == 1  # no room is lost

    run(scenario)


def test_requests_come_in_the_order_of_the_journal_and_within_the_cap() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.is_held = True
        requests = [asyncio.ensure_future(gate.accept(0, [b"%d" % number * 100])) for number in range(1, 9)]
        await turn()
        refused = [request for request in requests if request.done()]
        assert [type(request.exception()) for request in refused] == [RetryAfter] * 2
        manifold.store.settle()
        assert taken(manifold) == [b"%d" % number * 100 for number in range(1, 7)]
        assert [await request for request in requests[:6]] == [1] * 6
        manifold.store.is_held = False
        assert await gate.accept(0, [b"9"]) == 1

    run(scenario)


@pytest.mark.parametrize(("failure", "error"), [(FULL, RetryAfter), (BROKEN, StoreFailed)])
@pytest.mark.parametrize("fields", [{}, CHUNKED])
def test_what_cannot_be_kept_is_not_taken_and_takes_no_room(
    failure: StoreFailed, error: type[Exception], fields: dict[str, Any]
) -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.fails = failure
        for _ in range(20):
            with pytest.raises(error):
                await gate.accept(0, [b"x" * 600])
        assert taken(manifold) == []
        manifold.store.fails = None
        await gate.accept(0, [b"1\n"])
        assert [value.strip() for value in taken(manifold)] == [b"1"]

    run(scenario, **fields)


def test_a_chunked_request_waits_until_the_one_before_it_is_kept_or_is_not() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.is_held = True
        first, second = (asyncio.ensure_future(gate.accept(0, [body])) for body in (b"1\n2", b"3\n4\n"))
        await turn()
        assert len(manifold.store.journal) == 1
        manifold.store.fails = FULL
        manifold.store.settle()
        await turn()
        with pytest.raises(RetryAfter):
            await first
        manifold.store.fails = None
        manifold.store.settle()
        assert await second == 2
        assert taken(manifold) == [b"3", b"4"]
        assert pending_of(manifold) == [b""]

    run(scenario, **CHUNKED)


def pending_of(manifold: FakeManifold) -> list[bytes]:
    return [pending for _, _, pending, _ in manifold.store.journal]


def test_what_a_chunked_body_begins_is_journaled() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        assert await gate.accept(0, [b"1"]) == 0
        assert await gate.accept(0, [b"2\n"]) == 1
        begun, ended = pending_of(manifold)
        assert (begun != b"", ended) == (True, b"")

    run(scenario, **CHUNKED)


def test_a_client_that_goes_away_takes_nothing_back() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.is_held = True
        for key in (None, "k"):
            accepted = asyncio.ensure_future(gate.accept(0, [b"1"], key))
            await turn()
            accepted.cancel()
            await turn()
            manifold.store.settle()
            assert taken(manifold) == [b"1"]

    run(scenario)


@pytest.mark.parametrize("durable", ["disk", "process", False])
def test_a_request_that_comes_again_is_taken_once_and_answered_alike(durable: Any) -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        for _ in range(3):
            assert await gate.accept(0, [b"1", b"2"], "k") == 2
        assert await gate.accept(0, [b"1", b"2"], "another") == 2
        assert await gate.accept(0, [b"1", b"2"]) == 2
        assert taken(manifold) == [b"1", b"2"] * 3

    run(scenario, Durable=durable)


def test_a_request_that_comes_again_while_it_is_kept_waits_for_it() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.is_held = True
        requests = [asyncio.ensure_future(gate.accept(0, [b"1"], "k")) for _ in range(3)]
        await turn()
        requests[0].cancel()
        await turn()
        manifold.store.settle()
        assert [await request for request in requests[1:]] == [1, 1]
        assert taken(manifold) == [b"1"]

    run(scenario)


def test_a_request_that_was_refused_may_come_again() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.fails = FULL
        with pytest.raises(RetryAfter):
            await gate.accept(0, [b"1"], "k")
        manifold.store.fails = None
        assert await gate.accept(0, [b"1"], "k") == 1
        assert taken(manifold) == [b"1"]

    run(scenario)


@pytest.mark.parametrize("bodies", [[b"2"], [b"1", b""], [], [b"1", b"1"]])
def test_a_key_with_another_request_is_refused(bodies: list[bytes]) -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.store.is_held = True
        first = asyncio.ensure_future(gate.accept(0, [b"1"], "k"))
        await turn()
        with pytest.raises(KeyReused, match="'k'"):
            await gate.accept(0, bodies, "k")
        manifold.store.settle()
        await first
        with pytest.raises(KeyReused):
            await gate.accept(0, bodies, "k")
        with pytest.raises(KeyReused):
            await gate.score(b"1", 0, 1, 1.0, "k")
        assert taken(manifold) == [b"1"]

    run(scenario)


@pytest.mark.parametrize("outcome", [[b"2"], [], [b"\x93", b""], SchemaMismatch("price", "a number", "'abc'")])
def test_a_score_that_is_asked_for_again_is_scored_once(outcome: Any) -> None:
    async def ask(gate: Gate) -> Any:
        try:
            return await gate.score(b"1", 0, 1, 30.0, "k")
        except SchemaMismatch as exc:
            return str(exc)

    expected = str(outcome) if isinstance(outcome, Exception) else outcome

    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        asked = [asyncio.ensure_future(ask(gate)) for _ in range(2)]
        await turn()
        [work] = manifold.works
        manifold.give(work, outcome)
        assert [await one for one in asked] == [expected] * 2
        assert await ask(gate) == expected
        manifold.commit()
        assert await ask(gate) == expected
        assert len(manifold.works) == 1
        with pytest.raises(KeyReused):
            await gate.score(b"2", 0, 1, 30.0, "k")

    run(scenario)


def test_a_score_that_took_too_long_is_there_for_the_same_request() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        with pytest.raises(StreamTimeout):
            await gate.score(b"1", 0, 1, 0.0, "k")
        assert manifold.forgotten == []
        again = asyncio.ensure_future(gate.score(b"1", 0, 1, 30.0, "k"))
        await turn()
        manifold.give(manifold.works[0], [b"2"])
        assert await again == [b"2"]
        assert len(manifold.works) == 1

    run(scenario)


def test_a_score_without_a_key_that_took_too_long_is_dropped() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        with pytest.raises(StreamTimeout):
            await gate.score(b"1", 0, 1, 0.0)
        assert manifold.forgotten == manifold.works

    run(scenario)


def test_a_score_that_the_engine_gave_up_may_be_asked_for_again() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        asked = asyncio.ensure_future(gate.score(b"1", 0, 1, 30.0, "k"))
        await turn()
        caller = manifold.works[0].caller
        assert caller is not None
        caller.set_exception(StreamError("The engine was reset."))
        with pytest.raises(StreamError, match="reset"):
            await asked
        again = asyncio.ensure_future(gate.score(b"1", 0, 1, 30.0, "k"))
        await turn()
        manifold.give(manifold.works[1], [b"2"])
        assert await again == [b"2"]

    run(scenario)


@pytest.mark.parametrize(("durable", "acknowledged"), [("disk", [(8, 2), (8, 3)]), (False, [])])
def test_outputs_that_are_acknowledged_are_forgotten_in_the_store_too(durable: Any, acknowledged: list[Any]) -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.outlets[1] = outlet = outlet_of(8, stream_of(Durable=durable), manifold)
        outlet.outbox.publish([b"a", b"b", b"c"])
        assert (await gate.outputs(1, None, 2, None)).values == [b"a", b"b"]
        for after, values in ((0, [b"a", b"b", b"c"]), (2, [b"c"]), (1, [b"c"]), (3, [])):
            assert (await gate.outputs(1, after, None, None)).values == values
        with pytest.raises(AcknowledgedUnseen, match="only 3 were given"):
            await gate.outputs(1, 9, None, None)
        outlet.outbox.publish([b"d"])
        assert (await gate.outputs(1, 3, None, None)).values == [b"d"]
        assert (manifold.store.acknowledged, manifold.n_rooms) == (acknowledged, 2)

    run(scenario)


async def is_settled(gate: Gate) -> bool:
    return (await gate.outputs(1, None, None, None)).is_settled


def test_without_a_wait_it_is_said_whether_all_is_scored_and_committed() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.is_open = True
        assert await is_settled(gate)
        assert await gate.accept(0, [b"1", b"2"]) == 2
        assert not await is_settled(gate)  # accepted, not read
        assert len(taken(manifold)) == 2
        assert not await is_settled(gate)  # read, not committed
        manifold.intakes[0].position = 2
        assert await is_settled(gate)
        manifold.is_still = False
        assert not await is_settled(gate)
        manifold.is_still, manifold.ledger.is_clear = True, False
        assert not await is_settled(gate)
        manifold.is_open = False
        assert await is_settled(gate)  # nothing is being scored

    run(scenario)


def test_without_a_wait_a_file_that_is_read_counts_up_to_where_it_is() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.is_open, source = True, manifold.intakes[0]
        source.inbox, source.last_position = None, 5
        assert not await is_settled(gate)
        source.position = 5
        assert await is_settled(gate)

    run(scenario)


def test_the_rejects_of_an_input_are_read_at_its_slot() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        with pytest.raises(StreamError, match="rejects of input slot 0"):
            await gate.outputs(0, None, None, None)
        manifold.intakes[0].rejects = outlet = outlet_of(9, stream_of(), manifold)
        outlet.outbox.publish([b"bad"])
        assert (await gate.outputs(0, None, None, None)).values == [b"bad"]

    run(scenario)


def test_what_an_http_stream_has_to_send_is_not_for_readers() -> None:
    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        manifold.outlets[1] = outlet_of(8, stream_of(Transport={"Type": "HTTP", "Url": "http://host/"}), manifold)
        with pytest.raises(StreamError, match="No REST stream is attached to output slot 1"):
            await gate.outputs(1, None, None, None)

    run(scenario)


def test_the_inbox_and_a_real_journal_have_the_same_records_in_the_same_order(tmp_path: Path) -> None:
    bodies = [b"%d" % number * (1 + number % 7) for number in range(400)]

    async def scenario(gate: Gate, manifold: FakeManifold) -> None:
        store: Any = SqliteStore(tmp_path / "job")
        manifold.store = store
        manifold.inbox.max_bytes = 1 << 20
        requests = []
        for number, body in enumerate(bodies):
            requests.append(asyncio.ensure_future(gate.accept(0, [body], f"key {number}" if number % 3 else None)))
            if number % 50 == 0:
                await requests[0]
        assert await asyncio.gather(*requests) == [1] * len(bodies)
        batch = manifold.inbox.read(1000, 0.0)
        assert sorted(batch.values) == sorted(bodies)
        assert await gate.accept(0, [bodies[1]], "key 1") == 1
        store.close()
        again = SqliteStore(tmp_path / "job")
        kept = again.inputs(7)
        assert (kept.first_seq, kept.values) == (1, batch.values)
        assert list(batch.positions) == list(range(1, 401))
        again.close()

    run(scenario)
