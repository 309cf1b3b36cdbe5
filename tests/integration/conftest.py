"""A real server for the tests of whole commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.server import Server

LIMIT_S = 600
"""What a test of whole processes may take, on a machine that is busy with other things; alone, each takes seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder more time than the others have, unless they say themselves how much."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Start a real ``engine serve`` with an empty library, and show its log when the test fails."""
    with Server(tmp_path) as server:
        yield server
        print(server.log_tail())
