"""Scripts that do what they should not, against a real server: it stays up, and says what happened."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.server import Server
from engine.client import Client
from engine.errors import EngineError

SCRIPTS = Path(__file__).parents[1] / "model_scripts"
PATIENCE_S = 90.0
MEMORY = "400M"  # what Python with NumPy maps, twice over


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), environ={"ENGINE_MEMORY": MEMORY}) as server:
        yield server


@pytest.fixture
def client(running: Server) -> Iterator[Client]:
    """Return a client of an engine in INIT, with REST streams on slots 0 and 1."""
    with Client(running.url) as client:
        client.engine.reset()
        client.schemas.put("double", b'"double"')
        for slot in (0, 1):
            client.engine.attach(slot, descriptor="rest:")
        yield client
        assert httpx.get(f"{running.url}/health").json()["version"]


def load(client: Client, name: str) -> None:
    client.models.put(name, (SCRIPTS / f"{name}.py").read_bytes())
    client.engine.load(name)


def score(server: Server, record: bytes) -> httpx.Response:
    return httpx.post(f"{server.url}/score", content=record, timeout=PATIENCE_S)


def outputs(client: Client, n: int) -> list[bytes]:
    """Return the first `n` outputs, as soon as they are there."""
    return eventually(lambda: client.engine.output(1).values, lambda values: len(values) >= n)


def eventually(look: Any, is_right: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not is_right(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.02)  # between looks at another process, which tells nobody
    return seen


def in_error(client: Client) -> dict[str, Any]:
    info: dict[str, Any] = eventually(client.engine.inspect, lambda info: info["state"] == "ERROR")
    return info


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("raise_at_import", "line 1: RuntimeError: no such luck at import"),
        ("raise_in_begin", "begin() failed: RuntimeError: no such luck in begin"),
        ("exit_at_import", "ended with exit code 7 while it worked on the import of the script"),
        ("exit_in_begin", "ended with exit code 7 while it worked on begin()"),
    ],
)
def test_a_script_that_cannot_start_is_refused_with_the_reason(client: Client, name: str, sentence: str) -> None:
    with pytest.raises(EngineError) as caught:
        load(client, name)
    assert sentence in str(caught.value)
    client.engine.reset()
    assert client.engine.inspect()["state"] == "INIT"


def test_an_action_that_raises_stops_the_engine_on_that_record(client: Client) -> None:
    load(client, "raise_in_action")
    client.engine.input(0, [b"1", b"2", b"13", b"4"])
    info = in_error(client)
    assert "action() failed on record 3 of slot 0: RuntimeError: no such luck in action" in info["error"]
    assert "line 3, in action" in info["error"]
    assert client.engine.output(1).values == [b"1", b"2"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("exit_in_action", "The model's process ended with exit code 7 while it worked on record 3 of slot 0."),
        ("segfault_in_action", "The model's process was killed by signal 11 while it worked on record 3 of slot 0."),
        ("hang_in_action", "The model took longer than 0.4 s for record 3 of slot 0; its process was ended."),
        ("exhaust_memory", "action() failed on record 3 of slot 0: MemoryError"),
        ("yield_for_ever", "one record gave more than 64 MiB of outputs"),
    ],
)
def test_a_record_that_breaks_the_process_is_rejected_and_the_rest_is_scored(
    client: Client, name: str, reason: str
) -> None:
    load(client, name)
    client.engine.input(0, [b"1", b"2", b"13", b"4", b"5"])
    assert outputs(client, 4) == [b"1", b"2", b"4", b"5"]
    info = client.engine.inspect()
    assert info["state"] == "RUNNING"
    [reject] = info["rejects"]
    assert (reject["slot"], reject["seq_no"], reject["stage"]) == (0, 3, "action")
    assert reason in reject["reason"]


def test_a_script_that_closes_the_channel_is_an_error_and_not_tried_for_ever(client: Client) -> None:
    load(client, "close_the_channel")
    client.engine.input(0, [b"1"])
    assert outputs(client, 1) == [b"1"]
    client.engine.input(0, [b"13"])
    assert (
        "The model's process ended with exit code 1"
        in eventually(lambda: client.engine.inspect()["rejects"], lambda rejects: rejects)[0]["reason"]
    )


def test_any_number_of_records_may_break_the_process_and_only_they_are_rejected(client: Client) -> None:
    load(client, "exit_in_action")
    client.engine.input(0, [b"1", *[b"13"] * 8, b"2"])
    assert outputs(client, 2) == [b"1", b"2"]
    info = client.engine.inspect()
    assert (info["state"], [reject["seq_no"] for reject in info["rejects"]]) == ("RUNNING", [*range(2, 10)])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("exit_in_action", "exit code 7"), ("hang_in_action", "longer than 0.4 s"), ("raise_in_action", "no such luck")],
)
def test_a_caller_is_told_and_the_next_one_is_served(client: Client, running: Server, name: str, sentence: str) -> None:
    load(client, name)
    assert score(running, b"1").content == b"1"
    answer = score(running, b"13")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert sentence in answer.json()["detail"]
    assert score(running, b"2").content == b"2"


def test_a_child_of_the_script_does_not_speak_for_it(client: Client) -> None:
    load(client, "fork_in_action")
    client.engine.input(0, [b"1", b"13", b"2", b"3"])
    assert client.engine.output(1, wait_s=PATIENCE_S).values == [b"1", b"13", b"2", b"3"]
    client.engine.input(0, [b"4"])
    assert client.engine.output(1, after=4, wait_s=PATIENCE_S).values == [b"4"]
    assert client.engine.inspect()["jets"][0]["n_restarts"] == 0


def test_what_cannot_be_said_of_an_exception_is_no_reason_to_end(client: Client) -> None:
    load(client, "raise_what_cannot_be_said")
    before = client.engine.inspect()["jets"][0]["pid"]
    client.engine.input(0, [b"1", b"2", b"3", b"5"])
    assert client.engine.output(1, wait_s=PATIENCE_S).values == [b"5"]
    info = client.engine.inspect()
    assert info["jets"][0]["pid"] == before
    reasons = [reject["reason"] for reject in info["rejects"]]
    for reason, word in zip(reasons, ["ValueError: \\udcff", "Silent", "CancelledError"], strict=True):
        assert word in reason


def test_a_process_that_ends_between_records_is_started_again(client: Client) -> None:
    load(client, "exit_in_a_thread")
    before = client.engine.inspect()["jets"][0]["pid"]
    eventually(client.engine.inspect, lambda info: info["jets"][0]["pid"] not in (None, before))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("raise_in_end", "end() failed: RuntimeError: no such luck in end"), ("exit_in_end", "exit code 7")],
)
def test_an_end_that_fails_is_an_error_after_all_is_scored(client: Client, name: str, sentence: str) -> None:
    client.streams.put("three", b'{"Transport": {"Type": "inline", "Data": ["1", "2", "3"]}, "Encoding": "json"}')
    client.engine.attach(0, name="three")
    load(client, name)
    assert sentence in in_error(client)["error"]
    assert client.engine.output(1).values == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("name", "scored", "stages"),
    [
        ("never_yields", [], []),
        ("yield_zero", [b"0.0"], []),
        ("yield_none", [b"1.0"], ["output"]),
        ("yield_nan", [b"1"], ["output"]),
        ("yield_a_tuple_of_three", [], ["action"]),
        ("warn_in_action", [b"1"], []),
        ("print_without_a_line_end", [b"1"], []),
    ],
)
def test_odd_outputs_are_what_they_are(client: Client, name: str, scored: list[bytes], stages: list[str]) -> None:
    load(client, name)
    client.engine.input(0, [b"1"])
    assert client.engine.output(1, wait_s=PATIENCE_S).values == scored
    assert [reject["stage"] for reject in client.engine.inspect()["rejects"]] == stages


def test_a_flood_on_the_console_is_drained_and_kept_in_bounds(client: Client, running: Server) -> None:
    load(client, "print_100_mb")
    client.engine.input(0, [b"1"])
    assert outputs(client, 1) == [b"1"]
    assert client.engine.inspect()["state"] == "RUNNING"
    assert running.log.stat().st_size < 20_000_000


def test_an_old_model_whose_end_hangs_is_gone_after_a_reset(client: Client) -> None:
    load(client, "never_end")
    [old] = client.engine.inspect()["jets"]
    load(client, "yield_zero")
    assert is_alive(old["pid"])
    client.engine.reset()
    assert not is_alive(old["pid"])


def test_a_long_line_is_printed_in_no_time(client: Client) -> None:
    client.models.put("long_line", b"def action(x):\n    print('x' * 30_000_000)\n    yield x\n")
    client.engine.load("long_line")
    client.engine.input(0, [b"1"])
    assert outputs(client, 1) == [b"1"]


def test_what_a_script_has_started_ends_with_it(client: Client, running: Server) -> None:
    load(client, "start_a_process_in_action")
    score(running, b"1")
    pid = client.engine.inspect()["jets"][0]["pid"]
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    assert children
    client.engine.reset()
    eventually(lambda: [pid for pid in children if is_alive(pid)], lambda alive: not alive)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().split()[2] != "Z"


def test_jets_die_with_their_engine(tmp_path: Path) -> None:
    with Server(tmp_path) as server, Client(server.url) as client:
        for slot in (0, 1):
            client.engine.attach(slot, descriptor="rest:")
        load(client, "never_yields")
        [jet] = client.engine.inspect()["jets"]
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: is_alive(jet["pid"]), lambda alive: not alive)
