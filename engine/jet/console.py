"""What a script prints: one write a line, tagged with the record in work."""

from __future__ import annotations

import io
import os
import threading

from engine.channel import Cell
from engine.channel.tags import MAX_LINE_BYTES, tag_line


class Console(io.TextIOBase):
    """Stands for `sys.stdout` or `sys.stderr` in a jet.

    Whatever writes to the file descriptor itself (a C library, a child process) is drained by the engine as well, only
    without the tag.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, fd: int, cell: Cell) -> None:
        self._fd, self._cell, self._rest, self._lock = fd, cell, "", threading.Lock()
        self.buffer = io.FileIO(fd, "wb", closefd=False)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write the lines that the text completes."""
        with self._lock:
            *lines, rest = (self._rest + text).split("\n")
            for line in lines:
                self._put(line)
            whole = len(rest) - len(rest) % MAX_LINE_BYTES
            self._rest = rest[whole:]
            if whole:
                self._put(rest[:whole])
        return len(text)

    def flush(self) -> None:
        """Write what has no line end yet, as a line."""
        with self._lock:
            if self._rest:
                self._put(self._rest)
                self._rest = ""

    def _put(self, line: str) -> None:
        for start in range(0, max(len(line), 1), MAX_LINE_BYTES):
            piece = line[start : start + MAX_LINE_BYTES].encode(self.encoding, self.errors)
            data = tag_line(self._cell.record, piece) + b"\n"
            while data:
                data = data[os.write(self._fd, data) :]
