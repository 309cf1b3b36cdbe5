"""A full disk: the engine says so, takes nothing that it cannot keep, and goes on when there is room again."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from engine.torture.peers import RECORDS_TYPE, Line, is_healthy, put
from engine.torture.stages import engine_environ, free_port
from engine.torture.victim import Victim

SIZE = 4 << 20
ROOM = 300_000  # what the ballast leaves
N_RECORDS = 4_000
WAIT_S = 90.0  # for what takes a second or two
SCRIPT = """
import time

n = 0

def action(x):
    global n
    time.sleep(0.0005)
    n += 1
    yield {"x": x, "n": n, "filler": "." * 200}
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    owner = f"uid={os.geteuid()},gid={os.getegid()}"
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", f"size={SIZE},{owner}", "small", str(folder)]
    if (as_root and not shutil.which("sudo")) or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs to mount a small file system: run as root, in a container with --cap-add SYS_ADMIN")
    try:
        yield folder
    finally:
        subprocess.run([*as_root, "umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    for part in ("model_scripts", "schemas"):
        (folder / part).mkdir(parents=True)
    (folder / "model_scripts" / "count.py").write_text(SCRIPT)
    (folder / "streams").mkdir()
    (folder / "inputs.jsons").write_text("".join(f"{x}\n" for x in range(N_RECORDS)))
    stream = {
        "Transport": {"Type": "file", "Path": str(folder / "inputs.jsons")},
        "Encoding": "json",
        "Batching": {"Watermark": 100, "NagleTime": 0},  # commits from the beginning to the end
    }
    (folder / "streams" / "inputs.json").write_text(json.dumps(stream))
    return folder


def expected(n: int) -> list[Any]:
    return [{"x": x, "n": x + 1, "filler": "." * 200} for x in range(n)]


def fill(folder: Path, room: int = ROOM) -> Path:
    """Leave little room on a disk; return the file that takes the rest."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # others may take some meanwhile
        file.write(bytes(free - room))
        while not room:
            file.write(bytes(4096))
    return ballast


def wait_for(condition: Callable[[], bool], victim: Victim) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert victim.poll() is None, victim.log_tail()
        assert time.monotonic() < deadline_s, victim.log_tail()
        time.sleep(0.01)


@pytest.mark.parametrize("full", ["outputs", "state"])
def test_a_run_waits_for_room_says_so_and_ends_with_every_output(
    small_disk: Path, library: Path, tmp_path: Path, full: str
) -> None:
    places = {part: (small_disk if part == full else tmp_path) / part for part in ("outputs", "state")}
    output, log = places["outputs"].with_suffix(".jsons"), tmp_path / "engine.log"
    command = ["run", library / "model_scripts" / "count.py", "inputs", output]
    command = [sys.executable, "-m", "engine", *map(str, command), "--state", str(places["state"])]
    victim = Victim(command, tmp_path, log, engine_environ())
    try:
        wait_for(lambda: output.exists() and output.stat().st_size > 0, victim)
        ballast = fill(small_disk, room=0)
        wait_for(lambda: "No space left" in log.read_text() or "is full" in log.read_text(), victim)
        assert str(small_disk) in log.read_text().splitlines()[-1]
        ballast.unlink()
        assert victim.wait() == 0, victim.log_tail()
    finally:
        victim.kill()
    assert [json.loads(line) for line in output.read_bytes().splitlines()] == expected(N_RECORDS)


def test_a_server_refuses_what_it_cannot_keep_and_takes_it_when_there_is_room(
    small_disk: Path, library: Path, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "engine.log"
    command = ["serve", "--library", str(library), "--state", str(small_disk / "state"), "--port", str(port)]
    victim = Victim([sys.executable, "-m", "engine", *command], tmp_path, log, engine_environ())
    line = Line(port, threading.Event())
    try:
        wait_for(lambda: is_healthy(port), victim)
        put(port, "/engine/model", b'{"name": "count"}')
        put(port, "/engine/streams/1", b'{"descriptor": "rest:"}')
        put(port, "/engine/streams/0", b'{"descriptor": {"Transport": "REST", "Encoding": "json", "Durable": "disk"}}')
        ballast = fill(small_disk)
        n_accepted, refusal = 0, b""
        while not refusal:
            status, said = send(line, n_accepted)
            assert status in (http.client.ACCEPTED, http.client.SERVICE_UNAVAILABLE), said
            assert n_accepted < N_RECORDS, "the disk did not fill"
            n_accepted += 100 * (status == http.client.ACCEPTED)
            refusal = said if status == http.client.SERVICE_UNAVAILABLE else b""
        assert str(small_disk) in json.loads(refusal)["detail"]
        assert send(line, n_accepted)[0] == http.client.SERVICE_UNAVAILABLE

        ballast.unlink()
        while (answer := send(line, n_accepted))[0] == http.client.SERVICE_UNAVAILABLE:
            assert victim.poll() is None, victim.log_tail()
            time.sleep(0.05)
        assert answer[0] == http.client.ACCEPTED, answer
        n_accepted += 100
        assert read(line, n_accepted) == expected(n_accepted)
        assert victim.stop() == 0, victim.log_tail()
    finally:
        line.close()
        victim.kill()


def test_what_a_full_server_took_before_it_was_killed_is_scored_once(
    small_disk: Path, library: Path, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "engine.log"
    command = ["serve", "--library", str(library), "--state", str(small_disk / "state"), "--port", str(port)]
    line, n_accepted, ballast = Line(port, threading.Event()), 0, None
    for life in range(2):
        victim = Victim([sys.executable, "-m", "engine", *command], tmp_path, log, engine_environ())
        try:
            wait_for(lambda victim=victim: is_healthy(port), victim)
            if not life:
                put(port, "/engine/model", b'{"name": "count"}')
                put(port, "/engine/streams/1", b'{"descriptor": "rest:"}')
                put(port, "/engine/streams/0", b'{"descriptor": "rest:"}')
                ballast = fill(small_disk)
                while send(line, n_accepted)[0] == http.client.ACCEPTED:
                    n_accepted += 100
                    assert n_accepted < N_RECORDS, "the disk did not fill"
                ballast.unlink()
            else:
                assert read(line, n_accepted) == expected(n_accepted)
        finally:
            victim.kill()
            line.close()


def send(line: Line, first: int) -> tuple[int, bytes]:
    """Send the next hundred records, under the key that they always have."""
    body = "".join(f"{x}\n" for x in range(first, first + 100)).encode()
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"from-{first}"}
    answer = line.ask("POST", "/input/0", body, headers)
    assert answer is not None
    return answer[0], answer[2]


def read(line: Line, n: int) -> list[Any]:
    """Read outputs and acknowledge them until there are so many, and nothing more comes."""
    outputs: list[Any] = []
    is_settled = False
    deadline_s = time.monotonic() + WAIT_S
    while not (is_settled and len(outputs) >= n):
        assert time.monotonic() < deadline_s, f"{len(outputs)} of {n} outputs came"
        answer = line.ask("GET", f"/output/1?after={len(outputs)}&wait=1s", None, {"Accept": RECORDS_TYPE})
        assert answer is not None
        values = msgpack.unpackb(answer[2]) if answer[2] else []
        outputs += map(json.loads, values)
        is_settled = not values and answer[1].get("Engine-Settled") == "true"
    return outputs
