"""Every request passes the front: it bounds bodies, knows who asks, and lets no failure through."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from engine.errors import PolicyViolation
from engine.registry import Library
from engine.server.app import build_app
from engine.settings import Settings
from tests.server.conftest import Ask
from tests.server.fake_engine import FakeEngine


def test_a_failure_of_the_server_is_logged_and_tells_the_client_nothing(
    ask: Ask, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.fails["score"] = RuntimeError("hunter2")
    response = ask("POST", "/score", content=b"1")
    assert (response.status_code, response.json()["type"]) == (500, "urn:engine:error:InternalError")
    assert "hunter2" not in response.text
    assert "hunter2" in caplog.text


def test_a_failure_behind_the_framework_is_logged_once_and_looks_the_same(
    ask: Ask, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.fails["pause"] = RuntimeError("hunter2")
    response = ask("POST", "/engine/pause")
    assert (response.status_code, response.json()["type"]) == (500, "urn:engine:error:InternalError")
    assert "hunter2" not in response.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "127.1.2.3", "a.localhost"]
)
def test_a_request_for_this_machine_is_answered(ask: Ask, host: str) -> None:
    assert ask("GET", "/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"Host": "127.0.0.1.example.org:8000"},
        {"Host": ""},
        {"Host": "[::1"},
        {"Host": "0.0.0.0:8000"},
        {"Host": "192.168.0.7"},
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://example.org"},
    ],
)
@pytest.mark.parametrize("path", ["/score", "/engine/pause", "/nothing"])
def test_a_page_of_another_site_is_refused_everywhere(
    ask: Ask, engine: FakeEngine, headers: dict[str, str], path: str
) -> None:
    response = ask("POST", path, content=b"1", headers=headers)
    assert (response.status_code, response.json()["type"]) == (403, f"urn:engine:error:{PolicyViolation.__name__}")
    assert not engine.calls


def test_a_page_of_this_machine_may_ask(ask: Ask) -> None:
    assert ask("POST", "/score", content=b"1", headers={"Origin": "http://localhost:3000"}).status_code == 200


def test_an_image_on_a_page_of_another_site_acknowledges_nothing(ask: Ask, engine: FakeEngine) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert ask("GET", "/output/1?after=999999", headers=headers).status_code == 403
    assert not engine.calls


@pytest.mark.parametrize(("path", "site"), [("/docs", "none"), ("/openapi.json", "same-origin")])
def test_an_address_that_was_typed_and_a_page_of_this_server_are_answered(ask: Ask, path: str, site: str) -> None:
    assert ask("GET", path, headers={"Sec-Fetch-Site": site}).status_code == 200


class Exchange:
    """One request, said to the application message by message."""

    def __init__(self, engine: FakeEngine, library: Library, settings: Settings, is_local_only: bool = True) -> None:
        self.app: Any = build_app(engine, library, settings, is_local_only=is_local_only)  # type: ignore[arg-type]  # has its verbs
        self.n_received = 0
        self.sent: list[dict[str, Any]] = []

    def run(self, method: str, path: str, messages: list[dict[str, Any]], **headers: str) -> None:
        encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": encoded,
        }

        async def receive() -> dict[str, Any]:
            self.n_received += 1
            return messages[self.n_received - 1]

        async def send(message: dict[str, Any]) -> None:
            self.sent.append(message)

        asyncio.run(self.app(scope, receive, send))

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


@pytest.fixture
def exchange(engine: FakeEngine, library: Library, settings: Settings) -> Exchange:
    return Exchange(engine, library, settings)


@pytest.mark.parametrize(("method", "path"), [("POST", "/score"), ("POST", "/input/0"), ("PUT", "/models/m")])
def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_read(
    exchange: Exchange, method: str, path: str
) -> None:
    exchange.run(method, path, [], host="localhost", content_length="4001")
    assert (exchange.status, exchange.n_received) == (413, 0)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/score"), ("POST", "/input/0"), ("PUT", "/models/m"), ("PUT", "/engine/model")]
)
def test_a_body_that_grows_too_long_is_refused_while_it_is_read(exchange: Exchange, method: str, path: str) -> None:
    pieces = [{"type": "http.request", "body": b"x" * 3000, "more_body": True}] * 100
    exchange.run(method, path, pieces, host="localhost", content_type="application/json")
    assert (exchange.status, exchange.n_received) == (413, 2 if path != "/score" else 1)


def test_a_client_that_leaves_gets_no_answer(exchange: Exchange, engine: FakeEngine) -> None:
    messages = [{"type": "http.request", "body": b"1", "more_body": True}, {"type": "http.disconnect"}]
    exchange.run("POST", "/score", messages, host="localhost")
    assert (exchange.sent, engine.calls) == ([], [])


def test_a_body_in_pieces_is_one_record(exchange: Exchange, engine: FakeEngine) -> None:
    messages = [{"type": "http.request", "body": b"2", "more_body": True}, {"type": "http.request", "body": b"1"}]
    exchange.run("POST", "/score", messages, host="localhost")
    assert exchange.sent[1]["body"] == b"42"


def test_a_server_for_everyone_answers_to_any_name(engine: FakeEngine, library: Library, settings: Settings) -> None:
    exchange = Exchange(engine, library, settings, is_local_only=False)
    exchange.run("POST", "/score", [{"type": "http.request", "body": b"1"}], host="engine.example.org")
    assert exchange.status == 200


def test_a_problem_on_the_hot_path_is_whole(exchange: Exchange) -> None:
    exchange.run("POST", "/score", [{"type": "http.request", "body": b"1"}], host="example.org")
    assert json.loads(exchange.sent[1]["body"])["status"] == 403
