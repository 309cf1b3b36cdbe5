"""Whole commands that are killed, stopped or misled, and the next one that goes on where they were, or says why not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from demo.server import PROGRAMS, Server, clean_environ

pytestmark = pytest.mark.integration

SUMS = """
import random
import time

def begin():
    global total, n
    total, n = 0, 0
    yield "begun"

def action(x):
    global total, n
    total += x
    n += 1
    time.sleep(0.001)
    yield [n, total]
"""
N_RECORDS = 1500
LIMIT_S = 90.0
"""What anything may take on a machine that is busy with other things."""
SCORES = ['"begun"', *(f"[{n},{n * (n + 1) // 2}]" for n in range(1, N_RECORDS + 1))]

KEYED = """
# engine.key.0: symbol
# engine.schema.0: trade

def begin():
    global seen
    seen = []

def action(trade):
    seen.append(trade["price"])
    yield [trade["symbol"], len(seen), sum(seen)]
"""
TRADE = {
    "type": "record",
    "name": "trade",
    "fields": [{"name": "symbol", "type": "string"}, {"name": "price", "type": "double"}],
}


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def engine(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAMS / "engine", *arguments],
        cwd=folder,
        env=clean_environ({"ENGINE_STATE": str(folder / "state")}),
        input=stdin.decode(),
        capture_output=True,
        text=True,
        timeout=2 * LIMIT_S,
        check=False,
    )


RUN = ["run", "sums.py", "in.jsons", "out.jsons"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sums.py").write_text(SUMS)
    (tmp_path / "in.jsons").write_text("".join(f"{n}\n" for n in range(1, N_RECORDS + 1)))
    return tmp_path


def end_at(folder: Path, n_lines: int, how: signal.Signals, *options: str) -> tuple[int, str]:
    """Run until the output holds so many lines more, of three commits at least, and send the signal."""
    out = folder / "out.jsons"
    n_before = len(out.read_bytes().splitlines()) if options else 0
    sizes: set[int] = set()

    def is_at() -> bool:
        size = len(out.read_bytes().splitlines()) if out.exists() else 0
        sizes.add(size)
        assert size < N_RECORDS, "it was too fast"
        return size >= n_before + n_lines and len(sizes) > 3

    command = [PROGRAMS / "engine", *RUN, *options]
    environ = clean_environ({"ENGINE_STATE": str(folder / "state")})
    with subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True) as ran:
        until(is_at)
        ran.send_signal(how)
        _, err = ran.communicate(timeout=LIMIT_S)
    return ran.returncode, err


def test_a_run_that_was_killed_goes_on_and_its_file_is_complete(folder: Path) -> None:
    end_at(folder, 200, signal.SIGKILL)
    end_at(folder, 200, signal.SIGKILL, "--resume")
    n_written = len((folder / "out.jsons").read_bytes().splitlines())
    assert 400 <= n_written < N_RECORDS
    ran = engine(folder, *RUN, "--resume")
    assert ran.returncode == 0, ran.stderr
    assert "Went on at record " in ran.stderr
    assert (folder / "out.jsons").read_text().splitlines() == SCORES


def test_a_run_that_was_interrupted_says_how_to_go_on_and_does(folder: Path) -> None:
    code, err = end_at(folder, 100, signal.SIGINT)
    assert code == 130
    assert "Go on with: engine run --resume sums.py in.jsons out.jsons\n" in err
    assert engine(folder, *RUN, "--resume").returncode == 0
    assert (folder / "out.jsons").read_text().splitlines() == SCORES
    again = engine(folder, *RUN, "--resume")
    assert (again.returncode, again.stderr.splitlines()[0][:28]) == (0, "The run has finished already")


def test_an_output_that_was_replaced_is_refused_with_exit_code_6(folder: Path) -> None:
    end_at(folder, 100, signal.SIGKILL)
    (folder / "other.jsons").write_bytes(b"mine\n" * 1000)
    (folder / "other.jsons").replace(folder / "out.jsons")
    ran = engine(folder, *RUN, "--resume")
    assert ran.returncode == 6, ran.stderr
    assert str(folder / "out.jsons") in ran.stderr
    assert (folder / "out.jsons").read_bytes() == b"mine\n" * 1000


def test_an_output_that_is_shorter_than_what_was_committed_is_refused_with_exit_code_6(folder: Path) -> None:
    end_at(folder, 100, signal.SIGKILL)
    with (folder / "out.jsons").open("r+b") as file:
        file.truncate(20)
    ran = engine(folder, *RUN, "--resume")
    assert ran.returncode == 6, ran.stderr
    assert (folder / "out.jsons").stat().st_size == 20


def test_state_that_the_script_has_no_name_for_is_refused_with_exit_code_6(folder: Path) -> None:
    end_at(folder, 100, signal.SIGKILL)
    before = (folder / "out.jsons").read_bytes()
    (folder / "sums.py").write_text(SUMS.replace("total", "balance"))
    ran = engine(folder, *RUN, "--resume")
    assert ran.returncode == 6, ran.stderr
    assert "'total'" in ran.stderr
    assert "balance" in ran.stderr
    assert before.startswith((folder / "out.jsons").read_bytes())  # what was not committed may be cut already
    (folder / "sums.py").write_text(SUMS)
    assert engine(folder, *RUN, "--resume").returncode == 0
    assert (folder / "out.jsons").read_text().splitlines() == SCORES


def test_a_store_that_is_damaged_is_refused_with_exit_code_6(folder: Path) -> None:
    end_at(folder, 100, signal.SIGINT)
    (store,) = (folder / "state" / "jobs").glob("*/commits.db")
    store.write_bytes(store.read_bytes().replace(b"total", b"uotal"))  # in pages that are free, too
    ran = engine(folder, *RUN, "--resume")
    assert ran.returncode == 6, ran.stderr
    assert str(store) in ran.stderr


def test_a_second_run_of_the_same_job_is_refused(folder: Path) -> None:
    environ = clean_environ({"ENGINE_STATE": str(folder / "state")})
    out = folder / "out.jsons"
    with subprocess.Popen([PROGRAMS / "engine", *RUN], cwd=folder, env=environ) as first:
        until(lambda: out.exists() and len(out.read_bytes().splitlines()) > 10)
        first.send_signal(signal.SIGSTOP)  # else it might be through before the second one looks
        try:
            second = engine(folder, *RUN)
        finally:
            first.send_signal(signal.SIGCONT)
        assert second.returncode == 1
        assert f"in use by process {first.pid}" in second.stderr
        assert first.wait(timeout=LIMIT_S) == 0
    assert out.read_text().splitlines() == SCORES


def library(folder: Path) -> Path:
    """A library with the two scripts."""
    for name, text in (
        ("model_scripts/sums.py", SUMS),
        ("model_scripts/keyed.py", KEYED),
        ("schemas/trade.avsc", json.dumps(TRADE)),
    ):
        path = folder / "library" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "library"


def serve_model(server: Server, name: str) -> None:
    for command in (["model", "load", name], ["stream", "attach", "rest:", "1"], ["stream", "attach", "rest:", "0"]):
        ran = server.run(*command)
        assert ran.returncode == 0, ran.stderr


def lines(values: list[object]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def test_a_server_that_was_killed_goes_on_by_itself(tmp_path: Path) -> None:
    library(tmp_path)
    with Server(tmp_path) as server:
        serve_model(server, "keyed")
        trades = [{"symbol": symbol, "price": price} for price in (1.0, 2.0) for symbol in ("A", "B", "C")]
        server.run("model", "input", stdin=lines(trades[:4]))
        until(lambda: httpx.get(f"{server.url}/output/1").headers["Engine-Sequence"] == "4")
        os.kill(server.pid, signal.SIGKILL)
    with Server(tmp_path) as server:
        said = server.log.read_text()
        assert "Resumed at commit " in said
        assert "model 'keyed', 2 streams, RUNNING." in said
        assert "lot 0 goes on at record 5" in said
        server.run("model", "input", stdin=lines(trades[4:]))
        fetched = httpx.get(f"{server.url}/output/1", params={"after": 4, "wait": "30s"})
        assert fetched.text == '["B",2,3.0]\n["C",2,3.0]'
        info = json.loads(server.run("inspect", "-o", "json").stdout)
        assert (info["n_keys"], info["model"]["name"]) == (3, "keyed")
        shown = server.run("inspect").stdout.decode()
        assert "Commit" in shown
        assert server.stop() == 0
    with Server(tmp_path, options=["--fresh"]) as server:
        assert "Resumed" not in server.log.read_text()
        assert json.loads(server.run("inspect", "-o", "json").stdout)["model"] is None


def test_outputs_that_nobody_acknowledged_are_there_after_a_kill(tmp_path: Path) -> None:
    library(tmp_path)
    with Server(tmp_path) as server:
        serve_model(server, "sums")
        server.run("model", "input", stdin=lines(list(range(1, 101))))
        first = httpx.get(f"{server.url}/output/1", params={"wait": "30s"})
        assert first.text.splitlines() == SCORES[:101]
        os.kill(server.pid, signal.SIGKILL)
    with Server(tmp_path) as server:
        again = httpx.get(f"{server.url}/output/1", params={"wait": "30s"})
        assert again.text == first.text
        assert again.headers["Engine-Sequence"] == first.headers["Engine-Sequence"] == "101"
        httpx.get(f"{server.url}/output/1", params={"after": 101})
        os.kill(server.pid, signal.SIGKILL)


def test_what_was_accepted_is_scored_once_however_often_the_server_is_killed(tmp_path: Path) -> None:
    library(tmp_path)
    got: list[str] = []
    n_sent = 0
    for round_number in range(4):
        with Server(tmp_path) as server:
            if round_number == 0:
                serve_model(server, "sums")
            for _ in range(3):
                body = lines(list(range(n_sent + 1, n_sent + 51)))
                accepted = httpx.post(
                    f"{server.url}/input/0", content=body, headers={"Content-Type": "application/x-ndjson"}
                )
                assert accepted.json() == {"accepted": 50}
                n_sent += 50
            reply = httpx.get(f"{server.url}/output/1", params={"after": len(got)})
            got += reply.text.splitlines()
            os.kill(server.pid, signal.SIGKILL)
    with Server(tmp_path) as server:
        reply = httpx.get(f"{server.url}/output/1", params={"after": len(got), "wait": "30s"})
        got += reply.text.splitlines()
    assert got == SCORES[: n_sent + 1]


def test_committed_state_is_shown_and_moved_to_another_machine(tmp_path: Path) -> None:
    library(tmp_path)
    with Server(tmp_path) as server:
        serve_model(server, "keyed")
        server.run("model", "input", stdin=lines([{"symbol": "A", "price": 1.5}, {"symbol": "B", "price": 2.5}]))
        server.run("model", "output")
        exported = server.run("state", "export").stdout
        assert [json.loads(line)["key"] for line in exported.splitlines()] == ["A", "B"]
        shown = server.run("state", "show", "--key", "A").stdout.decode()
        assert shown.split()[-4:] == ["list", *_size(exported, "A"), "[1.5]"]
        folder = ["--state", str(tmp_path / "state")]
        assert server.run("state", "export", *folder).stdout == exported
        refused = server.run("state", "import", *folder, stdin=exported)
        assert refused.returncode == 1
        assert f"in use by process {server.pid}".encode() in refused.stderr
    changed = exported.replace(b"[1.5]", b"[100.0, 200.0]")
    assert engine(tmp_path, "state", "import", stdin=changed).returncode == 0
    with Server(tmp_path) as server:
        server.run("model", "input", stdin=lines([{"symbol": "A", "price": 1.0}, {"symbol": "B", "price": 1.0}]))
        assert server.run("model", "output").stdout == b'["A",3,301.0]\n["B",2,3.5]\n'


def _size(exported: bytes, key: str) -> list[str]:
    from engine.state.json_form import from_json

    value = next(fields["value"] for fields in map(json.loads, exported.splitlines()) if fields["key"] == key)
    return [str(len(from_json(value))), "B"]


def test_rejects_are_kept_and_fed_back_in_by_the_next_server(tmp_path: Path) -> None:
    library(tmp_path)
    with Server(tmp_path) as server:
        serve_model(server, "keyed")
        server.run("model", "input", stdin=b'{"symbol": "A", "price": 1}\n{"symbol": "A"}\nno json\n')
        server.run("model", "output")
        os.kill(server.pid, signal.SIGKILL)
    with Server(tmp_path) as server:
        shown = server.run("rejects", "show", "-o", "json").stdout
        numbers = [json.loads(line)["number"] for line in shown.splitlines()]
        assert server.run("rejects", "show", "--raw").stdout == b'{"symbol": "A"}\nno json\n'
        replayed = server.run("rejects", "replay", "--all")
        assert replayed.stderr == b"2 records fed back in.\n"
        until(
            lambda: (
                [json.loads(line)["number"] for line in server.run("rejects", "show", "-o", "json").stdout.splitlines()]
                == [numbers[-1] + 1, numbers[-1] + 2]
            )
        )
        assert server.run("rejects", "clear", "--yes").returncode == 0
        assert server.run("rejects", "show").stderr == b"There are no rejects.\n"


def test_a_server_that_cannot_go_on_exits_with_6_and_says_how_to_begin_anew(tmp_path: Path) -> None:
    library(tmp_path)
    with Server(tmp_path) as server:
        serve_model(server, "keyed")
        server.run("model", "input", stdin=lines([{"symbol": "A", "price": 1.5}]))
        server.run("model", "output")
    store = tmp_path / "state" / "jobs" / "serve" / "commits.db"
    data = bytearray(store.read_bytes())
    at = data.index(b"seen")
    data[at] ^= 1
    store.write_bytes(data)
    ran = engine(tmp_path, "serve", "--library", str(tmp_path / "library"), "--port", "0")
    assert ran.returncode == 6, ran.stderr
    assert str(store) in ran.stderr
