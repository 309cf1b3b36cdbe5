"""Several processes on one library: real ones, since locks and renames are promises of the kernel."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.registry import Library

# Writes 20 contents of its own under a name of its own and under one that all share. A content is 300 kB of one
# repeated line, so that a torn file shows.
WRITER = """
import sys
from pathlib import Path
from engine.registry import Library

models, number = Library(Path(sys.argv[1])).models, sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    content = f"# {number} {turn:3}\\n".encode() * 30_000
    models.put("shared", content)
    models.put(f"own-{number}", content)
"""

# Writes one content after the other, and says which one is next.
ENDLESS_WRITER = """
import itertools, sys
from pathlib import Path
from engine.registry import Library

models = Library(Path(sys.argv[1])).models
for turn in itertools.count(1):
    print(turn, flush=True)
    models.put("score", f"# {turn:5}\\n".encode() * 30_000)
"""

LIMITED_WRITER = """
import resource, sys
from pathlib import Path
from engine.errors import AssetError
from engine.registry import Library

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    Library(Path(sys.argv[1])).models.put("score", b"#" * 200_000)
except AssetError as error:
    print(error)
"""


def start(source: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def is_whole(content: bytes) -> bool:
    lines = content.splitlines()
    return len(lines) == 30_000 and len(set(lines)) == 1


@pytest.mark.integration
def test_many_writers_and_readers_lose_nothing_and_see_no_torn_file(tmp_path: Path) -> None:
    models = Library(tmp_path).models
    writers = [start(WRITER, str(tmp_path), str(number)) for number in range(3)]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    n_reads = 0
    while any(writer.poll() is None for writer in writers):
        for asset in models.list():
            assert is_whole(models.read(asset.name))
            n_reads += 1
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0

    assert n_reads > 0
    assert [asset.name for asset in models.list()] == ["own-0", "own-1", "own-2", "shared"]
    history = models.history("shared")
    assert len(history) == len({asset.sha256 for asset in history}) == 60
    assert all(is_whole(models.read("shared", asset.sha256)) for asset in history)
    assert not list(tmp_path.rglob(".incoming"))


@pytest.mark.integration
def test_a_writer_killed_anywhere_leaves_the_old_or_the_new_content(tmp_path: Path) -> None:
    models = Library(tmp_path).models
    models.put("score", b"# start\n" * 30_000)
    for turn in range(12):
        writer = start(ENDLESS_WRITER, str(tmp_path))
        assert writer.stdout
        for _ in range(turn % 3 + 1):  # let it come to another place each time
            writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()

        assert is_whole(models.read("score"))
        for asset in models.history("score"):
            content = models.read("score", asset.sha256)
            assert is_whole(content)
            assert hashlib.sha256(content).hexdigest() == asset.sha256

    models.put("score", b"# end\n" * 30_000)
    assert is_whole(models.read("score", models.history("score")[-1].sha256))
    assert not list((tmp_path / "model_scripts").glob(".incoming"))


@pytest.mark.integration
def test_a_file_system_that_takes_no_more_leaves_the_old_content(tmp_path: Path) -> None:
    models = Library(tmp_path).models
    models.put("score", b"# old")

    said, _ = start(LIMITED_WRITER, str(tmp_path)).communicate()

    assert "File too large" in said
    assert models.read("score") == b"# old"
    assert len(models.history("score")) == 1
    assert not list(tmp_path.rglob(".incoming"))
