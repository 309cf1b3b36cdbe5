from __future__ import annotations

from typing import Any

import pytest

from engine.cli.report import next_step

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
