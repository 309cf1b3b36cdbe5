"""A container is well when its engine is at work, and not only when it answers."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from engine.image.health import problem

ANSWERS: dict[str, Any] = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(ANSWERS[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def port() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


@pytest.mark.parametrize(
    ("health", "engine", "model", "said"),
    [
        ("ok", {"state": "RUNNING", "jets": [{"status": "ready"}]}, "lstm", None),
        ("ok", {"state": "RUNNING", "jets": [{"status": "restarting"}]}, "lstm", "No jet is ready"),
        ("ok", {"state": "RUNNING", "jets": []}, "lstm", "No jet is ready"),
        ("ok", {"state": "FINISHED"}, "lstm", None),
        ("ok", {"state": "PAUSED"}, "lstm", None),
        ("ok", {"state": "INIT", "waits_for": ["a stream on slot 1"]}, "lstm", "waits for a stream on slot 1"),
        ("ok", {"state": "INIT"}, "", None),
        ("fail", {"state": "ERROR"}, "lstm", "in ERROR: boom"),
        ("ok", [], "lstm", "in None"),
    ],
)
def test_it_is_well_when_it_is_at_work(port: str, health: str, engine: Any, model: str, said: str | None) -> None:
    ANSWERS.update({"/health": {"status": health, "state": "ERROR", "error": "boom"}, "/engine": engine})
    found = problem({"ENGINE_PORT": port, "ENGINE_MODEL": model, "ENGINE_HOST": "0.0.0.0"})
    assert found is None if said is None else said in str(found)


def test_an_engine_that_waits_for_its_brokers_is_not_well_and_says_so(port: str) -> None:
    waiting = {"status": 503, "detail": "The engine goes on when its Kafka brokers answer."}
    ANSWERS.update({"/health": waiting, "/engine": waiting})
    assert problem({"ENGINE_PORT": port}) == waiting["detail"]


def test_an_engine_that_does_not_answer_is_not_well() -> None:
    assert "does not answer" in str(problem({"ENGINE_PORT": "1"}))
