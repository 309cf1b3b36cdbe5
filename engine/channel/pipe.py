"""Reading a pipe by the MiB, whatever is in it."""

from __future__ import annotations

import os
import select
import time

from engine.channel.frames import PIPE_BYTES


class PipeReader:
    """Reads a pipe into a buffer that it keeps.

    `os.read` allocates what it may return, and a MiB comes from the system each time and goes back to it: three system
    calls and the faults of fresh pages, for a frame of 40 bytes.

    Parameters
    ----------
    fd : int
        The reading end; whoever opened it closes it.
    """

    def __init__(self, fd: int) -> None:
        self._fd, self._buffer = fd, memoryview(bytearray(PIPE_BYTES))
        self._waiter = select.poll()
        self._waiter.register(fd, select.POLLIN)

    def read(self) -> bytes:
        """Return what is there, ``b""`` at the end; raises as `os.read` does."""
        return bytes(self._buffer[: os.readv(self._fd, (self._buffer,))])

    def watch(self, seconds: float) -> bool:
        """As `wait`, without falling asleep: to be woken takes longer than most of what is waited for so."""
        until_s = time.perf_counter() + seconds
        while not self._waiter.poll(0):
            if time.perf_counter() > until_s:
                return False
            os.sched_yield()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read, or the end; return whether there is."""
        return bool(self._waiter.poll(seconds * 1000))
