"""Jars, fetched once by Maven into a folder of the user's cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed.errors import FetchFailed, MavenMissing
from testbed.java import find_java, java_home

FETCH_LIMIT_S = 540  # a slow network; a download that hangs is an error, not a test that never ends

_POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>testbed</groupId><artifactId>jars</artifactId><version>1</version>
<dependencies>
{dependencies}
</dependencies></project>
"""
_DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
    "<type>{}</type><classifier>{}</classifier>{}</dependency>"
)
_ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"


def cache_folder() -> Path:
    """Return the folder that keeps what was fetched: ENGINE_TESTBED, or one in the user's cache."""
    if named := os.environ.get("ENGINE_TESTBED"):
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scoring-engine-testbed"


def fetch(name: str, artifacts: Sequence[str], *, is_whole: bool = False) -> Path:
    """Return the folder that holds these artifacts and all that they depend on; fetch them if it does not exist.

    Two processes may ask at once: one fetches and the other waits. A fetch that fails leaves nothing behind.

    Parameters
    ----------
    name
        What it is called, version included: the name of its folder.
    artifacts
        As Maven writes them: ``group:artifact:version[:type[:classifier]]``. What is a ``tar.gz`` is unpacked.
    is_whole
        They bring along what they depend on, and nothing else is fetched.

    Raises
    ------
    MavenMissing, FetchFailed
        It is not in the cache and cannot be brought there.
    """
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    with alone(folder):
        if not folder.is_dir():  # another process may have brought it while this one waited
            _bring(name, artifacts, folder, is_whole)
    return folder


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bring(name: str, artifacts: Sequence[str], folder: Path, is_whole: bool) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MavenMissing(name, folder.parent)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as work:
        pom = Path(work, "pom.xml")
        pom.write_text(_POM.format(dependencies="\n".join(_dependency(each, is_whole) for each in artifacts)))
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        command += [f"-DoutputDirectory={work}/jars", "-Dstyle.color=never"]
        environment = os.environ | {"JAVA_HOME": os.environ.get("JAVA_HOME") or java_home(find_java())}
        try:
            ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=FETCH_LIMIT_S)
        except subprocess.TimeoutExpired as late:
            raise FetchFailed(name, folder.parent, f"it was not there after {FETCH_LIMIT_S} s.") from late
        if ran.returncode:
            raise FetchFailed(name, folder.parent, _first_error(ran.stdout + ran.stderr))
        for archive in Path(work, "jars").glob("*.tar.gz"):
            with tarfile.open(archive) as packed:
                packed.extractall(archive.parent, filter="data")
            archive.unlink()
        Path(work, "jars").rename(folder)  # whole or not at all


def _dependency(artifact: str, is_whole: bool) -> str:
    group, name, version, *rest = artifact.split(":")
    kind, classifier = rest + ["jar", ""][len(rest) :]
    return _DEPENDENCY.format(group, name, version, kind, classifier, _ALONE if is_whole else "")


def _first_error(said: str) -> str:
    """Return the line of Maven's output that says what went wrong: the first, the others only explain it."""
    lines = [line.partition("[ERROR]")[2].strip() for line in said.splitlines() if "[ERROR]" in line]
    return lines[0] if lines else said.strip()[-500:]
