"""Whole commands, as a stranger types them: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest

from demo import demo
from demo.data import read_packages
from demo.server import PROGRAMS, Server, clean_environ, free_port

ROOT = demo.ROOT
PRICES = [f"{price!r}\n".encode() for price in read_packages().table["adjusted"].tolist()[:40]]
AVERAGE = "model_scripts/average.py"
CONTRACT_CODE, UNREACHABLE_CODE = 3, 5

JOIN = """
# engine.action.0: left
# engine.action.2: right
# engine.schema.0: double
# engine.schema.2: double

def left(x):
    yield ["left", x]

def right(x):
    yield ["right", x]
"""

ECHO = """
# engine.schema.0: double
# engine.schema.1: double

def action(x):
    yield x
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a newcomer: what ``engine init`` makes, and a few scripts more."""
    ran = engine(tmp_path, "init", "new")
    assert ran.returncode == 0, ran.stderr
    folder = tmp_path / "new"
    (folder / "join.py").write_text(JOIN)
    (folder / "echo.py").write_text(
        "# engine.schema.0: double\n# engine.schema.1: double\ndef action(x):\n    yield x\n"
    )
    (folder / "no_action.py").write_text("def begin():\n    pass\n")
    (folder / "raise_at_import.py").write_text("raise RuntimeError('no')\ndef action(x):\n    pass\n")
    (folder / "overlooked.py").write_text(
        "import sys\nn = 0\ndef action(x):\n    sys.modules[__name__].n += x\n    return n\n"
    )
    (folder / "raise_in_action.py").write_text("def action(x):\n    raise RuntimeError('no')\n")
    return folder


def engine(folder: Path, *command: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command in a folder, with no server."""
    environ = clean_environ({"ENGINE_STATE": str(folder / ".state"), "ENGINE_SERVER": "http://127.0.0.1:1"})
    command = PROGRAMS / "engine", *map(str, command)
    return subprocess.run(command, cwd=folder, env=environ, input=stdin, capture_output=True, check=False)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    assert running.run("reset").returncode == 0
    return running


