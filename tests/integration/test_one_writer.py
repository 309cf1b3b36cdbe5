"""Two whole commands that are told to write the same file."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from demo.server import PROGRAMS, clean_environ

pytestmark = pytest.mark.integration

HELD = """
import pathlib
import time

def action(x):
    if x == 3:
        pathlib.Path({reached!r}).touch()
    while x == 3 and not pathlib.Path({go!r}).exists():
        time.sleep(0.01)
    yield x
"""


def test_the_second_of_two_runs_into_one_file_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    go, reached, out = tmp_path / "go", tmp_path / "reached", tmp_path / "out.jsons"
    (tmp_path / "held.py").write_text(HELD.format(go=str(go), reached=str(reached)))
    (tmp_path / "a.jsons").write_text("1\n2\n3\n4\n")
    (tmp_path / "b.jsons").write_text("5\n")
    environ = clean_environ({"ENGINE_STATE": str(tmp_path / "state")})
    command = [PROGRAMS / "engine", "run", "held.py"]

    def start() -> subprocess.Popen[bytes]:
        """Begin, or go on, and stand still at the third record."""
        reached.unlink(missing_ok=True)
        run = subprocess.Popen(
            [*command, "--resume", "a.jsons", "out.jsons"], cwd=tmp_path, env=environ, stderr=subprocess.DEVNULL
        )
        deadline_s = time.monotonic() + 90
        while not reached.exists():
            assert run.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        return run

    def refused(*arguments: str) -> str:
        before = out.read_bytes()
        ran = subprocess.run(
            [*command, *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, out.read_bytes().startswith(before)) == (1, True)
        return ran.stderr

    first = start()
    assert f"{out} failed: another process writes it" in refused("b.jsons", "out.jsons")
    first.send_signal(signal.SIGKILL)
    first.wait()
    first = start()
    assert f"{out} failed: another process writes it" in refused("b.jsons", "out.jsons")
    go.touch()
    assert first.wait(90) == 0
    assert out.read_text() == "1\n2\n3\n4\n"
