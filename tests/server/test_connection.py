"""Scores that are answered from within a connection's callbacks: HTTP as it may come, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgpack
import pytest
import uvicorn

from engine.errors import RetryAfter, SchemaMismatch, StreamTimeout
from engine.registry import Library
from engine.server.app import build_app
from engine.server.connection import Scores, connections
from engine.server.records import RECORDS_TYPE
from engine.settings import Settings
from engine.streams import Stream, parse_descriptor
from tests.server.fake_engine import FakeEngine

LIMIT_S = 10.0
POST = b"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def request(body: bytes, more: bytes = b"", path: bytes = b"/score") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%bContent-Length: %d\r\n\r\n%b" % (path, more, len(body), body)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next response."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), LIMIT_S)).decode()
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(status.split()[1]), headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def is_closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(1), LIMIT_S) == b""


class Serving:
    """A server in this loop."""

    def __init__(self, engine: FakeEngine, app: Any, server: uvicorn.Server, port: int) -> None:
        self.engine, self.app, self.server, self._port = engine, app, server, port

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not is_so():
                await asyncio.sleep(0)


Scenario = Callable[[Serving], Awaitable[None]]
Run = Callable[[Scenario], None]


@pytest.fixture
def keep_alive_s() -> float:
    return 75.0


@pytest.fixture
def run(engine: FakeEngine, library: Library, settings: Settings, keep_alive_s: float) -> Run:
    """Run a scenario against a server that has connections as `engine serve` has them."""
    engine.streams.update({slot: Stream("rest", parse_descriptor({"Transport": "REST", "Encoding": "json"}), None)
                           for slot in (0, 1)})  # fmt: skip

    async def serve(scenario: Scenario) -> None:
        app: Any = build_app(engine, library, settings, is_local_only=True)  # type: ignore[arg-type]  # has its verbs
        config = uvicorn.Config(
            app,
            http=connections(Scores(app)),
            lifespan="off",
            log_config=None,
            timeout_keep_alive=keep_alive_s,  # type: ignore[arg-type]  # what asyncio takes
        )
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config.load()
            server.lifespan = config.lifespan_class(config)
            await server.startup(sockets=[listener])
            await server.on_tick(0)
            await scenario(Serving(engine, app, server, listener.getsockname()[1]))
            await server.shutdown()

    return lambda scenario: asyncio.run(serve(scenario))


def n_called(engine: FakeEngine, verb: str) -> int:
    return [name for name, *_ in engine.calls].count(verb)


def test_a_score_looks_like_one_that_came_through_the_application(run: Run) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(request(b"21"))
            status, headers, body = await client.receive()
            client.send(request(b"21", b"Idempotency-Key: k\r\n"))
            other = await client.receive()
        assert (status, body) == (200, b"42")
        assert headers.pop("date")
        other[1].pop("date")
        assert (status, headers, body) == other
        assert [name for name, *_ in serving.engine.calls] == ["call", "score"]

    run(scenario)


def test_a_connection_is_used_again(run: Run) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            for number in range(5):
                client.send(request(b"%d" % number))
                assert (await client.receive())[2] == b"%d" % (2 * number)
            client.send(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert (await client.receive())[0] == 200

    run(scenario)


def test_the_query_says_slots_and_time(run: Run) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(request(b"1", path=b"/predict?input=2&output=3&timeout=2s"))
            await client.receive()
            client.send(request(b"1", path=b"/score?inputs=2"))
            assert (await client.receive())[0] == 400
        assert serving.engine.calls == [("call", b"1", 2, 3, 2.0)]

    run(scenario)


def test_no_output_is_204_and_several_are_a_list(run: Run, engine: FakeEngine) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            engine.answers = []
            client.send(request(b"1"))
            status, headers, _ = await client.receive()
            assert (status, headers["engine-records"], "content-length" in headers) == (204, "0", False)
            engine.answers = [b"1", b"2"]
            client.send(request(b"1"))
            assert (await client.receive())[2] == b"[1,2]"
            client.send(request(b"1", b"Accept: %b\r\n" % RECORDS_TYPE.encode()))
            _, headers, body = await client.receive()
            assert (headers["content-type"], msgpack.unpackb(body)) == (RECORDS_TYPE, [b"1", b"2"])

    run(scenario)


@pytest.mark.parametrize(
    ("error", "status"),
    [(SchemaMismatch("", "double", "string"), 422), (StreamTimeout("It", 1.0), 504), (RuntimeError("hunter2"), 500)],
)
@pytest.mark.parametrize("verb", ["call", "score"])
def test_an_error_is_a_problem_and_the_connection_goes_on(
    run: Run, engine: FakeEngine, verb: str, error: Exception, status: int
) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            engine.fails[verb] = error
            client.send(request(b"1"))
            found, headers, body = await client.receive()
            assert (found, headers["content-type"]) == (status, "application/problem+json")
            assert b"hunter2" not in body
            engine.fails.clear()
            client.send(request(b"1"))
            assert (await client.receive())[2] == b"2"

    run(scenario)


def test_who_finds_no_room_is_told_when_to_come_again(run: Run, engine: FakeEngine) -> None:
    engine.fails["call"] = RetryAfter(2.0)

    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(request(b"1"))
            status, headers, _ = await client.receive()
            assert (status, headers["retry-after"]) == (503, "2")

    run(scenario)


@pytest.mark.parametrize(
    "header", [b"Host: example.org\r\n", b"Host: localhost\r\nOrigin: http://example.org\r\n",
               b"Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", b""]
)  # fmt: skip
def test_what_was_meant_for_somebody_else_is_refused(run: Run, header: bytes) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(b"POST /score HTTP/1.1\r\n" + header + b"Content-Length: 1\r\n\r\n1")
            assert (await client.receive())[0] == 403
        assert serving.engine.calls == []

    run(scenario)


@pytest.mark.parametrize("n_at_once", [1, 7])
def test_a_request_may_come_in_pieces(run: Run, n_at_once: int) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            for data in (request(b"21"), POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n2\r\n1\r\n1\r\n0\r\n\r\n"):
                for start in range(0, len(data), n_at_once):
                    client.send(data[start : start + n_at_once])
                    await client.writer.drain()
                    await asyncio.sleep(0)
                assert (await client.receive())[2] == b"42"

    run(scenario)


def test_a_body_may_come_in_chunks_at_once(run: Run) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n2\r\n1\r\n1\r\n0\r\n\r\n")
            assert (await client.receive())[2] == b"42"
        assert n_called(serving.engine, "call") == 1

    run(scenario)


def test_nothing_is_scored_before_the_engine_is_awake(run: Run) -> None:
    async def scenario(serving: Serving) -> None:
        serving.app.waits_for = "The brokers do not answer."
        async with serving.client() as client:
            client.send(request(b"21"))
            status, _, body = await client.receive()
            assert (status, b"brokers" in body, serving.engine.calls) == (503, True, [])
            serving.app.waits_for = ""
            client.send(request(b"21"))
            assert (await client.receive())[2] == b"42"

    run(scenario)


def test_who_expects_to_be_told_to_go_on_is_told(run: Run) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert (await client.receive())[0] == 100
            client.send(b"21")
            assert (await client.receive())[2] == b"42"

    run(scenario)


@pytest.mark.parametrize("middle", [b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", request(b"2")])
@pytest.mark.parametrize("is_slow", [True, False])
def test_requests_that_do_not_wait_for_answers_get_them_in_order(
    run: Run, engine: FakeEngine, middle: bytes, is_slow: bool
) -> None:
    async def scenario(serving: Serving) -> None:
        engine.is_slow = is_slow
        async with serving.client() as client:
            client.send(request(b"1") + middle + request(b"3"))
            if is_slow:
                await serving.until(lambda: bool(engine.tells))
                engine.is_slow = False
                engine.tells.popleft()()
            answers = [await client.receive() for _ in range(3)]
            assert [answers[0][2], answers[2][2]] == [b"2", b"6"]
            client.send(request(b"4"))
            assert (await client.receive())[2] == b"8"

    run(scenario)


@pytest.mark.parametrize("head", [b"Content-Length: 1001\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_record_over_the_limit_is_refused_and_the_connection_closed(run: Run, head: bytes) -> None:
    body = b"1" * 1001

    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(POST + head + b"\r\n" + (body if b"Length" in head else b"3e9\r\n%b\r\n0\r\n\r\n" % body))
            status, headers, _ = await client.receive()
            assert (status, headers["connection"], await client.is_closed()) == (413, "close", True)
        assert serving.engine.calls == []

    run(scenario)


def test_a_connection_is_closed_if_that_is_asked_for(run: Run) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(request(b"21", b"Connection: close\r\n"))
            status, headers, body = await client.receive()
            assert (status, headers["connection"], body, await client.is_closed()) == (200, "close", b"42", True)
        async with serving.client() as client:
            client.send(b"POST /score HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n21")
            assert ((await client.receive())[2], await client.is_closed()) == (b"42", True)

    run(scenario)


def test_garbage_is_400(run: Run) -> None:
    async def scenario(serving: Serving) -> None:
        for garbage in (b"\x00\xff\r\n\r\n", POST + b"Content-Length: x\r\n\r\n", POST + b"a b: c\r\n\r\n"):
            async with serving.client() as client:
                client.send(garbage)
                assert (await client.receive())[0] == 400
        assert serving.engine.calls == []

    run(scenario)


def test_nobody_is_answered_who_has_gone(run: Run, engine: FakeEngine) -> None:
    async def scenario(serving: Serving) -> None:
        engine.is_slow = True
        async with serving.client() as client:
            client.send(request(b"1"))
            await serving.until(lambda: bool(engine.tells))
        await serving.until(lambda: not serving.server.server_state.connections)
        engine.tells.popleft()()
        async with serving.client() as client:
            client.send(request(b"2"))
            await serving.until(lambda: bool(engine.tells))
            engine.tells.popleft()()
            assert (await client.receive())[2] == b"4"

    run(scenario)


def test_a_server_that_stops_answers_first(run: Run, engine: FakeEngine) -> None:
    async def scenario(serving: Serving) -> None:
        engine.is_slow = True
        async with serving.client() as client, serving.client() as idle:
            client.send(request(b"21"))
            await serving.until(lambda: bool(engine.tells))
            stopping = asyncio.create_task(serving.server.shutdown())
            assert await idle.is_closed()
            assert not stopping.done()
            engine.tells.popleft()()
            _, headers, body = await client.receive()
            assert (headers["connection"], body, await client.is_closed()) == ("close", b"42", True)
            await stopping

    run(scenario)


@pytest.mark.parametrize("keep_alive_s", [0.05])
def test_a_connection_that_is_not_used_is_closed_and_not_before_its_answer(run: Run, engine: FakeEngine) -> None:
    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.send(request(b"1"))
            assert (await client.receive())[2] == b"2"
            engine.is_slow = True
            client.send(request(b"2"))
            await serving.until(lambda: bool(engine.tells))
            await asyncio.sleep(0.15)  # three times what an unused one gets
            engine.tells.popleft()()
            assert ((await client.receive())[2], await client.is_closed()) == (b"4", True)

    run(scenario)


def test_who_does_not_read_is_not_read_from(run: Run, engine: FakeEngine) -> None:
    engine.answers = [b"x" * 500_000]

    async def scenario(serving: Serving) -> None:
        async with serving.client() as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a socket it has it
            client.send(request(b"1") * 200)
            await serving.until(lambda: n_called(engine, "call") + n_called(engine, "score") > 3)
            await asyncio.sleep(0.05)
            assert n_called(engine, "call") + n_called(engine, "score") < 100
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            for _ in range(200):
                assert len((await client.receive())[2]) == 500_000

    run(scenario)
