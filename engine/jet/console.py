"""What a script prints: one write a line, tagged with the record in work."""

from __future__ import annotations

import io
import os
import threading

from engine.jet.cell import Cell

MAX_LINE_CHARS = 8192
"""A longer line is cut into several."""

TAG, TAG_END = "\x1e", "\x1f"
"""Record and unit separator (ASCII): ``<RS>slot:seq<US>`` in front of a line that was printed within a record."""


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
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._put(line)
            while len(self._rest) > MAX_LINE_CHARS:
                self._put(self._rest[:MAX_LINE_CHARS])
                self._rest = self._rest[MAX_LINE_CHARS:]
        return len(text)

    def flush(self) -> None:
        """Write what has no line end yet, as a line."""
        with self._lock:
            if self._rest:
                self._put(self._rest)
                self._rest = ""

    def _put(self, line: str) -> None:
        record = self._cell.record
        tag = f"{TAG}{record[0]}:{record[1]}{TAG_END}" if record is not None else ""
        data = f"{tag}{line}\n".encode(self.encoding, self.errors)
        while data:
            data = data[os.write(self._fd, data) :]
