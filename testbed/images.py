"""Images, built and run by buildah in a store of their own: no daemon, and no kernel that grants containers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.errors import BuilderMissing, FetchFailed, ServerDied
from testbed.maven import FETCH_LIMIT_S, alone, cache_folder

DEBIAN = "localhost/testbed-debian:1"
_PACKAGES = "python3-venv,ca-certificates,tini"
_SUITE = "bookworm"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_LOOK_S = 0.02
_N_IMAGES = 100  # steps of builds; each change of the engine leaves some, and 300 MB
_END_LIMIT_S = 60.0


@dataclass(frozen=True)
class Buildah:
    """Buildah with a store in the user's cache, whose layers later calls find again.

    The root file system of what it runs can be written, the network is the machine's, and an image's entry point is not
    known to it: `Container` reads it.
    """

    folder: Path = field(default_factory=lambda: cache_folder() / "images")

    @property
    def command(self) -> list[str]:
        """The program and its store."""
        return ["buildah", "--root", str(self.folder / "store"), "--runroot", str(self.folder / "run")]

    @property
    def line(self) -> str:
        """The same as one line for ``--builder``."""
        return shlex.join(self.command)

    @property
    def build_options(self) -> list[str]:
        """Options of ``build``: also those behind which the network is reached here."""
        mount = ["-v", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"] if _CERTIFICATES.exists() else []
        return ["--isolation", "chroot", *mount]

    def call(self, *arguments: str) -> str:
        """Run a verb and return what it printed."""
        ran = subprocess.run([*self.command, *arguments], capture_output=True, text=True)
        if ran.returncode:
            raise ServerDied(f"buildah {arguments[0]}", f"ended with {ran.returncode}", ran.stderr)
        return ran.stdout.strip()

    def has(self, image: str) -> bool:
        """Return whether the store has an image."""
        ran = subprocess.run([*self.command, "inspect", "--type", "image", image], capture_output=True)
        return ran.returncode == 0

    def inspect(self, image: str) -> dict[str, Any]:
        """Return the configuration and the layers of an image."""
        found: dict[str, Any] = json.loads(self.call("inspect", "--type", "image", image))["Docker"]
        return found

    def build(self, context: Path, tag: str, *options: str, **arguments: str) -> None:
        """Build a Dockerfile, with build arguments by name; its layers are the same for the same files."""
        given = [f"--build-arg={name}={text}" for name, text in arguments.items()]
        fixed = ["--layers", "--force-rm", "--pull-never", "--format", "docker", "--timestamp", "0"]
        self.call("build", "-q", *fixed, *self.build_options, *options, *given, "-t", tag, str(context))


@dataclass
class Container:
    """A container of an image, and its entry point as a process between `start` and its end."""

    buildah: Buildah
    image: str
    log: Path
    name: str = ""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Buildah, under which the entry point runs."""
        if self._process is None:
            raise ServerDied(self.image, "was not started", "")
        return self._process

    def __enter__(self) -> Container:
        self.name = self.buildah.call("from", "--pull-never", self.image)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.buildah.call("rm", self.name)

    def start(
        self, environ: Mapping[str, str], volumes: Mapping[Path, str], command: Sequence[str] | None = None
    ) -> None:
        """Run the image's entry point, with what is mounted where."""
        config = self.buildah.inspect(self.image)["config"]
        words = [*(config["Entrypoint"] or ()), *(command if command is not None else config["Cmd"] or ())]
        options = [f"--env={name}={text}" for name, text in environ.items()]
        options += [f"--volume={source}:{target}" for source, target in volumes.items()]
        run = [*self.buildah.command, "run", "--isolation", "chroot", *options, self.name, "--", *words]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(run, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def entry_pid(self) -> int:
        """The process of the entry point: buildah itself ends at a signal and hands none on."""
        deadline = time.monotonic() + _END_LIMIT_S
        while time.monotonic() < deadline:
            for pid in _descendants(self.process.pid):
                with contextlib.suppress(OSError):
                    program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
                    if program.endswith(b"tini"):
                        return pid
            time.sleep(_LOOK_S)
        raise ServerDied(self.image, "did not start its entry point", self.said)

    def stop(self) -> int:
        """Say SIGTERM to the entry point, and return its exit code."""
        os.kill(self.entry_pid, signal.SIGTERM)
        return self.process.wait(_END_LIMIT_S)

    def kill(self) -> None:
        """End all of it at once, as a power cut does."""
        if self._process is None or self._process.poll() is not None:
            return
        pids = list(_descendants(self.process.pid))  # all of them first: those of a dead parent are nobody's children
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(_END_LIMIT_S)
        deadline = time.monotonic() + _END_LIMIT_S
        while any(map(_lives, pids)) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)

    @property
    def said(self) -> str:
        """What it has written until now."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def fetch_debian(buildah: Buildah | None = None) -> str:
    """Return the name of an image with a small Debian, its Python and tini; make it if the store has none.

    Raises
    ------
    BuilderMissing, FetchFailed
        It is not there and cannot be made.
    """
    buildah = buildah or Buildah()
    if os.geteuid() != 0:
        raise BuilderMissing("this is another user")
    for program in ("buildah", "debootstrap"):
        if shutil.which(program) is None:
            raise BuilderMissing(f"{program} is missing")
    with alone(buildah.folder):
        if not buildah.has(DEBIAN):
            _make_debian(buildah)
    return DEBIAN


def prune_images(buildah: Buildah | None = None) -> None:
    """Remove what builds of before have left, once that is much. No build may be under way."""
    buildah = buildah or Buildah()
    with alone(buildah.folder):
        if len(buildah.call("images", "--all", "--quiet").split()) > _N_IMAGES:
            buildah.call("rmi", "--prune")


def _make_debian(buildah: Buildah) -> None:
    buildah.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".debian-", dir=buildah.folder) as work:
        suite, *mirror = _where()
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", suite, work, *mirror]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_LIMIT_S)
        except subprocess.TimeoutExpired as late:
            reason = f"it was not there after {FETCH_LIMIT_S} s."
            raise FetchFailed("a Debian", buildah.folder, reason, who="debootstrap") from late
        if ran.returncode:
            said = (ran.stdout + ran.stderr).strip()[-500:]
            raise FetchFailed("a Debian", buildah.folder, said, who="debootstrap")
        for unneeded in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(Path(work, unneeded), ignore_errors=True)
        container = buildah.call("from", "scratch")
        buildah.call("add", "-q", container, work, "/")
        buildah.call("commit", "-q", "--rm", container, DEBIAN)


def _where() -> tuple[str, ...]:
    """Return this machine's release and mirror if it is a Debian, else a release that debootstrap knows a mirror of."""
    release = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    suite = re.search(r"^VERSION_CODENAME=(\w+)", release, re.MULTILINE)
    if suite is None or "ID=debian" not in release.splitlines():
        return (_SUITE,)
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.exists() and (found := re.search(r"^(?:URIs: |deb )\s*(https?://\S+)", path.read_text(), re.MULTILINE)):
            return suite[1], found[1]
    return (suite[1],)


def _lives(pid: int) -> bool:
    """Return whether a process is there, and no mere entry that nobody has taken note of."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def _descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, itself or through others, the nearest first."""
    waiting = [pid]
    while waiting:
        one = waiting.pop(0)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                children = [int(child) for child in (task / "children").read_text().split()]
                yield from children
                waiting += children
