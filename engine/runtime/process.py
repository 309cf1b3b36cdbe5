"""A jet as a process of its own: started by exec, spoken to over two pipes, drained, and reaped."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from engine.channel import PIPE_BYTES, Cell, FrameReader, Kind, PipeReader, pack_frame
from engine.log import get_logger
from engine.runtime.console import LineReader
from engine.runtime.pipe_writer import PipeWriter
from engine.runtime.runner import RunnerEvents
from engine.runtime.threads import ThreadPlan, overridden

log = get_logger(__name__)

_PASSED_ON = re.compile(
    "PATH|HOME|USER|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|LD_LIBRARY_PATH|SSL_CERT_FILE|SSL_CERT_DIR"
    "|CUDA_VISIBLE_DEVICES|CUDA_DEVICE_ORDER|TF_CPP_MIN_LOG_LEVEL|KERAS_BACKEND"
)
"""All that a jet sees of the engine's environment: no credentials."""

_READ_BYTES = 1 << 16


def jet_environ(environ: Mapping[str, str], import_path: Path, plan: ThreadPlan) -> dict[str, str]:
    """Return the environment variables of a jet that finds this engine in `import_path`."""
    kept = {name: value for name, value in environ.items() if _PASSED_ON.fullmatch(name)}
    ours = {
        "PYTHONPATH": str(import_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "ORT_DISABLE_TELEMETRY": "1",  # for a script that imports onnxruntime itself
    }
    return kept | ours | plan.environ() | overridden(environ)


class ProcessRunner:
    """Runs ``python -m engine.jet``. Must be made on the main thread: the jet dies with the thread that starts it.

    Parameters
    ----------
    python : Path
        The interpreter: the engine's, or that of the model's own environment.
    import_path : Path
        A folder that holds the package `engine`, and nothing else.
    folder : Path
        Where the jet works.
    memory_limit_bytes : int, optional
        The most private memory it may have.
    plan : ThreadPlan
        What it gets of the cores.
    events : RunnerEvents
        Who is told what happens.
    """

    def __init__(
        self,
        python: Path,
        import_path: Path,
        folder: Path,
        memory_limit_bytes: int | None,
        plan: ThreadPlan,
        events: RunnerEvents,
    ) -> None:
        self._events, self._frames, self._loop = events, FrameReader(), asyncio.get_running_loop()
        with contextlib.ExitStack() as undo:
            self.cell, cell_fd = Cell.create()
            jet_reads, self._write_fd = os.pipe()
            self._read_fd, jet_writes = os.pipe()
            for fd in (self._write_fd, self._read_fd):
                undo.callback(os.close, fd)
                # The kernel may refuse when this user has many pipes: then fewer bytes are under way, and all is well.
                with contextlib.suppress(OSError):
                    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
                os.set_blocking(fd, False)
            command = [str(python), "-P", "-m", "engine.jet", "--parent", str(os.getpid())]
            command += ["--read", str(jet_reads), "--write", str(jet_writes), "--cell", str(cell_fd)]
            command += ["--memory", str(memory_limit_bytes)] if memory_limit_bytes else []
            command += ["--has-core"] if plan.n_cores > plan.n_jets else []  # the engine needs one, too
            try:
                self._process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=jet_environ(os.environ, import_path, plan),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=(jet_reads, jet_writes, cell_fd),
                    start_new_session=True,  # Ctrl-C in the terminal is the engine's business alone
                )
            finally:
                for fd in (jet_reads, jet_writes, cell_fd):
                    os.close(fd)
            undo.pop_all()
        self.pid = self._process.pid
        self._writer = PipeWriter(self._write_fd)
        self._pipe, self._pid_fd = PipeReader(self._read_fd), os.pidfd_open(self.pid)
        self._consoles: dict[int, tuple[str, LineReader]] = {}
        for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            assert pipe is not None  # noqa: S101 -- asked for above
            os.set_blocking(pipe.fileno(), False)
            self._consoles[pipe.fileno()] = name, LineReader()
            self._loop.add_reader(pipe.fileno(), self._drain, pipe.fileno())
        self._loop.add_reader(self._read_fd, self._read)
        self._loop.add_reader(self._pid_fd, self._exited)
        self._is_over = False

    def listen(self, *, is_on: bool) -> None:
        """Take answers, or leave them in the pipe: a full one holds the jet up."""
        if self._is_over:
            return
        if is_on:
            self._loop.add_reader(self._read_fd, self._read)
        else:
            self._loop.remove_reader(self._read_fd)

    def send(self, frame: bytes) -> None:
        """Write what the pipe takes; the rest goes when the jet has read."""
        self._writer.send(frame)

    async def drain(self) -> None:
        """Wait until the pipe has taken what was sent, or the jet is gone."""
        await self._writer.drain()

    def _read(self) -> bool:
        try:
            data = self._pipe.read()
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._read_fd)
            return False
        try:
            for kind, body in self._frames.feed(data):
                self._events.on_frame(kind, body)
        except Exception:
            log.error("channel.broken", pid=self.pid, exc_info=True)
            self.kill()
            return False
        return True

    def _drain(self, fd: int) -> bool:
        name, lines = self._consoles[fd]
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return False
        for record, text in lines.feed(data) if data else lines.finish():
            self._events.on_console(name, text, record if record is not None else self.cell.record)
        if not data:
            self._loop.remove_reader(fd)
        return bool(data)

    def _exited(self) -> None:
        for fd in (self._read_fd, self._pid_fd, *self._consoles):
            self._loop.remove_reader(fd)
        self._writer.close()
        self._is_over = True
        self._kill_group()  # before the wait, which makes the number free for another process
        exit_code = self._process.wait()
        while self._read():
            pass
        for fd in self._consoles:
            for _ in range(PIPE_BYTES // _READ_BYTES):  # bounded: what has left the group may go on printing
                if not self._drain(fd):
                    break
        for fd in (self._read_fd, self._write_fd, self._pid_fd):
            os.close(fd)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._events.on_exit(exit_code)

    def stop(self) -> None:
        """Ask the jet to end when it is through with what it was sent."""
        self.send(pack_frame(Kind.STOP))

    def kill(self) -> None:
        """Send SIGKILL to the jet and to whatever it has started."""
        self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
