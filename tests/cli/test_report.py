from __future__ import annotations

from typing import Any

import pytest

from engine.cli.report import next_step, tell_state, tell_unkept

MODEL = {"name": "x"}


def slot(number: int, stream: str | None, transport: str | None = "REST", schema: str | None = None) -> dict[str, Any]:
    return {"slot": number, "name": None, "stream": stream, "transport": transport, "schema": schema}


@pytest.mark.parametrize(
    ("info", "step"),
    [
        ({"model": None, "slots": [], "state": "INIT"}, "engine model load NAME"),
        (
            {"model": MODEL, "slots": [slot(0, None, None, "double"), slot(1, None, None)], "state": "INIT"},
            "engine stream attach STREAM SLOT; no stream yet on slot 0 (input, schema double) and 1 (output)",
        ),
        ({"model": MODEL, "slots": [slot(0, "a"), slot(1, "b")], "state": "PAUSED"}, "engine unpause"),
        (
            {"model": MODEL, "slots": [slot(0, "a"), slot(1, "b"), slot(2, "c")], "state": "RUNNING"},
            "engine model input 0 < FILE, then engine model output 1",
        ),
        (
            {"model": MODEL, "slots": [slot(0, "a"), slot(1, "b", "file")], "state": "RUNNING"},
            "engine model input 0 < FILE",
        ),
        (
            {"model": MODEL, "slots": [slot(0, "a", "file"), slot(1, "b")], "state": "RUNNING"},
            "engine model output 1 --follow",
        ),
        ({"model": MODEL, "slots": [slot(0, "a", "file"), slot(1, "b", "file")], "state": "RUNNING"}, "engine inspect"),
    ],
)
def test_the_next_step_is_what_is_missing(info: dict[str, Any], step: str) -> None:
    assert next_step(info) == step


def test_state_is_told_with_its_size_and_with_what_cannot_be_kept(capsys: pytest.CaptureFixture[str]) -> None:
    prices = {"name": "prices", "line": 9, "reason": "append() called in action", "size_bytes": 249, "refusal": None}
    lock = {"name": "lock", "line": 10, "reason": "rebound in action", "size_bytes": None, "refusal": "lock: no."}
    tell_state([prices, lock])
    tell_unkept({"state": [prices, lock]})
    tell_unkept(None)
    assert capsys.readouterr().err.splitlines() == [
        "State: prices (append() called in action, line 9; 249 B packed).",
        "State: lock (rebound in action, line 10).",
        "Note: lock: no.",
    ]