def ask(server: Server, *command: str) -> Any:
    """Return what a reading verb says as JSON."""
    ran = server.run(*command, "-o", "json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_first_five_minutes_and_every_reading_verb_as_json(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for line in demo.SET_UP.splitlines():
        ran = server.run(*line.split()[1:])
        assert (ran.returncode, ran.stdout) == (0, b""), f"{line}: {ran.stderr.decode()}"
    ran = server.run("model", "input", stdin=b"".join(PRICES))
    assert ran.stderr == b"40 records accepted on slot 0.\n"
    scores = server.run("model", "output").stdout.splitlines()
    assert len(scores) == 11
    assert all(isinstance(json.loads(score), float) for score in scores)

    info = ask(server, "inspect")
    assert (info["state"], info["model"]["name"]) == ("RUNNING", demo.MODEL)
    assert [slot["n_records"] for slot in info["slots"]] == [40, 11]
    assert [asset["name"] for asset in ask(server, "model", "list")] == [demo.MODEL]
    assert [asset["name"] for asset in ask(server, "schema", "list")] == ["double"]
    assert [asset["name"] for asset in ask(server, "stream", "list")] == ["rest"]
    assert [asset["name"] for asset in ask(server, "attachment", "list", demo.MODEL)] == ["attachment.tar.gz"]
    assert ask(server, "model", "inspect")["jets"][0]["status"] == "ready"
    assert [slot["stream"] for slot in ask(server, "stream", "inspect")] == ["rest", "rest"]
    assert {slot["slot"]: slot["schema"] for slot in ask(server, "model", "verify", demo.MODEL)["slots"]} == {
        0: "double",
        1: "double",
    }


def test_scaling_a_model_with_state_says_that_jets_idle(server: Server) -> None:
    server.run("schema", "add", "double", str(ROOT / "schemas/double.avsc"))
    server.run("model", "add", "counter", stdin=b"n = 0\ndef action(x):\n    global n\n    n += 1\n    yield n\n")
    assert server.run("model", "load", "counter").returncode == 0
    ran = server.run("model", "scale", "4")
    assert ran.returncode == 0
    assert b"The model runs in 4 jets." in ran.stderr
    assert b"3 of 4 jets idle" in ran.stderr
    assert server.run("model", "scale", "1").stderr.strip() == b"The model runs in 1 jet."


@pytest.mark.parametrize(
    ("command", "code", "sentence"),
    [
        (["run", "echo.py", "inline:1", "-"], 0, "1 record in, 1 out, 0 rejected"),
        (["run", "raise_in_action.py", "inline:1", "-"], 1, "action() failed on record 1 of slot 0: RuntimeError: no"),
        (["run", "echo.py", "inline:x", "-", "--strict"], 1, "1 rejected"),
        (["test", "echo.py", "prices.jsons", "expected.jsons"], 1, "Different: "),
        (["test", "overlooked.py", "prices.jsons", "expected.jsons"], 1, 'Write "# engine.state: n"'),
        (["run", "overlooked.py", "inline:1", "-"], 0, "1 record in, 1 out, 0 rejected"),
        (["model", "show", "averag", "--library", "."], 1, "Model 'averag' not found. Did you mean 'average'?"),
        (["run"], 2, "Missing argument 'SCRIPT'"),
        (["rnu", "echo.py"], 2, "No such command 'rnu'"),
        (["run", "echo.py", "--slot", "2"], 2, "is not of the form SLOT=STREAM"),
        (["run", "no_action.py", "inline:1", "-"], 3, "no_action has no function 'action'"),
        (["run", "echo.py", "nowhere:1", "-", "--schema", "double=echo.py"], 3, "is not a valid Avro schema"),
        (["schema", "verify", "double", "echo.py", "--library", "."], 3, "records fit schema 'double'"),
        (["stream", "verify", "nothing", "--library", "."], 1, "Stream 'nothing' not found"),
        (["run", "raise_at_import.py", "inline:1", "-"], 4, "line 1: RuntimeError: no"),
        (["inspect"], 5, "No server answers at http://127.0.0.1:1"),
        (["model", "load", "average"], 5, "Start one with: engine serve"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_ends_with_the_code_of_what_went_wrong(
    folder: Path, command: list[str], code: int, sentence: str
) -> None:
    ran = engine(folder, *command)
    assert ran.returncode == code, ran.stderr.decode()
    assert sentence in ran.stderr.decode()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["stream", "attach", "text", "0"], "Stream 'text' does not fit slot 0 of model 'echo'"),
        (
            ["stream", "attach", "rest:", "2"],
            "Stream 'rest:' has no place on slot 2: model 'echo' uses slots 0, 1 only.",
        ),
    ],
)
def test_a_stream_that_does_not_fit_is_a_contract_error(
    server: Server, folder: Path, command: list[str], sentence: str
) -> None:
    server.run("schema", "add", "double", str(ROOT / "schemas/double.avsc"))
    server.run("model", "add", "echo", str(folder / "echo.py"))
    server.run("stream", "add", "text", stdin=b'{"Transport": "REST", "Encoding": "json", "Schema": "string"}')
    assert server.run("model", "load", "echo").returncode == 0
    ran = server.run(*command)
    assert sentence in ran.stderr.decode()
    assert ran.returncode == CONTRACT_CODE


def test_a_run_a_test_and_a_server_agree(server: Server, folder: Path) -> None:
    expected = (folder / "expected.jsons").read_bytes()
    prices = (folder / "prices.jsons").read_bytes()
    assert engine(folder, "run", AVERAGE, "prices.jsons", "-").stdout == expected
    assert engine(folder, "run", AVERAGE, "-", "-", "--inline", stdin=prices).stdout == expected
    ran = engine(folder, "test", AVERAGE, "prices.jsons", "expected.jsons")
    assert ran.returncode == 0
    assert b"As expected: " in ran.stderr
    server.run("schema", "add", "double", str(ROOT / "schemas/double.avsc"))
    server.run("model", "add", "average", str(folder / AVERAGE))
    assert server.run("model", "load", "average").returncode == 0
    for slot in ("1", "0"):
        assert server.run("stream", "attach", "rest:", slot).returncode == 0
    server.run("model", "input", stdin=prices)
    assert server.run("model", "output").stdout == expected


@pytest.mark.parametrize("options", [[], ["--inline"]])
def test_two_inputs_are_scored_by_their_own_actions(folder: Path, options: list[str]) -> None:
    (folder / "right.jsons").write_text("10.0\n20.0\n")
    ran = engine(folder, "run", "join.py", "inline:1.0,2.0,3.0", "-", "--slot", "2=right.jsons", *options)
    assert ran.returncode == 0, ran.stderr
    scored = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [x for side, x in scored if side == "left"] == [1.0, 2.0, 3.0]
    assert [x for side, x in scored if side == "right"] == [10.0, 20.0]


@pytest.mark.parametrize("options", [[], ["--inline"]])
def test_avro_files_are_read_and_written(folder: Path, options: list[str]) -> None:
    values = [1.5, -2.0, 0.0]
    with (folder / "in.avro").open("wb") as file:
        for value in values:
            fastavro.schemaless_writer(file, "double", value)
    ran = engine(folder, "run", "echo.py", "in.avro", "out.avro", *options)
    assert ran.returncode == 0, ran.stderr
    assert (folder / "out.avro").read_bytes() == (folder / "in.avro").read_bytes()
    assert engine(folder, "run", "echo.py", "in.avro", "-", *options).stdout.split() == [b"1.5", b"-2.0", b"0.0"]


def test_a_sample_shows_the_first_records_and_takes_none(folder: Path) -> None:
    path = folder / "prices.jsons"
    first = path.read_bytes().splitlines(keepends=True)[:3]
    ran = engine(folder, "stream", "sample", f"file:{path}", "-n", 3, "--library", ".")
    assert (ran.returncode, ran.stdout) == (0, b"".join(first))
    ran = engine(folder, "stream", "sample", "inline:1,2", "--library", ".")
    assert ran.stdout == b"1\n2\n"
    assert b"The stream has 2 records." in ran.stderr
    ran = engine(folder, "stream", "sample", "rest:", "--library", ".")
    assert ran.returncode == 1
    assert b"cannot be sampled" in ran.stderr


def test_a_schema_is_inferred_added_and_verified_in_a_pipeline(folder: Path) -> None:
    trades = b'{"price": 1.5, "n": 2}\n{"price": 2.5, "n": 3, "note": null}\n'
    (folder / "trades.jsons").write_bytes(trades)
    line = (
        "engine schema infer trades.jsons --name trade | engine schema add trade --library ."
        " && engine schema verify trade --library . -"
    )
    environ = clean_environ({"ENGINE_STATE": str(folder / ".state")})
    ran = subprocess.run(["sh", "-c", line], cwd=folder, env=environ, input=trades, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert [text.split()[0] for text in ran.stdout.splitlines()] == [b"OK", b"OK"]
    bad = engine(folder, "schema", "verify", "trade", "-", "--library", ".", stdin=b'{"price": "1"}\nnope\n')
    assert bad.returncode == CONTRACT_CODE
    assert [text.split()[0] for text in bad.stdout.splitlines() if not text.startswith(b" ")] == [b"FAIL", b"JSON"]
    assert b"Field 'price': double expected, got '1' (str)." in bad.stdout


def test_a_port_in_use_is_named(server: Server, tmp_path: Path) -> None:
    ran = engine(tmp_path, "serve", "--port", server.port)
    assert ran.returncode in (1, CONTRACT_CODE)
    assert str(server.port) in ran.stderr.decode()
    assert "Traceback" not in ran.stderr.decode()


def test_another_server_address_is_named_when_nobody_answers(tmp_path: Path) -> None:
    port = free_port()
    ran = engine(tmp_path, "inspect", "--server", f"http://127.0.0.1:{port}")
    assert ran.returncode == UNREACHABLE_CODE
    assert f"No server answers at http://127.0.0.1:{port}" in ran.stderr.decode()
