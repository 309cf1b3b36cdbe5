"""What only a whole process, with its signals, pipes and terminal, can show."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.cli.sample import FILES

pytestmark = pytest.mark.integration

ENGINE = [sys.executable, "-m", "engine"]
ROOT = Path(__file__).parents[2]


ECHO = """
import time

def action(x):
    if x >= 100:
        print("at work", flush=True)
        time.sleep(0.1)
    return x
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "echo.py").write_text(ECHO)
    return tmp_path


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def is_promise(line: bytes) -> bool:
    return line.startswith(b"Slot ")


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "options"), [(signal.SIGINT, []), (signal.SIGINT, ["--inline"]), (signal.SIGTERM, [])]
)
def test_ctrl_c_ends_a_run_with_130_and_leaves_whole_records(
    sample: Path, number: signal.Signals, options: list[str]
) -> None:
    pipe = subprocess.PIPE
    command = [*ENGINE, "run", "echo.py", "-", "out.jsons", *options]
    with subprocess.Popen(command, cwd=sample, env=environ(), stdin=pipe, stderr=pipe) as ran:
        assert ran.stdin is not None
        assert ran.stderr is not None
        ran.stdin.write(b"1\n2\n3\n")
        ran.stdin.flush()
        until(lambda: (sample / "out.jsons").exists() and (sample / "out.jsons").read_bytes() == b"1\n2\n3\n")
        ran.stdin.write(b"".join(b"%d\n" % i for i in range(100, 1000)))
        ran.stdin.flush()
        said = iter(ran.stderr.readline, b"")
        assert next(line for line in said if not is_promise(line)) == b"at work\n"
        ran.send_signal(number)
        ran.wait(timeout=20)  # far less than the 90 s that the records would take
        err = ran.stderr.read()
    assert ran.returncode == 130
    assert err.replace(b"at work\n", b"").strip() == b"Interrupted."
    lines = (sample / "out.jsons").read_bytes()
    assert lines.startswith(b"1\n2\n3\n")
    assert lines.endswith(b"\n")


def test_a_run_in_the_background_of_a_script_ends_when_it_is_told_to(sample: Path) -> None:
    """There a shell has its jobs ignore SIGINT, and what they start."""
    line = f"{sys.executable} -m engine run echo.py - out.jsons < <(echo 1; sleep 60) & echo $!; wait"
    with subprocess.Popen(["bash", "-c", line], cwd=sample, env=environ(), stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        pid = int(shell.stdout.readline())
        until(lambda: (sample / "out.jsons").exists() and (sample / "out.jsons").read_bytes() == b"1\n")
        os.kill(pid, signal.SIGTERM)
        shell.wait(timeout=20)


def test_scores_come_out_as_the_records_come_in(sample: Path) -> None:
    command = [*ENGINE, "run", "echo.py"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=sample, env=environ(), stdin=pipe, stdout=pipe, stderr=pipe) as ran:
        assert ran.stdin is not None
        assert ran.stdout is not None
        for record in (b"1\n", b"2\n"):
            ran.stdin.write(record)
            ran.stdin.flush()
            assert ran.stdout.readline() == record
        ran.communicate(timeout=30)
    assert ran.returncode == 0


def test_a_reader_that_has_enough_ends_a_run_quietly(sample: Path) -> None:
    (sample / "many.jsons").write_text("1\n" * 100_000)
    line = f"{sys.executable} -m engine run echo.py many.jsons - | head -1"
    ran = subprocess.run(["bash", "-c", line], cwd=sample, env=environ(), capture_output=True, timeout=60, check=True)
    assert ran.stdout == b"1\n"
    assert [line for line in ran.stderr.splitlines() if not is_promise(line)] == []


def on_terminal(command: list[str], folder: Path) -> str:
    """Return what a command shows on a terminal."""
    master, slave = pty.openpty()
    shown = b""
    with subprocess.Popen(command, cwd=folder, env=environ(), stdin=slave, stdout=slave, stderr=slave) as ran:
        os.close(slave)
        for piece in _read_terminal(master):
            shown += piece
    os.close(master)
    assert ran.returncode == 0, shown
    return shown.decode()


def _read_terminal(master: int) -> Iterator[bytes]:
    while select.select([master], [], [], 30)[0]:
        try:
            yield os.read(master, 65536)
        except OSError:  # how Linux tells that the other side is closed
            return


def test_a_person_sees_a_progress_bar(sample: Path) -> None:
    (sample / "slow.py").write_text("import time\n\ndef action(x):\n    time.sleep(0.1)\n    yield x\n")
    shown = on_terminal([*ENGINE, "run", "slow.py", "prices.jsons", "out.jsons"], sample)
    assert "10 records" in shown
    promise, _, bar = shown.partition("━")
    assert bar
    assert "Slot 0" in promise
    assert "Slot 0" not in bar


def test_a_person_sees_a_drawn_table_and_binary_records_in_hexadecimal(sample: Path) -> None:
    assert "─" in on_terminal([*ENGINE, "schema", "list", "--library", "."], sample)
    shown = on_terminal([*ENGINE, "stream", "sample", "inline:%00%01", "--library", "."], sample)
    assert "00000000  00 01" in shown
