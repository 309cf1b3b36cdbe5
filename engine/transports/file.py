"""Files, named pipes, and ``-`` for standard input and output."""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.errors import DeliveryFailed, DiskFull, EndOfStream, OutputInUse, StreamChanged, StreamError
from engine.record import Position
from engine.transports.holds import HOLDS, FileId
from engine.transports.interruptible import InterruptibleFile

if TYPE_CHECKING:
    from engine.state.commits import OutputFence

STANDARD = "-"
_NAMES = MappingProxyType({0: "standard input", 1: "standard output"})
# A pipe that poll() calls writable takes this much without blocking; a write that cannot block can be interrupted.
_PIPE_WRITE_BYTES = select.PIPE_BUF
_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNSYNCED = (errno.EACCES, errno.EINVAL)  # a folder that may not be read, or a file system that syncs none


def _open(path: str, flags: int, standard_fd: int) -> InterruptibleFile:
    """Open a path, or a second handle of a standard stream, so that closing it leaves the first one open."""
    if path == STANDARD:
        return InterruptibleFile(os.dup(standard_fd))
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)  # the umask takes from this what it should
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise IsADirectoryError(None, "Is a directory")
    return InterruptibleFile(fd)


class FileSource:
    """The bytes of a file, up to the end that it has when the reader gets there.

    Raises
    ------
    StreamError
        The file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._name = _NAMES[0] if path == STANDARD else path
        self._is_at_end = False
        try:
            self._file = _open(path, os.O_RDONLY, 0)
        except OSError as exc:
            raise self._failed(exc) from exc

    def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return what is there as soon as anything is."""
        with self._file.in_use:
            if self._is_at_end or self._file.is_closed:
                raise EndOfStream
            is_ready = self._file.wait(select.POLLIN, timeout_s)
            if self._file.is_closed:
                raise EndOfStream
            if not is_ready:
                return b""
            try:
                data = os.read(self._file.fd, max_bytes)
            except BlockingIOError:  # another reader of the same pipe was faster
                return b""
            except OSError as exc:
                raise self._failed(exc) from exc
        if not data:
            self._is_at_end = True
            raise EndOfStream
        return data

    def seek(self, offset: int) -> None:
        """Go on reading at a byte counted from the file's first, also after its end was reached.

        Raises
        ------
        EndOfStream
            The source is closed.
        StreamError
            A pipe or a terminal.
        """
        with self._file.in_use:
            if self._file.is_closed:
                raise EndOfStream
            try:
                os.lseek(self._file.fd, offset, os.SEEK_SET)
            except OSError as exc:
                raise self._failed(exc) from exc
            self._is_at_end = False

    def resume(self, offset: int) -> None:
        """Go on reading where another process had come to.

        Raises
        ------
        StreamChanged
            It cannot be the file that was read: it is shorter, or it is none.
        """
        if not self._file.is_regular:
            raise StreamChanged(self._name, "cannot be gone on with: what was read of it is gone")
        if (size_bytes := os.fstat(self._file.fd).st_size) < offset:
            reason = f"has {size_bytes} bytes, and {offset} were read: it is not the file that was read before"
            raise StreamChanged(self._name, reason)
        self.seek(offset)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _failed(self, exc: OSError) -> StreamError:
        return StreamError(f"Cannot read {self._name}: {exc.strerror}.")


