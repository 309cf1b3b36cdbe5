"""What the tests of power losses rest on: the notes of a process's writes, and what may be left of them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.disks import Recording

SETTING = """
import os, sys
folder = os.open(".", os.O_DIRECTORY)
def sync(fd): os.fdatasync(fd)
def put(name, data, flags=os.O_WRONLY | os.O_CREAT):
    fd = os.open(name, flags, 0o600)
    os.write(fd, data)
    return fd
"""


def left_of(tmp_path: Path, program: str, n: int = 200, **options: object) -> set[tuple[tuple[str, bytes], ...]]:
    """Run a program in a recorded folder and return what power losses at its end leave, as files and contents."""
    folder = tmp_path / "folder"
    folder.mkdir()
    recording = Recording(folder, tmp_path)
    environ = {**os.environ, **recording.environ}
    subprocess.run([sys.executable, "-c", SETTING + program], cwd=folder, env=environ, check=True)
    found = set()
    for seed in range(n):
        target = tmp_path / f"left-{seed}"
        recording.leave(target, recording.position, random.Random(seed), **options)
        files = sorted(path for path in target.rglob("*") if path.is_file())
        found.add(tuple((str(path.relative_to(target)), path.read_bytes()) for path in files))
    return found


@pytest.mark.parametrize(
    ("program", "left"),
    [
        ("sync(put('a', b'1')); os.fsync(folder)", {(("a", b"1"),)}),
        ("put('a', b'1'); os.fsync(folder)", {(("a", b""),), (("a", b"1"),)}),
        ("sync(put('a', b'1'))", {(), (("a", b"1"),)}),
        (
            "fd = put('a', b'1'); sync(fd); os.fsync(folder); os.write(fd, b'2'); os.write(fd, b'3')",
            {(("a", content),) for content in (b"1", b"12", b"1\0" + b"3", b"123")},
        ),
        ("fd = put('a', b'123'); sync(fd); os.fsync(folder); os.ftruncate(fd, 1)", {(("a", b"123"),), (("a", b"1"),)}),
        (
            "sync(put('a', b'1')); sync(put('b', b'2')); os.fsync(folder); os.rename('b', 'a')",
            {(("a", b"1"), ("b", b"2")), (("a", b"2"),)},
        ),
        (
            "sync(put('a', b'1')); sync(put('b', b'2')); os.rename('b', 'a'); os.fsync(folder)",
            {(("a", b"2"),)},
        ),
        ("sync(put('a', b'1')); os.fsync(folder); os.unlink('a')", {(("a", b"1"),), ()}),
        ("os.mkdir('d'); sync(put('d/a', b'1')); os.fsync(os.open('d', os.O_DIRECTORY))", {(), (("d/a", b"1"),)}),
        (
            "sync(put('a', b'1')); os.fsync(folder); os.pwrite(put('a', b'2', os.O_WRONLY | os.O_TRUNC), b'3', 0)",
            {(("a", content),) for content in (b"1", b"2", b"3", b"")},
        ),
    ],
)
def test_what_was_synced_is_left_and_any_part_of_the_rest(
    tmp_path: Path, program: str, left: set[tuple[tuple[str, bytes], ...]]
) -> None:
    assert left_of(tmp_path, program) == left


def test_a_write_is_torn_at_sectors(tmp_path: Path) -> None:
    left = left_of(tmp_path, "fd = put('a', b''); os.fsync(folder); os.write(fd, b'x' * 1024)")
    half = b"x" * 512
    assert {content for ((_, content),) in left} == {b"", half, bytes(512) + half, half + half}


def test_a_sync_that_does_not_count_leaves_what_a_missing_one_would(tmp_path: Path) -> None:
    left = left_of(tmp_path, "sync(put('a', b'1')); os.fsync(folder)", is_synced=lambda path: not path.endswith("a"))
    assert left == {(("a", b""),), (("a", b"1"),)}


def test_the_files_of_a_database_are_noted_to_the_last_byte(tmp_path: Path) -> None:
    program = """
import sqlite3
db = sqlite3.connect("db", isolation_level=None)
db.execute("pragma journal_mode = wal")
db.execute("pragma synchronous = full")
db.execute("create table t (a)")
for n in range(300):
    db.execute("insert into t values (?)", [str(n) * 100])
sync(put("copy", open("db", "rb").read()))
sync(put("copy-wal", open("db-wal", "rb").read()))
os.fsync(folder)
os._exit(0)
"""
    (files,) = left_of(tmp_path, program, n=3)
    contents = dict(files)
    assert contents["db"] == contents["copy"]
    assert contents["db-wal"] == contents["copy-wal"]
