"""A command line in this process, and the two places where its asset verbs work: a folder and a server."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.cli.main import invoke
from engine.client.connection import Connection


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


class InProcess(httpx.BaseTransport):
    """Answers requests from an ASGI application, without a socket."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run(self._answer(request, request.read()))

    async def _answer(self, request: httpx.Request, content: bytes) -> httpx.Response:
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        response = await self._transport.handle_async_request(copy)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())


@pytest.fixture(autouse=True)
def _clean_environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests from the variables of who runs them, and from a server that really runs."""
    import os

    for name in [name for name in os.environ if name.startswith("ENGINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ENGINE_SERVER", "http://127.0.0.1:1")
    monkeypatch.setenv("ENGINE_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(*args: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))  # type: ignore[type-var]  # mypy asks for a raw file
        code = invoke([str(arg) for arg in args])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty library, which the commands reach by its path or through a server; the same is asked of both."""
    library = tmp_path / "library"
    if request.param == "folder":
        monkeypatch.setenv("ENGINE_LIBRARY", str(library))
        return library

    from engine.registry import Library
    from engine.runtime import Engine
    from engine.server import build_app
    from engine.settings import Settings

    settings = Settings(state_dir=tmp_path / "state")
    app = build_app(Engine(settings), Library(library), settings, is_local_only=True)
    monkeypatch.setattr(
        "engine.client.client.Connection",
        lambda _url, *, transport: Connection("http://127.0.0.1:8000", transport=InProcess(app)),
    )
    return library
