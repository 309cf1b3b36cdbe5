"""A server as a child process that never outlives the one that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

STOP_LIMIT_S = 30  # an orderly end of a broker takes 2 s on an idle machine
_TAIL_LINES = 15

# A pipe from the parent is its standard input; when the parent ends, however it ends, the pipe does, and so the server.
_GUARD = 'read -r _; kill -9 "$1" 2>/dev/null; rm -rf "$2"'


class ServerProcess:
    """One running server, its log, and the guard that ends it with this process.

    It is in a session of its own: Ctrl-C in a terminal reaches the one who started it, and not the server.

    Parameters
    ----------
    command
        What to start.
    scratch
        Where it works, and what is removed when this process ends and has not stopped it.
    log
        The file to which it says what it says.
    """

    def __init__(self, command: Sequence[str], scratch: Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", str(self.pid), str(scratch)], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it in order; by force when it does not end."""
        self.resume()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_LIMIT_S)
        self.kill()

    def kill(self) -> None:
        """End it as a power cut does, and return when it is gone, also when it has ended before."""
        self._guard.kill()  # first: it must not kill whoever gets this process id later
        self._guard.communicate()
        self._process.kill()
        self._process.wait()

    def suspend(self) -> None:
        """Make it stand still, as a machine that hangs: its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after ``suspend``."""
        if self.is_running:
            os.kill(self.pid, signal.SIGCONT)

    def log_tail(self) -> str:
        """Return the last lines of what it said, without the stacks of Java."""
        return tail_of(self.log.read_text(errors="replace"))


def tail_of(said: str) -> str:
    """Return the last lines of what a program of Java said, without the stacks."""
    return "\n".join([line for line in said.splitlines() if not line.startswith("\tat ")][-_TAIL_LINES:])
