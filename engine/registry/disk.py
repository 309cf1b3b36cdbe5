"""Writes that are there as a whole or not at all, whatever kills the process or the machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Where a file is written before it takes its name. One name is enough, since writers hold the library's lock, and
# what a killed writer left is overwritten by the next one. Assets never begin with a dot, so nobody lists it.
_INCOMING = ".incoming"


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold the lock file `lock`, against other processes and other threads alike; the kernel frees it at our death."""
    make_folder(lock.parent)
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_folder(folder: Path) -> None:
    """Create `folder` and what is above it, so that a power cut does not take them back."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`: readers see the old file or the new one. The caller holds the lock."""
    make_folder(path.parent)
    incoming = path.with_name(_INCOMING)
    try:
        with incoming.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        incoming.replace(path)
    except BaseException:
        incoming.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append a line to `path`, cutting off what a killed writer left of one. The caller holds the lock."""
    make_folder(path.parent)
    is_new = not path.exists()
    with path.open("ab+") as file:
        file.seek(0)
        whole_bytes = file.read().rfind(b"\n") + 1
        file.truncate(whole_bytes)
        try:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), whole_bytes)
            raise
    if is_new:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
