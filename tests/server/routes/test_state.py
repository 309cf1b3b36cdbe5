"""The committed state over HTTP: lines of JSON, as many as there are, and no more held than a chunk."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.errors import StateCorrupt
from engine.server.routes.state import CHUNK_CHARS
from engine.state import pack
from engine.state.commits import Entry
from tests.server.conftest import Ask
from tests.server.fake_engine import FakeEngine

ENTRIES = [
    Entry("script", pack("A"), "prices", pack([1.5])),
    Entry("script", pack("A"), "total", pack(2)),
    Entry("script", pack("B"), "prices", pack(float("nan"))),
    Entry("cells", b"", "count", pack(3)),
]


@pytest.mark.parametrize(
    ("params", "at"),
    [
        ({}, [0, 1, 2, 3]),
        ({"scope": "script"}, [0, 1, 2]),
        ({"scope": "cells"}, [3]),
        ({"scope": "pools/none"}, []),
        ({"key": "A"}, [0, 1]),
        ({"name": "prices"}, [0, 2]),
        ({"key": "A", "name": "total"}, [1]),
        ({"after": 1, "limit": 2}, [1, 2]),
        ({"limit": 0}, []),
        ({"key": "Z"}, []),
    ],
)
def test_entries_are_chosen_by_scope_key_name_and_number(
    ask: Ask, engine: FakeEngine, params: dict[str, str], at: list[int]
) -> None:
    engine.entries = ENTRIES
    response = ask("GET", "/engine/state", params=params)
    assert response.headers["content-type"].startswith("application/x-ndjson")
    names = [(line["scope"], line["key"], line["name"]) for line in map(json.loads, response.text.split("\n")[:-1])]
    shown = {b"": None, pack("A"): "A", pack("B"): "B"}
    assert names == [(ENTRIES[index].scope, shown[ENTRIES[index].key], ENTRIES[index].name) for index in at]


def test_an_entry_is_a_line_of_readable_json(ask: Ask, engine: FakeEngine) -> None:
    engine.entries = ENTRIES[2:3]
    assert ask("GET", "/engine/state").json() == {
        "scope": "script",
        "key": "B",
        "name": "prices",
        "value": {"$float": "nan"},
    }


def test_much_state_is_sent_in_chunks_and_none_is_lost(ask: Ask, engine: FakeEngine) -> None:
    n_keys = 20_000
    engine.entries = [Entry("script", pack(n), "x", pack(float(n))) for n in range(n_keys)]
    lines = ask("GET", "/engine/state").text.splitlines()
    assert [json.loads(line)["key"] for line in lines] == list(range(n_keys))
    assert sum(map(len, lines)) > 5 * CHUNK_CHARS


def test_state_that_is_damaged_is_told_and_never_passed_off_as_whole(ask: Ask, engine: FakeEngine) -> None:
    engine.entries = [Entry("script", b"", "x", b"\x01f")]
    response = ask("GET", "/engine/state")
    assert (response.status_code, response.json()["type"]) == (500, "urn:engine:error:StateCorrupt")

    def entries(_scope: str) -> Iterator[Entry]:
        yield from (Entry("script", pack(n), "x", pack(0.5)) for n in range(5000))
        raise StateCorrupt("a checksum is wrong")

    engine.entries, engine.state_entries = ENTRIES, entries  # type: ignore[method-assign]
    with pytest.raises(AssertionError) as caught:  # httpx's own, that the response is complete
        ask("GET", "/engine/state", params={"scope": "script"})
    assert "response_complete" in str(caught.traceback[-1].statement)
