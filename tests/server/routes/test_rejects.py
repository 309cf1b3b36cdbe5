"""The reject log over HTTP."""

from __future__ import annotations

import base64

import pytest

from engine.errors import InvalidTransition
from engine.state.commits import Reject
from tests.server.conftest import Ask
from tests.server.fake_engine import FakeEngine

REJECTS = [
    Reject(1.5, 0, number, 17, "input", "DecodeError", "Not JSON.", "", b"\x00" + bytes([number]), number)
    for number in (3, 4, 7)
]


def test_rejects_are_listed_with_their_records(ask: Ask, engine: FakeEngine) -> None:
    engine.log = REJECTS
    first, *others = ask("GET", "/engine/rejects").json()
    assert first == {
        "number": 3,
        "time": "1970-01-01T00:00:01.500000+00:00",
        "slot": 0,
        "seq_no": 3,
        "position": 17,
        "topic": None,
        "partition": None,
        "offset": None,
        "stage": "input",
        "error": "DecodeError",
        "reason": "Not JSON.",
        "traceback": "",
        "value": base64.b64encode(b"\x00\x03").decode(),
    }
    assert [other["number"] for other in others] == [4, 7]


def test_the_next_ones_are_those_after_a_number(ask: Ask, engine: FakeEngine) -> None:
    engine.log = REJECTS
    assert [one["number"] for one in ask("GET", "/engine/rejects", params={"after": 3, "limit": 1}).json()] == [4]


@pytest.mark.parametrize(("params", "numbers"), [({}, None), ({"number": [3, 7]}, [3, 7])])
def test_rejects_are_forgotten(
    ask: Ask, engine: FakeEngine, params: dict[str, list[int]], numbers: list[int] | None
) -> None:
    engine.log = REJECTS
    assert ask("DELETE", "/engine/rejects", params=params).status_code == 204
    assert ("drop_rejects", numbers) in engine.calls


@pytest.mark.parametrize(("numbers", "n_replayed"), [([3, 7], 2), (None, 3)])
def test_rejects_are_replayed(ask: Ask, engine: FakeEngine, numbers: list[int] | None, n_replayed: int) -> None:
    engine.log = REJECTS
    assert ask("POST", "/engine/rejects/replay", json={"numbers": numbers}).json() == {"replayed": n_replayed}
    assert ("replay", numbers) in engine.calls


def test_a_replay_that_the_state_forbids_is_409(ask: Ask, engine: FakeEngine) -> None:
    engine.fails["replay"] = InvalidTransition("INIT", "replay", ["RUNNING"])
    assert ask("POST", "/engine/rejects/replay", json={"numbers": None}).status_code == 409