class FileSink:
    """Bytes into a file, cut back to what was last safe when a write fails.

    As long as it is open no sink of another process writes the same file; a process that is killed lets go of it.
    Readers are not held up, nor is anybody by a pipe, a device or standard output.

    Parameters
    ----------
    path : str
        An existing file is emptied when the sink is opened, unless `is_append`.
    fence : OutputFence, optional
        How far it was written before. The file is then cut to that, and written on.

    Raises
    ------
    DeliveryFailed
        The file cannot be opened.
    OutputInUse
        Another process writes it. It is left as it is.
    StreamChanged
        It is not the file of the fence. It is left as it is.
    """

    def __init__(self, path: str, *, is_append: bool = False, fence: OutputFence | None = None) -> None:
        self._name = _NAMES[1] if path == STANDARD else path
        is_resumed = fence is not None and bool(fence.identity)  # without one, nothing of ours was ever in a file
        # Of a file in a folder that may not be looked into, Path.exists raises what _open says better.
        is_new = path != STANDARD and not os.path.exists(path)  # noqa: PTH110
        if is_new and is_resumed:
            raise StreamChanged(path, "is not there any more, and was written before")
        try:
            self._file = _open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if is_append else 0), 1)
        except OSError as exc:
            raise self._failed(exc) from exc
        self._is_regular = self._file.is_regular
        self._can_cut = self._is_regular and path != STANDARD  # what others wrote to our standard output is theirs
        self._length = self._safe_length = 0
        self._held: FileId | None = None
        try:
            if self._can_cut:
                self._take()
                self._length = self._safe_length = self._size_bytes
            if not is_append and not is_resumed:
                self._safe_length = 0
                self._cut()
            if fence is not None and is_resumed:
                self._resume(fence)
            if is_new and self._is_regular:
                self._sync_folder(path)
        except BaseException:
            self._file.close(self._release)
            raise

    @property
    def identity(self) -> str:
        """The file's device and inode; empty for what is no file."""
        if not self._can_cut:
            return ""
        status = os.fstat(self._file.fd)
        return f"{status.st_dev}:{status.st_ino}"

    def write(self, data: bytes) -> None:
        """Hand the bytes to the system. A reader of standard output that went away is its ``__cause__``."""
        rest = memoryview(data)
        with self._file.in_use:
            while rest:
                if self._file.is_closed or (not self._is_regular and not self._file.wait(select.POLLOUT, None)):
                    raise DeliveryFailed(self._name, "it is closed")
                try:
                    n_written = os.write(self._file.fd, rest if self._is_regular else rest[:_PIPE_WRITE_BYTES])
                except BlockingIOError:  # another writer of the same pipe was faster
                    continue
                except OSError as exc:
                    self._cut()
                    raise self._failed(exc, is_cut=self._can_cut) from exc
                self._length += n_written
                rest = rest[n_written:]

    def flush(self) -> Position:
        """Make the bytes survive a power loss, where the file is on a disk; return its length."""
        with self._file.in_use:
            if self._file.is_closed:
                raise DeliveryFailed(self._name, "it is closed")
            self._sync()
        return self._length

    def cut(self, position: Position) -> None:
        """Take away the bytes behind the position; what a pipe, a device or standard output has got stays there."""
        with self._file.in_use:
            if self._file.is_closed:
                raise DeliveryFailed(self._name, "it is closed")
            self._safe_length = position
            self._cut()
            self._sync()

    def close(self) -> None:
        """Flush and close; of standard output, only the handle."""
        self._file.close(self._finish)

    @property
    def _size_bytes(self) -> int:
        return os.fstat(self._file.fd).st_size

    def _take(self) -> None:
        """Keep other writers away until it is closed, or this process has ended in whatever way."""
        try:
            self._held = HOLDS.take(self._file.fd)
        except BlockingIOError as exc:
            raise OutputInUse(self._name) from exc
        except OSError as exc:
            raise self._failed(exc) from exc

    def _release(self) -> None:
        if self._held is not None:
            HOLDS.release(self._held)
            self._held = None

    def _finish(self) -> None:
        try:
            self._sync()
        finally:
            self._release()

    def _sync(self) -> None:
        if self._is_regular:
            try:
                os.fdatasync(self._file.fd)
            except OSError as exc:
                self._cut()
                raise self._failed(exc, is_cut=self._can_cut) from exc
        self._safe_length = self._length

    def _cut(self) -> None:
        """Take away what is behind the last safe byte; never put anything there."""
        if self._can_cut:
            try:
                if (size_bytes := self._size_bytes) < self._safe_length:
                    reason = f"it has {size_bytes} bytes, and {self._safe_length} were written: something has cut it"
                    raise DeliveryFailed(self._name, reason)
                os.ftruncate(self._file.fd, self._safe_length)
                os.lseek(self._file.fd, self._safe_length, os.SEEK_SET)
            except OSError as exc:
                reason = f"{exc.strerror}; what is behind byte {self._safe_length} could not be cut off"
                raise DeliveryFailed(self._name, reason) from exc
        self._length = self._safe_length

    def _resume(self, fence: OutputFence) -> None:
        """Take away what was written and not committed."""
        # A device may have another number after a restart of the machine, and a file has its inode's for life.
        if self.identity.partition(":")[2] != fence.identity.partition(":")[2]:
            raise StreamChanged(self._name, "is another file than the one that was written before")
        if self._length < fence.position:
            reason = f"has {self._length} bytes, and {fence.position} were written: something has cut it"
            raise StreamChanged(self._name, reason)
        self._safe_length = fence.position
        self._cut()
        self._sync()

    def _sync_folder(self, path: str) -> None:
        """Make the file's name survive a power loss."""
        try:
            fd = os.open(Path(path).resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as exc:
            if exc.errno not in _UNSYNCED:
                raise self._failed(exc) from exc

    def _failed(self, exc: OSError, *, is_cut: bool = False) -> DeliveryFailed:
        """Return the error; it may be tried again where the disk is full and the file `is_cut` back."""
        return (DiskFull if is_cut and exc.errno in _FULL else DeliveryFailed)(self._name, str(exc.strerror))
