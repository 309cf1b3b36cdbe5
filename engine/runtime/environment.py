"""A Python environment for a model whose attachments hold a ``requirements.txt``.

Environments are built by ``uv`` once per content of that file, and shared by every jet and engine of the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from engine.errors import EnvironmentFailed
from engine.runtime.requirements import local_files
from engine.runtime.variables import build_variables

# What `engine.jet` imports, added where the model's own requirements do not bring it. The upper bounds are those of
# the engine itself; the lower ones are the oldest releases that it runs on with the oldest Python we support.
JET_REQUIREMENTS = {"numpy": "numpy>=1.24,<3", "fastavro": "fastavro>=1.9,<2", "msgpack": "msgpack>=1.0.5,<2"}

_PACKAGE = Path(__file__).parents[1]
_N_REASON_LINES = 40  # uv's explanation of a clash is shorter, the end of a failed compilation about as long
_POLL_S = 0.1  # how soon a stop is noticed


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that is ready.

    Parameters
    ----------
    python : Path
        Its interpreter.
    path : Path
        Its folder.
    """

    python: Path
    path: Path


def build_environment(
    model: str,
    requirements: Path,
    cache_dir: Path,
    *,
    on_progress: Callable[[str], object] = lambda _: None,
    stop: threading.Event | None = None,
) -> Environment:
    """Return the environment that a requirements file asks for; build it unless that has been done.

    Blocks for as long as downloading takes. When several processes or threads want the same environment, one
    builds it and the others wait for it.

    Parameters
    ----------
    model : str
        Whose it is, for errors.
    requirements : Path
        The file. Paths and ``-r`` lines in it are relative to its folder.
    cache_dir : Path
        Environments are kept below it, in ``environments/``.
    on_progress : callable
        Called from this thread with each line that tells what is being done.
    stop : threading.Event, optional
        Set it to give up.

    Raises
    ------
    EnvironmentFailed
        With uv's own words; also when it was stopped.
    """
    stop = stop or threading.Event()
    try:
        path = cache_dir.absolute() / "environments" / _key(model, requirements)
        environment = Environment(path / "bin" / "python", path)
        if _is_ready(environment):
            return environment
        path.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(path.with_suffix(".lock"), model, on_progress, stop) as lock:
            if not _is_ready(environment):
                shutil.rmtree(path, ignore_errors=True)  # what an interrupted build left
                _Build(model, environment, on_progress, stop, lock).run(requirements.absolute())
                _marker(environment).touch()
    except OSError as exc:
        raise EnvironmentFailed(model, f"{exc.strerror}: {exc.filename}") from exc
    return environment


def import_path(cache_dir: Path) -> Path:
    """Return a folder in which nothing but this engine's package can be imported.

    On the path of a jet it brings the engine into the model's environment, and none of the engine's own libraries.
    """
    folder = cache_dir.absolute() / "import-path" / hashlib.sha256(bytes(_PACKAGE)).hexdigest()[:16]
    link = folder / _PACKAGE.name
    if not link.is_symlink():
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process was faster
            link.symlink_to(_PACKAGE, target_is_directory=True)
    return folder


@dataclass(frozen=True, slots=True)
class _Build:
    model: str
    environment: Environment
    on_progress: Callable[[str], object]
    stop: threading.Event
    lock: int  # inherited by uv: should this process be killed, nobody else builds here until uv has ended

    def run(self, requirements: Path) -> None:
        try:
            uv_path = uv.find_uv_bin()
        except FileNotFoundError as exc:
            raise EnvironmentFailed(self.model, f"uv is not installed ({exc})") from exc
        python, folder = str(self.environment.python), requirements.parent
        install = [uv_path, "pip", "install", "--python", python]
        self.on_progress(f"Building the environment of {self.model}")
        self._call([uv_path, "venv", "--no-project", "--python", sys.executable, str(self.environment.path)], folder)
        self._call([*install, "-r", str(requirements)], folder)
        # In a step of its own, so that whatever the model asks for, itself or through others, wins.
        if missing := [JET_REQUIREMENTS[name] for name in JET_REQUIREMENTS if name not in self._installed()]:
            self._call([*install, *missing], self.environment.path)
        self._call([python, "-c", f"import {', '.join(JET_REQUIREMENTS)}"], self.environment.path)
        self.on_progress(f"The environment of {self.model} is ready")

    def _installed(self) -> set[str]:
        site_packages = sysconfig.get_path("purelib", "venv", {"base": str(self.environment.path)})
        return {found.name.lower() for found in importlib.metadata.distributions(path=[site_packages])}

    def _call(self, arguments: Sequence[str], folder: Path) -> None:
        """Run a program in `folder`; its lines are progress, and the last ones the reason when it fails."""
        lines: deque[str] = deque(maxlen=_N_REASON_LINES)
        with subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=folder,
            env=build_variables(),
            pass_fds=[self.lock],
            start_new_session=True,  # uv starts compilers: they end together
        ) as process:
            watcher = threading.Thread(target=self._end_when_told, args=[process], daemon=True)
            watcher.start()
            try:
                for line in process.stdout or ():
                    lines.append(line.rstrip())
                    self.on_progress(line.rstrip())
                process.wait()
            except BaseException:
                _end(process)
                raise
        if self.stop.is_set():
            raise EnvironmentFailed(self.model, "The build was stopped.")
        if process.returncode != 0:
            raise EnvironmentFailed(self.model, "\n".join(lines) or f"exit code {process.returncode}")

    def _end_when_told(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            if self.stop.wait(_POLL_S):
                _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _key(model: str, requirements: Path) -> str:
    """Return a hash over everything that decides what is built."""
    folder = requirements.parent.resolve()
    digest = hashlib.sha256()
    for part in (sys.version, sysconfig.get_platform(), sys.base_prefix, *JET_REQUIREMENTS.values()):
        digest.update(part.encode() + b"\0")
    for file in sorted(local_files(model, requirements)):
        digest.update(os.fsencode(file.relative_to(folder)) + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _marker(environment: Environment) -> Path:
    """Return the file that is written last: without it, the folder is what an interrupted build left."""
    return environment.path / "ready"


def _is_ready(environment: Environment) -> bool:
    # The interpreter is a link to the Python that built it, which may have been uninstalled.
    return _marker(environment).exists() and environment.python.exists()


@contextlib.contextmanager
def _exclusive(path: Path, model: str, on_progress: Callable[[str], object], stop: threading.Event) -> Iterator[int]:
    with path.open("ab") as file:
        is_told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not is_told:
                    on_progress(f"Waiting for the environment of {model}, which another process is building")
                    is_told = True
                if stop.wait(_POLL_S):
                    raise EnvironmentFailed(model, "The build was stopped.") from None
        yield file.fileno()
