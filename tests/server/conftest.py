"""A server in this process: the application over a fake engine and a library in a temporary folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.registry import Library
from engine.server.app import build_app
from engine.settings import Settings
from tests.server.fake_engine import FakeEngine

SCRIPT = """# engine.schema.0: double
# engine.schema.1: double

def action(x):
    return 2 * x
"""
Ask = Callable[..., httpx.Response]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    files = {
        "schemas/double.avsc": '"double"',
        "model_scripts/twice.py": SCRIPT,
        "streams/rest.json": '{"Transport": "REST", "Encoding": "json"}',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return Library(tmp_path)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, max_record_bytes=1000, inbox_bytes=4000)


@pytest.fixture
def ask(engine: FakeEngine, library: Library, settings: Settings) -> Iterator[Ask]:
    """Send one request to the application, and return its response."""
    app: Any = build_app(engine, library, settings, is_local_only=True)  # type: ignore[arg-type]  # has its verbs
    with asyncio.Runner() as runner:
        transport = httpx.ASGITransport(app)

        def send(method: str, path: str, **options: Any) -> httpx.Response:
            async def go() -> httpx.Response:
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                    return await client.request(method, path, **options)

            return runner.run(go())

        yield send
