"""An engine as a process of its own, that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from weakref import WeakSet

STOP_TIMEOUT_S = 60.0  # a drain has two halves of 30 s
LOG_TAIL_LINES = 15


class Victim:
    """A started engine.

    Parameters
    ----------
    command : sequence of str
        What to start.
    folder : Path
        Its working directory.
    log : Path
        Gets what it says.
    environ : mapping
        Its environment.
    """

    _starting: ClassVar = threading.Lock()
    _started: ClassVar[WeakSet[Victim]] = WeakSet()
    _is_over: ClassVar = False

    def __init__(self, command: Sequence[str], folder: Path, log: Path, environ: Mapping[str, str]) -> None:
        self._log = log
        with log.open("ab") as file, self._starting:
            if self._is_over:
                raise InterruptedError("The torture was interrupted.")
            file.write(f"--- {' '.join(command)} {environ.get('ENGINE_KILL_AT', '')}\n".encode())
            file.flush()
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the torturer, which ends it then
            )
            self._started.add(self)
        self.started_s = time.monotonic()

    @classmethod
    def end_all(cls) -> None:
        """Kill all of them, and let none be started any more: whoever waits for one is told that it has ended."""
        with cls._starting:
            cls._is_over = True
            for victim in cls._started:
                if victim.poll() is not None:
                    continue
                victim.thaw()  # a process of its script that stands still would not notice that it is gone
                victim.kill()

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal; None while it lives."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait until it ends, and return its exit code."""
        return self._process.wait()

    def was_killed(self, timeout_s: float = 1.0) -> bool:
        """Return whether it was killed; one whose connection has just broken gets some time to be gone."""
        try:
            return self._process.wait(timeout_s) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False

    def kill(self) -> bool:
        """Kill it and wait until it is gone; return False when it had ended by itself."""
        if self._process.poll() is None:
            self._process.kill()
        return self._process.wait() == -signal.SIGKILL

    def kill_jet(self) -> bool:
        """Kill the process that runs the script; return False when there is none."""
        for pid in self._children():
            try:
                if b"engine.jet" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
                    return True
            except OSError:
                continue  # it has ended
        return False

    def freeze(self) -> None:
        """Make it and its children stand still, as a machine that hangs: its connections stay open."""
        for pid in (self._process.pid, *self._children()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on after `freeze`."""
        for pid in (*self._children(), self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end in order."""
        if self._process.poll() is None:
            self._process.terminate()

    def _children(self) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = path.read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue  # it has ended
            if int(parent) == self._process.pid:
                found.append(int(path.parent.name))
        return found

    def stop(self) -> int:
        """Have it end in order, by force when it does not; return its exit code."""
        self.terminate()
        return self.wait_for_end()

    def wait_for_end(self) -> int:
        """Wait until it has ended that was asked to, and end it by force when it does not; return its exit code."""
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # not by what an engine ends itself with at a step
            return self._process.wait()

    def log_tail(self) -> str:
        """Return the last lines that it wrote."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
