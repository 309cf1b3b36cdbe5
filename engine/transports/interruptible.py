"""An open file whose blocked reads and writes another thread can end."""

from __future__ import annotations

import os
import select
import stat
import threading
from collections.abc import Callable


class InterruptibleFile:
    """An open file descriptor that `close` takes away safely from the thread that uses it.

    Parameters
    ----------
    fd : int
        Owned from here on.

    Notes
    -----
    The thread that reads or writes holds `in_use` and waits with `wait`, which watches a pipe of its own beside the
    file: `close` writes into that, and takes `in_use` before it closes.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.is_closed = False
        self.in_use = threading.Lock()
        self._closing = threading.Lock()
        self._alarm, self._alarm_in = os.pipe()

    @property
    def is_regular(self) -> bool:
        """Whether it is a file on a disk, which never blocks for long."""
        return stat.S_ISREG(os.fstat(self.fd).st_mode)

    def wait(self, events: int, timeout_s: float | None) -> bool:
        """Wait for `select.POLLIN` or `POLLOUT`; False when the time is over or the file was closed."""
        poll = select.poll()
        poll.register(self.fd, events)
        poll.register(self._alarm, select.POLLIN)
        ready = poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000)
        return bool(ready) and not self.is_closed

    def close(self, finish: Callable[[], None] = lambda: None) -> None:
        """Wake who waits, run `finish` once nobody uses the file, and close it; the second call does nothing."""
        with self._closing:
            if self.is_closed:
                return
            self.is_closed = True
            os.write(self._alarm_in, b"\0")
            with self.in_use:
                try:
                    finish()
                finally:
                    for fd in (self.fd, self._alarm, self._alarm_in):
                        os.close(fd)
