from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import __version__, errors
from engine.cli import main as _main  # noqa: F401 - the function; the module is in sys.modules
from engine.cli.main import VERBS, root

MAIN = sys.modules["engine.cli.main"]


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["modle"], "No such command 'modle'. Did you mean 'model'?"),
        (["model", "lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["model", "list", "--serveer", "x"], "No such option '--serveer'. Did you mean '--server'?"),
        (["run", "x.py", "--inlin"], "No such option '--inlin'. Did you mean '--inline'?"),
        (["model", "output", "x"], "'x' is not a valid integer"),
        (["model", "output", "--no-wait", "-f"], "--no-wait takes what is there"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_a_command_that_is_not_understood_exits_with_2_and_says_what_was_meant(
    command: Any, args: list[str], part: str
) -> None:
    ran = command(*args)
    assert (ran.code, ran.out) == (2, "")
    assert part in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_with_what_it_is_for(command: Any, verb: str) -> None:
    ran = command(verb, "--help")
    assert ran.code == 0
    assert "Usage: engine" in ran.out


@pytest.mark.parametrize("verb", ["drain", "monitor", "doctor", "snapshot", "sensor", "policy", "image"])
def test_what_does_not_exist_is_not_listed(command: Any, verb: str) -> None:
    assert command(verb).code == 2


def test_the_version_is_printed(command: Any) -> None:
    assert command("--version").out == f"{__version__}\n"


def test_no_verb_is_answered_with_the_help(command: Any) -> None:
    ran = command()
    assert ran.code == 2
    assert "engine init demo" in ran.err


@pytest.mark.parametrize("args", [["inspect"], ["model", "list"], ["pause"], ["inspect", "-o", "json"]])
def test_no_server_exits_with_5_and_says_how_to_start_one(command: Any, args: list[str]) -> None:
    ran = command(*args)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith("Error: No server answers at http://127.0.0.1:1 ")
    assert ran.err.endswith("Start one with: engine serve\n")


def test_a_server_that_is_no_url_is_refused(command: Any) -> None:
    ran = command("inspect", "--server", "localhost:8000")
    assert ran.code == 3
    assert "http://HOST:PORT" in ran.err


def test_an_expected_error_has_a_traceback_only_in_debug(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in command("inspect").err
    assert "Traceback" in command("inspect", "--debug").err
    monkeypatch.setenv("ENGINE_DEBUG", "1")
    assert "Traceback" in command("inspect").err


def test_an_option_after_the_verb_counts_more_than_one_before_it(command: Any, tmp_path: Path) -> None:
    assert (
        command("--library", tmp_path / "a", "schema", "add", "x", "--library", tmp_path / "b", stdin=b'"int"').code
        == 0
    )
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b" / "schemas" / "x.avsc").exists()


def test_the_script_traceback_that_a_server_sends_is_shown(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    error = errors.ActionFailed("begin", "ValueError: x", traceback="  File script.py, line 3")
    error.args = ("begin() failed: ValueError: x.",)

    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(MAIN.root, "main", fail)
    ran = command("model", "load", "x")
    assert ran.code == 4
    assert ran.err == "Error: begin() failed: ValueError: x.\n  File script.py, line 3\n"


def test_an_interrupted_command_exits_with_130(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(root, "invoke", interrupt)
    assert command("inspect").code == 130


def test_a_reader_that_goes_away_is_no_news() -> None:
    line = f"{sys.executable} -m engine completion bash | head -c 1"
    ran = subprocess.run(["bash", "-c", line], capture_output=True, check=False, cwd=Path(__file__).parents[2])
    assert ran.stderr == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_the_verbs(command: Any, shell: str) -> None:
    ran = command("completion", shell)
    assert ran.code == 0
    assert "_ENGINE_COMPLETE" in ran.out


def test_a_shell_completes_names_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    for name in ("double", "dozen", "int"):
        (tmp_path / "schemas" / f"{name}.avsc").write_text('"int"')
    environ = {
        "_ENGINE_COMPLETE": "bash_complete",
        "COMP_WORDS": "engine schema show do",
        "COMP_CWORD": "3",
        "ENGINE_LIBRARY": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "engine"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert ran.stdout.splitlines() == ["plain,double", "plain,dozen"]
