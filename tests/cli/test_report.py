from __future__ import annotations

from typing import Any

import pytest

from engine.cli.report import next_step, print_engine, tell_sharing, tell_state, tell_unkept

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


def test_a_script_tells_its_keys_their_lifetime_and_that_it_shares(capsys: pytest.CaptureFixture[str]) -> None:
    keyed = [{"slot": 0, "key": "symbol", "key_ttl_s": 3600.0}, {"slot": 1, "key": None, "key_ttl_s": None}]
    tell_sharing({"slots": keyed, "uses_cells": True})
    tell_sharing({"slots": [{"slot": 0, "key": "a", "key_ttl_s": None}, {"slot": 2, "key": "b.c", "key_ttl_s": None}]})
    tell_sharing({"slots": [{"slot": 0}], "uses_cells": False})
    assert capsys.readouterr().err.splitlines() == [
        "Key: symbol in slot 0. Every key has a state of its own, forgotten when it was not used for 1h.",
        "Cells: what it holds in cells and pools, all its copies share.",
        "Key: a in slot 0, b.c in slot 2. Every key has a state of its own.",
    ]


ENGINE: dict[str, Any] = {"state": "RUNNING", "model": None, "slots": [], "jets": [], "rejects": [], "error": None}


def test_the_last_commit_the_keys_and_the_promise_are_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    fence = {"number": 12, "age_s": 0.25, "trouble": ""}
    promise = ["Slot 0 (rest): exactly once."]
    print_engine(ENGINE | {"fence": fence, "n_keys": 1000, "state_bytes": 2048, "promise": promise})
    shown = capsys.readouterr()
    assert [line.split() for line in shown.out.splitlines()[-2:]] == [
        ["Commit", "Age", "Keys", "State"],
        ["12", "0.2", "s", "1000", "2.0", "KiB"],
    ]
    assert shown.err == "\nSlot 0 (rest): exactly once.\n"


def test_what_keeps_a_commit_from_happening_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    fence = {"number": 12, "age_s": None, "trouble": "The disk is full."}
    print_engine(ENGINE | {"fence": fence, "n_keys": None, "state_bytes": 0})
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1].split() == ["12", "-", "-", "0", "B"]
    assert shown.err == "\nThe next commit waits: The disk is full.\n"


def test_an_engine_without_a_commit_is_shown_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    print_engine(ENGINE | {"fence": None, "promise": []})
    shown = capsys.readouterr()
    assert "Commit" not in shown.out
    assert shown.err == ""


def test_a_group_is_shown_with_its_lag_and_with_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    partitions = [
        {"slot": 0, "topic": "prices", "partition": number, "position": 5, "end": end, "lag": end - 5}
        for number, end in enumerate((15, 8))
    ]
    restoring = [
        {"partition": 2, "n_read": 10, "n_total": 40, "left_s": 3.2, "waits_for": ""},
        {"partition": 3, "n_read": 0, "n_total": 0, "left_s": None, "waits_for": "a transaction is open"},
    ]
    group = {"name": "averages", "instance": "one", "changelog": "averages-average-changelog", "n_rebalances": 4}
    group |= {"partitions": partitions, "restoring": restoring, "trouble": "Nobody answers."}
    print_engine(
        {"state": "RUNNING", "model": None, "slots": [], "jets": [], "rejects": [], "error": None, "group": group}
    )
    shown = capsys.readouterr()
    assert "averages  one                2   13           4  averages-average-changelog" in shown.out
    assert "   0  prices          1           5        8    3" in shown.out
    assert "The state of partition 2: 10 of 40 records, 3 s left." in shown.err
    assert "The state of partition 3: 0 of 0 records, and waits: a transaction is open." in shown.err
    assert "The group waits: Nobody answers." in shown.err
