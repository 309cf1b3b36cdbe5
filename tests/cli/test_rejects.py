"""Rejects, shown and cleared in a folder, replayed by a server."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.client.connection import Connection
from engine.state.commits import Commit, Fence, Reject
from engine.state.jobs import SERVE, job_folder
from engine.state.sqlite import Peek, SqliteStore

TRACEBACK = '  File "lstm.py", line 9, in action\n    1 / 0\nZeroDivisionError: division by zero\n'
REJECTS = [
    Reject(1.0, 0, 2, 5, "input", "DecodeError", "Not a valid json record.", "", b"not json"),
    Reject(2.0, 0, 4, 9, "action", "ActionFailed", "action() failed.\nand more", TRACEBACK, b'{"x": 1}'),
    Reject(3.0, 2, 1, None, "input", "DecodeError", "Not Avro.", "", b"\x00\xff" * 100),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The store of a job with three rejects."""
    folder = job_folder(tmp_path / "state", SERVE)
    store = SqliteStore(folder)
    store.commit(Commit(Fence(1, "m", "d"), rejects=REJECTS)).result()
    store.close()
    return folder


@pytest.mark.usefixtures("folder")
class TestShow:
    def test_a_table_says_what_was_rejected_and_why(self, command: Any) -> None:
        ran = command("rejects", "show")
        assert ran.code == 0, ran.err
        heading, first, second, third = ran.out.splitlines()
        assert heading.split()[:4] == ["Number", "Time", "Slot", "Record"]
        assert "Not a valid json record." in first
        assert first.endswith("not json")
        assert second.split()[-4:] == ["action()", "failed.", '{"x":', "1}"]
        assert "00 ff 00" in third
        assert "engine rejects show --traceback 2" in ran.err
        assert "Next: engine rejects replay" in ran.err

    def test_there_are_more_than_are_shown(self, command: Any) -> None:
        ran = command("rejects", "show", "--limit", 2)
        assert len(ran.out.splitlines()) == 3
        assert "engine rejects show --after 2" in ran.err
        rest = command("rejects", "show", "--after", 2, "--limit", 2)
        assert len(rest.out.splitlines()) == 2
        assert "more" not in rest.err

    def test_some_are_chosen_by_number(self, command: Any) -> None:
        ran = command("rejects", "show", 3, 1, "-o", "json")
        assert [json.loads(line)["number"] for line in ran.out.splitlines()] == [1, 3]
        assert base64.b64decode(json.loads(ran.out.splitlines()[0])["value"]) == b"not json"

    def test_raw_records_can_be_piped(self, command: Any) -> None:
        assert command("rejects", "show", "--raw", "--limit", 2).out == 'not json\n{"x": 1}\n'

    @pytest.mark.parametrize(("number", "text"), [(2, TRACEBACK), (1, "DecodeError: Not a valid json record.\n")])
    def test_a_traceback_is_printed_whole(self, command: Any, number: int, text: str) -> None:
        assert command("rejects", "show", "--traceback", number).out == text

    def test_a_reject_that_is_not_there_has_no_traceback(self, command: Any) -> None:
        ran = command("rejects", "show", "--traceback", 9)
        assert (ran.code, ran.err) == (1, "Error: There is no reject 9.\n")


@pytest.mark.parametrize(("numbers", "left"), [([], []), ([1, 3], [2])])
def test_rejects_are_cleared(command: Any, folder: Path, numbers: list[int], left: list[int]) -> None:
    assert command("rejects", "clear", *numbers).code == 2
    assert command("rejects", "clear", "--yes", *numbers).code == 0
    with Peek(folder) as store:
        assert [reject.number for reject in store.rejects()] == left
    assert (command("rejects", "show").err == "There are no rejects.\n") == (not left)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a server was asked; it has replayed two records, and has no rejects."""
    requests: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, request.url.path, json.loads(request.content) if request.content else None))
        return httpx.Response(200, json={"replayed": 2} if request.method == "POST" else [])

    monkeypatch.delenv("ENGINE_STATE")
    monkeypatch.setattr(
        "engine.client.client.Connection",
        lambda url, *, transport: Connection(url, transport=transport or httpx.MockTransport(answer)),
    )
    return requests


@pytest.mark.parametrize(("args", "numbers"), [(["3", "4"], [3, 4]), (["--all"], None)])
def test_rejects_are_replayed_by_the_server(
    command: Any, asked: list[Any], args: list[str], numbers: list[int] | None
) -> None:
    assert command("rejects", "replay", *args).err == "2 records fed back in.\n"
    assert asked == [("POST", "/engine/rejects/replay", {"numbers": numbers})]


@pytest.mark.parametrize("args", [[], ["3", "--all"], ["0"]])
def test_a_replay_names_what_is_replayed(command: Any, asked: list[Any], args: list[str]) -> None:
    assert command("rejects", "replay", *args).code == 2
    assert asked == []


def test_without_a_folder_the_rejects_of_a_server_are_meant(command: Any, asked: list[Any]) -> None:
    assert command("rejects", "show").err == "There are no rejects.\n"
    assert command("rejects", "clear", "--yes").code == 0
    assert [one[:2] for one in asked][-1] == ("DELETE", "/engine/rejects")


def test_a_reject_that_is_not_there_is_named(command: Any, folder: Path) -> None:
    ran = command("rejects", "show", 3, 99)
    assert len(ran.out.splitlines()) == 2
    assert "There is no reject 99." in ran.err
    assert command("rejects", "show", 99).err == "There is no reject 99.\n"


def test_the_rejects_of_a_run_are_not_replayed_by_a_server(command: Any, folder: Path) -> None:
    job = folder.rename(folder.with_name("average-1"))
    ran = command("rejects", "show")
    assert "rejects replay" not in ran.err
    assert f"engine rejects show --raw --state {job.parents[1]} --job average-1 | engine run" in ran.err
