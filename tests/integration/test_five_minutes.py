"""What the README promises, on a real server, with the sample model and real prices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from demo import demo
from demo.data import read_packages
from demo.server import PROGRAMS, Server, clean_environ

ROOT = demo.ROOT
PRICES = [f"{price!r}\n".encode() for price in read_packages().table["adjusted"].tolist()[:45]]
N_UNTIL_FIRST_SCORE = 30


@pytest.fixture
def loaded(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return a server on which the sample model waits for prices."""
    monkeypatch.chdir(ROOT)
    for line in demo.SET_UP.splitlines():
        ran = server.run(*line.split()[1:])
        assert ran.returncode == 0, f"{line}: {ran.stderr.decode()}"
    return server


@pytest.fixture(scope="module")
def run_scores(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return what ``engine run`` makes of the prices."""
    return engine_run(tmp_path_factory.mktemp("run"))


def engine_run(folder: Path, *options: str) -> list[bytes]:
    command = [PROGRAMS / "engine", "run", demo.SCRIPT, "-", "-", *options]
    ran = subprocess.run(
        command, cwd=ROOT, env=clean_environ({"ENGINE_STATE": str(folder)}), input=b"".join(PRICES), capture_output=True
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.splitlines(keepends=True)


def test_29_prices_give_nothing_and_the_30th_gives_the_first_score(loaded: Server) -> None:
    loaded.run("model", "input", stdin=b"".join(PRICES[: N_UNTIL_FIRST_SCORE - 1]))
    assert loaded.run("model", "output").stdout == b""
    loaded.run("model", "input", stdin=PRICES[N_UNTIL_FIRST_SCORE - 1])
    assert len(loaded.run("model", "output").stdout.splitlines()) == 1


def test_the_server_and_engine_run_give_the_same_bytes(loaded: Server, run_scores: list[bytes]) -> None:
    loaded.run("model", "input", stdin=b"".join(PRICES))
    assert loaded.run("model", "output").stdout.splitlines(keepends=True) == run_scores
    assert len(run_scores) == len(PRICES) - N_UNTIL_FIRST_SCORE + 1


def test_synchronous_scores_are_the_same_bytes(loaded: Server, run_scores: list[bytes]) -> None:
    answers = [httpx.post(f"{loaded.url}/score", content=price.strip()) for price in PRICES]
    assert {answer.status_code for answer in answers[: N_UNTIL_FIRST_SCORE - 1]} == {httpx.codes.NO_CONTENT}
    assert [answer.content + b"\n" for answer in answers[N_UNTIL_FIRST_SCORE - 1 :]] == run_scores


def test_inline_scores_are_the_same_bytes(tmp_path: Path, run_scores: list[bytes]) -> None:
    assert engine_run(tmp_path, "--inline") == run_scores


def test_an_output_that_was_read_is_not_given_again(loaded: Server) -> None:
    loaded.run("model", "input", stdin=b"".join(PRICES))
    assert loaded.run("model", "output").stdout
    assert loaded.run("model", "output").stdout == b""


def test_the_demo_leaves_a_picture_and_no_process(tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "demo.demo"],
        cwd=ROOT,
        env=clean_environ({"TMPDIR": str(folder)}),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (ROOT / demo.OUT / "predicted.png").read_bytes().startswith(b"\x89PNG")
    assert list(folder.glob("engine-demo-*")) == []
    assert not processes_that_mention(folder)


def test_a_demo_that_is_interrupted_stops_its_server(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "demo.demo"],
        cwd=ROOT,
        env=clean_environ({"TMPDIR": str(tmp_path)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while "stream attach" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == demo.INTERRUPTED, err
    assert not processes_that_mention(tmp_path)


def processes_that_mention(folder: Path) -> list[str]:
    """Return the command lines on this machine in which the folder occurs."""
    lines = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # not a process, or one that has just ended
            continue
        if str(folder) in line and entry.name != str(os.getpid()):
            lines.append(line)
    return lines
