"""Frames on their way into a pipe: those of one turn of the event loop together, and never waiting for the reader."""

from __future__ import annotations

import asyncio
import os

TOGETHER_BYTES = 1 << 13
"""Frames that come to this do not wait for others: 8 KiB, some 150 records of a number."""

DRAIN_S = 0.001
"""How often is looked whether the pipe has taken all: half a MiB takes a jet about as long."""


class PipeWriter:
    """Writes what the pipe takes; the rest goes when its reader has read.

    Parameters
    ----------
    fd : int
        The writing end, which does not block; whoever opened it closes it, behind `close`.
    """

    def __init__(self, fd: int) -> None:
        self._fd, self._loop = fd, asyncio.get_running_loop()
        self._unsent = bytearray()
        self._is_full = self._is_closed = False

    def send(self, frame: bytes) -> None:
        """Write a frame behind those before it.

        A small one waits for those that come in the same turn of the loop: they are one write and
        one wake-up.
        """
        is_first = not self._unsent
        if is_first and len(frame) >= TOGETHER_BYTES and not self._is_closed:
            n_written = self._write(frame)
            if n_written < len(frame):
                self._unsent += memoryview(frame)[n_written:]
                self._wait()
            return
        self._unsent += frame
        if len(self._unsent) >= TOGETHER_BYTES:
            self._flush()
        elif is_first:
            self._loop.call_soon(self._flush)

    async def drain(self) -> None:
        """Wait until the pipe has taken what was sent, or is closed."""
        self._flush()
        while self._unsent and not self._is_closed:
            await asyncio.sleep(DRAIN_S)

    def close(self) -> None:
        """Write nothing more."""
        self._is_closed = True
        self._loop.remove_writer(self._fd)

    def _flush(self) -> None:
        if self._unsent and not self._is_full and not self._is_closed:
            self._write_rest()
            if self._unsent:
                self._wait()

    def _wait(self) -> None:
        self._is_full = True
        self._loop.add_writer(self._fd, self._write_rest)

    def _write_rest(self) -> None:
        del self._unsent[: self._write(self._unsent)]
        if not self._unsent and self._is_full:
            self._is_full = False
            self._loop.remove_writer(self._fd)

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:  # the reader is gone, which whoever sends is told by another way
            return len(data)
