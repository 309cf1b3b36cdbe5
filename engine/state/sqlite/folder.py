"""The folder of a store: its lock, its epoch, and what a power loss must not take of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import zlib
from pathlib import Path

from engine.errors import StateLocked
from engine.state.sqlite.failures import failed

FILE = "commits.db"
"""The store's file; SQLite puts ``-wal`` and ``-shm`` beside it."""

_PREFIX = "engine-volatile-"


def sync_folder(path: Path) -> None:
    """Make what was created or renamed in a folder survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Folder:
    """A folder that one process at a time may write to.

    Parameters
    ----------
    path : Path
        The folder; it is made if it is missing.

    Raises
    ------
    StateLocked
        Another process has it.
    StoreFailed
        It cannot be made.
    """

    is_volatile = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / FILE
        self._epoch = path / "epoch"
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not self.was_used:  # an earlier process may have died between making a folder and this
                for folder in path.absolute().parents:
                    sync_folder(folder)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as exc:
            raise failed(path, exc) from exc
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(self._lock, 0)
            os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        except BlockingIOError as exc:
            pid = os.pread(self._lock, 20, 0)  # as long as a number of 64 bits
            os.close(self._lock)
            raise StateLocked(str(path), int(pid) if pid.isdigit() else None) from exc
        except OSError as exc:
            os.close(self._lock)
            raise failed(path, exc) from exc

    @property
    def was_used(self) -> bool:
        """Whether there was a whole store in it: the epoch is written after it, be it readable or not."""
        return self._epoch.exists()

    def read_epoch(self) -> int:
        """Return the epoch that is noted beside the store; 0 if there is none, or it is damaged."""
        with contextlib.suppress(OSError, ValueError):
            number, checksum = self._epoch.read_bytes().split()
            if int(checksum, 16) == zlib.crc32(number):
                return int(number)
        return 0

    def write_epoch(self, epoch: int) -> None:
        """Note the epoch, and make this and all other names in the folder survive a power loss."""
        number = str(epoch).encode()
        waiting = self._epoch.with_suffix(".new")
        with waiting.open("wb") as file:
            file.write(b"%s %08x\n" % (number, zlib.crc32(number)))
            file.flush()
            if not self.is_volatile:
                os.fsync(file.fileno())
        waiting.replace(self._epoch)
        self.sync()

    def sync(self) -> None:
        """Make the names in the folder survive a power loss."""
        if not self.is_volatile:
            sync_folder(self.path)

    def empty(self) -> None:
        """Remove the store, and all that is noted of it."""
        for path in sorted(self.path.glob(f"{FILE}*")):
            path.unlink()
        self._epoch.unlink(missing_ok=True)
        self.sync()

    def release(self) -> None:
        """Let other processes have it."""
        with contextlib.suppress(OSError):
            os.truncate(self._lock, 0)
        os.close(self._lock)


class VolatileFolder(Folder):
    """A folder that is gone with the process: at the latest, the next one that makes such a folder removes it."""

    is_volatile = True

    def __init__(self) -> None:
        root = Path(tempfile.gettempdir())
        for path in root.glob(f"{_PREFIX}*"):
            _remove_abandoned(path)
        super().__init__(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root)))

    def release(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        super().release()


def _remove_abandoned(path: Path) -> None:
    """Remove the folder of a process that was killed. One without a lock yet is about to be used."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.pread(descriptor, 1, 0):  # not between its making and its locking
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)
