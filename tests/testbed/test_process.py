"""A server of the testbed ends with whoever started it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.process import ServerProcess

pytestmark = pytest.mark.integration

OWNER = """
import sys, time
from pathlib import Path
from testbed.process import ServerProcess
scratch = Path(sys.argv[1])
print(ServerProcess(["sleep", "600"], scratch, scratch / "log").pid, flush=True)
time.sleep(600)
"""


def test_a_server_ends_and_its_folder_goes_when_its_owner_is_killed(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", OWNER, scratch], stdout=subprocess.PIPE, text=True, cwd=root) as owner:
        assert owner.stdout is not None
        server = os.pidfd_open(int(owner.stdout.readline()))
        owner.kill()
    assert select.select([server], [], [], 60)[0], "the server outlived its owner"
    os.close(server)
    deadline = time.monotonic() + 60
    while scratch.exists() and time.monotonic() < deadline:  # the guard removes it right after
        time.sleep(0.01)
    assert not scratch.exists()


def test_a_stopped_server_leaves_its_folder(tmp_path: Path) -> None:
    server = ServerProcess(["sleep", "600"], tmp_path, tmp_path / "log")
    assert server.is_running
    server.stop()
    assert not server.is_running
    assert (tmp_path / "log").exists()


def test_a_server_that_does_not_hear_of_stopping_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.process.STOP_LIMIT_S", 0.2)
    script = 'trap "" TERM; echo deaf; while :; do read -r _ < /dev/zero; done'
    server = ServerProcess(["sh", "-c", script], tmp_path, tmp_path / "log")
    server.stop()
    assert not server.is_running


def test_what_is_left_of_a_server_that_ended_by_itself_goes_with_kill(tmp_path: Path) -> None:
    server = ServerProcess(["true"], tmp_path, tmp_path / "log")
    while server.is_running:
        time.sleep(0.01)
    for _ in range(2):
        server.kill()
    assert server._guard.poll() is not None


def test_a_suspended_server_can_be_stopped(tmp_path: Path) -> None:
    server = ServerProcess(["sleep", "600"], tmp_path, tmp_path / "log")
    server.suspend()
    server.stop()
    assert not server.is_running


def test_the_log_says_what_the_server_said_without_the_stacks(tmp_path: Path) -> None:
    script = r"echo one; printf '\tat Main.java\n' >&2; echo two; exec sleep 600"
    server = ServerProcess(["sh", "-c", script], tmp_path, tmp_path / "log")
    while "two" not in server.log.read_text():
        assert server.is_running
    server.kill()
    assert server.log_tail() == "one\ntwo"
