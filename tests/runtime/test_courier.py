"""Outputs reach a real HTTP server in this process, however it behaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DeliveryFailed, EngineError
from engine.runtime.courier import FIRST_PAUSE_S, LONGEST_PAUSE_S, Courier, pause_s
from engine.state.commits import Kept
from engine.streams import open_poster, parse_descriptor
from engine.streams.stream import resolve_stream
from engine.transports import Outbox
from tests.peer import Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


class Run:
    """A courier and what it told."""

    def __init__(self, peer: Peer, outbox: Outbox, pause: Callable[[int], float], **fields: Any) -> None:
        transport = {"Type": "HTTP", "Url": peer.url, "Timeout": fields.pop("Timeout", 30_000)}
        descriptor = parse_descriptor({"Transport": transport, "Encoding": "json", **fields})
        poster = open_poster(resolve_stream("hook", descriptor, lambda _: None), Path("/nowhere"))  # type: ignore[arg-type, return-value]
        self.delivered: list[int] = []
        self.broken: list[EngineError] = []
        self.pauses: list[int] = []
        self.courier = Courier(
            1,
            outbox,
            poster,
            "job.1/1",
            on_delivered=self.delivered.append,
            on_broken=self.broken.append,
            pause_s=lambda n_tries: self.pauses.append(n_tries) or pause(n_tries),  # type: ignore[func-returns-value]
        )


@asynccontextmanager
async def running(
    peer: Peer, outbox: Outbox, pause: Callable[[int], float] = lambda _: 0.0, **fields: Any
) -> AsyncIterator[Run]:
    run = Run(peer, outbox, pause, **fields)
    run.courier.start()
    try:
        yield run
    finally:
        await run.courier.close()


def test_a_batch_ends_where_a_commit_ended_and_at_the_watermark(peer: Peer) -> None:
    async def scenario() -> None:
        outbox = Outbox(1 << 20)
        outbox.publish([b"1", b"2", b"3"])
        outbox.publish([b"4"])
        async with running(peer, outbox, Batching={"Watermark": 2}) as run:
            await run.courier.drained()
            outbox.publish([b"5", b"6"])
            await run.courier.drained()
            assert run.delivered == [2, 3, 4, 6]
        assert outbox.is_empty

    asyncio.run(scenario())
    assert [(request.key, request.body) for request in peer.requests] == [
        ("job.1/1/1", b"1\n2\n"),
        ("job.1/1/3", b"3\n"),
        ("job.1/1/4", b"4\n"),
        ("job.1/1/5", b"5\n6\n"),
    ]


@pytest.mark.parametrize(
    "trouble", [[500], [503, 502], [429], [(429, {"Retry-After": "0"}, b"")], ["reset"], ["half", "reset", 408], [425]]
)
def test_a_batch_is_sent_again_with_the_same_bytes_and_key_until_it_is_taken(peer: Peer, trouble: list[Any]) -> None:
    peer.expect([*trouble, 200])

    async def scenario() -> None:
        outbox = Outbox(1 << 20)
        outbox.publish([b"1", b"2"])
        async with running(peer, outbox) as run:
            await run.courier.drained()
            assert (run.delivered, run.broken, run.courier.waits_for) == ([2], [], "")
            assert len(run.pauses) == len(trouble)

    asyncio.run(scenario())
    assert {(request.key, request.body) for request in peer.requests} == {("job.1/1/1", b"1\n2\n")}
    assert len(peer.requests) == len(trouble) + 1


def test_a_peer_that_hangs_is_asked_again(peer: Peer) -> None:
    peer.expect(["hang"])

    async def scenario() -> None:
        outbox = Outbox(1 << 20)
        outbox.publish([b"1"])
        async with running(peer, outbox, Timeout=50) as run:
            await run.courier.drained()
            assert run.delivered == [1]

    asyncio.run(scenario())
    assert [request.key for request in peer.requests] == ["job.1/1/1"] * 2


def test_what_is_waited_for_is_said_while_it_is(peer: Peer) -> None:
    peer.expect([503, (503, {}, b"in a minute")])
    seen: list[str] = []

    async def scenario() -> None:
        outbox = Outbox(1 << 20)
        outbox.publish([b"1"])
        run: Run
        async with running(peer, outbox, lambda _: seen.append(run.courier.waits_for) or 0.0) as run:  # type: ignore[func-returns-value]
            await run.courier.drained()

    asyncio.run(scenario())
    assert "it answered 503" in seen[0]
    assert "in a minute" in seen[1]


def test_a_refusal_breaks_the_stream_and_leaves_the_outputs_there(peer: Peer) -> None:
    peer.expect([200, (400, {}, b"no such field"), 200])

    async def scenario() -> None:
        outbox = Outbox(1 << 20)
        for value in (b"1", b"2", b"3"):
            outbox.publish([value])
        async with running(peer, outbox) as run:
            with pytest.raises(DeliveryFailed, match="it answered 400 Bad Request: no such field"):
                await run.courier.drained()
            assert (run.delivered, [str(error) for error in run.broken]) == ([1], [str(run.courier.error)])
        assert outbox.peek() == [(2, b"2"), (3, b"3")]

    asyncio.run(scenario())
    assert len(peer.requests) == 2


def test_a_courier_goes_on_with_the_batch_that_was_not_taken(peer: Peer) -> None:
    """The one of another process cut the same batches and gave them the same keys."""

    async def scenario() -> None:
        first = Outbox(1 << 20)
        first.publish([b"%d" % number for number in range(1, 6)])
        first.publish([b"6"])
        peer.expect([200, "hang"])
        async with running(peer, first, Batching={"Watermark": 2}):
            await asyncio.to_thread(peer.wait_for, 2)
            while first.acknowledged_seq < 2:
                await asyncio.sleep(0)
        again = Outbox(1 << 20, start=6)
        again.restore(Kept(3, [value for _, value in first.peek()], ends=first.ends))
        async with running(peer, again, Batching={"Watermark": 2}) as run:
            await run.courier.drained()

    asyncio.run(scenario())
    keys = [(request.key, request.body) for request in peer.requests]
    assert keys[1] == keys[2] == ("job.1/1/3", b"3\n4\n")
    assert keys[3:] == [("job.1/1/5", b"5\n"), ("job.1/1/6", b"6\n")]


def test_closing_does_not_wait_for_a_pause_nor_for_those_who_wait(peer: Peer) -> None:
    peer.expect([(503, {"Retry-After": "3600"}, b"")])

    async def scenario() -> None:
        outbox = Outbox(1 << 20)
        outbox.publish([b"1"])
        async with running(peer, outbox) as run:
            drained = asyncio.ensure_future(run.courier.drained())
            await asyncio.to_thread(peer.wait_for, 1)
            await run.courier.close()
            await drained
            assert run.delivered == []
        assert outbox.peek() == [(1, b"1")]

    asyncio.run(scenario())


def test_pauses_grow_to_half_a_minute_and_differ() -> None:
    for n_tries, longest_s in (
        (1, FIRST_PAUSE_S),
        (2, 2 * FIRST_PAUSE_S),
        (9, 25.6),
        (10, LONGEST_PAUSE_S),
        (10**6, 30.0),
    ):
        found = [pause_s(n_tries) for _ in range(100)]
        assert longest_s / 2 <= min(found) < max(found) <= longest_s
