"""Files, named pipes, and ``-`` for standard input and output."""

from __future__ import annotations

import os
import select
import stat
from types import MappingProxyType

from engine.errors import DeliveryFailed, EndOfStream, StreamError
from engine.record import Position
from engine.transports.interruptible import InterruptibleFile

STANDARD = "-"
_NAMES = MappingProxyType({0: "standard input", 1: "standard output"})
# A pipe that poll() calls writable takes this much without blocking; a write that cannot block can be interrupted.
_PIPE_WRITE_BYTES = select.PIPE_BUF


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

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _failed(self, exc: OSError) -> StreamError:
        return StreamError(f"Cannot read {self._name}: {exc.strerror}.")


class FileSink:
    """Bytes into a file, cut back to what was last safe when a write fails.

    Parameters
    ----------
    path : str
        An existing file is emptied when the sink is opened, unless `is_append`.

    Raises
    ------
    DeliveryFailed
        The file cannot be opened.
    """

    def __init__(self, path: str, *, is_append: bool = False) -> None:
        self._name = _NAMES[1] if path == STANDARD else path
        try:
            self._file = _open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if is_append else os.O_TRUNC), 1)
        except OSError as exc:
            raise self._failed(exc) from exc
        self._is_regular = self._file.is_regular
        self._can_cut = self._is_regular and path != STANDARD  # what others wrote to our standard output is theirs
        self._length = self._safe_length = os.fstat(self._file.fd).st_size if self._can_cut else 0

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
                    raise self._failed(exc) from exc
                self._length += n_written
                rest = rest[n_written:]

    def flush(self) -> Position:
        """Make the bytes survive a power loss, where the file is on a disk; return its length."""
        with self._file.in_use:
            if self._file.is_closed:
                raise DeliveryFailed(self._name, "it is closed")
            self._sync()
        return self._length

    def close(self) -> None:
        """Flush and close; of standard output, only the handle."""
        self._file.close(self._sync)

    def _sync(self) -> None:
        if self._is_regular:
            try:
                os.fdatasync(self._file.fd)
            except OSError as exc:
                self._cut()
                raise self._failed(exc) from exc
        self._safe_length = self._length

    def _cut(self) -> None:
        if self._can_cut:
            try:
                os.ftruncate(self._file.fd, self._safe_length)
                os.lseek(self._file.fd, self._safe_length, os.SEEK_SET)
            except OSError as exc:
                reason = f"{exc.strerror}; what is behind byte {self._safe_length} could not be cut off"
                raise DeliveryFailed(self._name, reason) from exc
        self._length = self._safe_length

    def _failed(self, exc: OSError) -> DeliveryFailed:
        return DeliveryFailed(self._name, str(exc.strerror))
