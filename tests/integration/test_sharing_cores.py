"""What is said of cores and devices reaches the script, and what predictors did comes back; all by the commands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from demo import demo
from demo.server import PROGRAMS, Server, clean_environ

NAMES = ("ENGINE_THREADS", "ENGINE_DEVICE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TELLS = f"""
import os
def action(x):
    yield [os.environ.get(name) for name in {NAMES}]
"""


def run(folder: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script that tells its environment on one record."""
    (folder / "tells.py").write_text(TELLS)
    command = [PROGRAMS / "engine", "run", *options, "tells.py", "inline:1", "-"]
    environ = clean_environ({"ENGINE_STATE": str(folder / ".state"), **environ})
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("options", "environ", "told"),
    [
        (["--cpus", "1"], {}, ["1", None, "1", "1", "1"]),
        (["--cpus", "1.5", "--device", "CPU"], {}, ["2", "cpu", "2", "2", "2"]),
        ([], {"ENGINE_CPUS": "3", "OMP_NUM_THREADS": "7"}, ["3", None, "7", "3", "3"]),
        (["--cpus", "4"], {"ENGINE_CPUS": "1", "ENGINE_THREADS": "5"}, ["5", None, "5", "5", "5"]),
        (["--cpus", "2"], {"ENGINE_JETS": "2"}, ["1", None, "1", "1", "1"]),
    ],
)
def test_the_cores_that_are_given_reach_the_script(
    tmp_path: Path, options: list[str], environ: dict[str, str], told: list[str | None]
) -> None:
    ran = run(tmp_path, *options, **environ)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == told


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        ("--cpus", "0", "such as 2 or 1.5"),
        ("--cpus", "", "such as"),
        ("--cpus", "२", "such as"),
        ("--device", "tpu", "gpu:0"),
    ],
)
def test_what_is_no_number_of_cores_or_no_device_is_refused(tmp_path: Path, option: str, value: str, fix: str) -> None:
    ran = run(tmp_path, option, value)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert fix in ran.stderr


def ask(server: Server, *command: str, stdin: bytes = b"") -> Any:
    ran = server.run(*command, "-o", "json", stdin=stdin)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_server_tells_where_the_time_of_its_model_goes(tmp_path: Path) -> None:
    with Server(tmp_path, library=demo.ROOT, options=["--cpus", "1"]) as server:
        assert "1 core (given) for the engine and 1 jet; 1 thread" in server.log.read_text()
        assert ask(server, "model", "profile") is None
        assert server.run("model", "profile").stderr == b"No model is loaded.\n"
        server.run("model", "load", "tf_sp500_lstm")
        for slot in ("0", "1"):
            server.run("stream", "attach", "rest:", slot)
        server.run("model", "input", stdin=b"".join(b"%d.5\n" % (2000 + day) for day in range(40)))
        assert len(server.run("model", "output", "-n", "11").stdout.splitlines()) == 11
        profile = ask(server, "model", "profile")
        [lstm] = profile["predictors"]
        assert (lstm["name"], lstm["device"], lstm["n_rows"]) == ("lstm.onnx", "cpu", 11)
        assert profile["action"]["count"] == 40
        assert profile["commit"]["count"] >= 1
        shown = server.run("model", "profile")
        assert b"lstm.onnx" in shown.stdout
        assert b"lstm.onnx runs on cpu" in server.run("inspect").stderr
        server.run("reset")
        assert ask(server, "model", "profile") is None


def test_a_run_says_at_its_end_what_its_predictor_did_and_with_which_cores(tmp_path: Path) -> None:
    command = [PROGRAMS / "engine", "run", "--cpus", "1", demo.ROOT / "model_scripts/tf_sp500_lstm.py"]
    prices = b"".join(b"%d.5\n" % (2000 + day) for day in range(40))
    ran = subprocess.run(
        command, input=prices, cwd=tmp_path, env=clean_environ({"ENGINE_STATE": str(tmp_path)}), capture_output=True
    )
    assert ran.returncode == 0, ran.stderr
    said = ran.stderr.decode().splitlines()
    assert said[-2] == "1 core (given) for the engine and 1 jet; 1 thread for each predictor of it."
    assert said[-1].startswith("lstm.onnx on cpu: 11 rows in ")
