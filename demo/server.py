"""A real ``engine serve`` process, for the demo and for the tests that need one."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT_S = 90.0  # it takes one or two; a machine that does much else, tens
STOP_TIMEOUT_S = 90.0
POLL_S = 0.05
LOG_TAIL_LINES = 20
PROGRAMS = Path(sys.executable).parent


class ServerFailed(Exception):
    """The server did not start, or went away; the message holds the end of its log."""


def clean_environ(extra: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without its ``ENGINE_*``, with `extra`, this interpreter's programs first."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
    return {**environ, "PATH": f"{PROGRAMS}{os.pathsep}{environ.get('PATH', '')}", **extra}


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """``engine serve`` on a free port, between ``with`` and its end.

    Parameters
    ----------
    folder : Path
        Holds its library, its state and its log; made when missing.
    library : Path, optional
        Another library.
    options : sequence of str
        More options for ``engine serve``.
    environ : mapping, optional
        More environment variables.
    """

    def __init__(
        self,
        folder: Path,
        *,
        library: Path | None = None,
        options: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.library = library or folder / "library"
        self.log = folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self._environ = clean_environ(environ or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process, once it has started."""
        if self._process is None:
            raise ServerFailed("The server was not started.")
        return self._process.pid

    def __enter__(self) -> Self:
        self.library.mkdir(parents=True, exist_ok=True)
        command = ["serve", "--library", self.library, "--state", self.folder / "state", "--port", self.port]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [PROGRAMS / "engine", *map(str, command), *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                start_new_session=True,  # a Ctrl-C at the terminal is for us; we stop the server then
            )
        try:
            self._wait_until_healthy(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_healthy():
            if process.poll() is not None:
                raise ServerFailed(f"The server ended with exit code {process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"The server gave no answer in {START_TIMEOUT_S:g} s:\n{self.log_tail()}")
            time.sleep(POLL_S)

    def is_healthy(self) -> bool:
        """Return whether the server answers its health check."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def log_tail(self) -> str:
        """Return the last lines that the server wrote."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def stop(self) -> int | None:
        """End the process, by force when it does not go; return its exit code, or None if it was never started."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def run(self, *command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run ``engine COMMAND`` against this server; the exit code is the caller's business."""
        return subprocess.run(
            [PROGRAMS / "engine", *command],
            input=stdin,
            capture_output=True,
            env=clean_environ({"ENGINE_SERVER": self.url}),
            check=False,
        )
