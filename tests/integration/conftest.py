"""A real server for the tests of whole commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Start a real ``engine serve`` with an empty library, and show its log when the test fails."""
    with Server(tmp_path) as server:
        yield server
        print(server.log_tail())
