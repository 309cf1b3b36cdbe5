from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs

import httpx
import pytest

from engine import errors
from engine.client import Client
from engine.client.keeping import REJECTS_PER_REQUEST


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://engine", transport=httpx.MockTransport(answer))


def test_state_comes_line_by_line_however_it_is_cut() -> None:
    entries = [{"scope": "script", "key": "Z\u00fcrich\u2028", "name": "x", "value": n} for n in range(50)]
    body = b"".join(json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in entries)
    asked: list[httpx.URL] = []

    def pieces() -> Iterator[bytes]:
        yield from (body[at : at + 7] for at in range(0, len(body), 7))

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, content=pieces())

    assert list(client(answer).kept.state(key="a b", name="x")) == entries
    assert parse_qs(asked[0].query.decode()) == {"key": ["a b"], "name": ["x"]}


def test_state_that_is_cut_off_is_an_error_and_never_the_end() -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"value": 1}\n'
        raise httpx.RemoteProtocolError("peer closed connection")

    with pytest.raises(errors.ServerUnreachable):
        list(client(lambda _: httpx.Response(200, content=pieces())).kept.state())


def test_an_error_in_place_of_state_is_the_servers_own() -> None:
    problem = {"type": "urn:engine:error:StateCorrupt", "detail": "It is damaged.", "reason": "x"}
    with pytest.raises(errors.StateCorrupt, match="It is damaged"):
        list(client(lambda _: httpx.Response(500, json=problem)).kept.state())


def test_rejects_are_read_page_by_page_to_the_last() -> None:
    log = [{"number": n, "value": "YWI="} for n in range(1, 2 * REJECTS_PER_REQUEST + 1)]

    def answer(request: httpx.Request) -> httpx.Response:
        after, limit = int(request.url.params["after"]), int(request.url.params["limit"])
        return httpx.Response(200, json=[one for one in log if one["number"] > after][:limit])

    rejects = list(client(answer).kept.rejects())
    assert [one["number"] for one in rejects] == [one["number"] for one in log]
    assert rejects[0]["value"] == b"ab"


@pytest.mark.parametrize(("numbers", "query"), [(None, {}), ([1, 2], {"number": ["1", "2"]})])
def test_rejects_are_forgotten_by_number_or_all(numbers: list[int] | None, query: dict[str, list[str]]) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(204)

    client(answer).kept.drop_rejects(numbers)
    assert (asked[0].method, parse_qs(asked[0].url.query.decode())) == ("DELETE", query)


@pytest.mark.parametrize("numbers", [None, [3]])
def test_rejects_are_replayed(numbers: list[int] | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content) == {"numbers": numbers}
        return httpx.Response(200, json={"replayed": 1})

    assert client(answer).kept.replay(numbers) == 1
