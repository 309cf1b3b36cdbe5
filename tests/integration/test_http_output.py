"""Outputs of a whole command arrive at a peer that fails, and at one whose sender is killed."""

from __future__ import annotations

import signal
import subprocess
from itertools import accumulate
from pathlib import Path

import pytest

from demo.server import PROGRAMS, clean_environ
from tests.peer import Peer

pytestmark = pytest.mark.integration

SUMS = """
import time

def begin():
    global total
    total = 0

def action(x):
    global total
    time.sleep(0.0005)
    total += x
    yield total
"""
N_RECORDS = 4000


def test_outputs_reach_a_peer_that_fails_once_though_the_engine_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(SUMS)
    (tmp_path / "in.jsons").write_text("".join(f"{number}\n" for number in range(1, N_RECORDS + 1)))
    environ = clean_environ({"ENGINE_STATE": str(tmp_path / "state")})
    with Peer() as peer:
        peer.expect([503, 200, "reset", 200, (429, {"Retry-After": "0"}, b""), 200, "hang"])
        command = [PROGRAMS / "engine", "run", tmp_path / "sums.py", tmp_path / "in.jsons", peer.url]
        engine = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
        peer.wait_for(7)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        resumed = subprocess.run([*command, "--resume"], env=environ, capture_output=True, text=True, check=False)
        assert resumed.returncode == 0, resumed.stderr
        requests = list(peer.requests)
    bodies = {request.key: request.body for request in requests}
    assert all(bodies[request.key] == request.body for request in requests)
    assert len(bodies) < len(requests)
    in_order = sorted(bodies, key=lambda key: int(key.rpartition("/")[2]))
    outputs = [int(line) for key in in_order for line in bodies[key].split()]
    assert outputs == list(accumulate(range(1, N_RECORDS + 1)))
