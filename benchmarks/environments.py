"""Environments of peers: each has its own, which uv makes in the cache of the testbed, with pinned releases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from testbed.errors import TestbedError
from testbed.maven import cache_folder


def peer_python(name: str, *wanted: str) -> str:
    """Return the interpreter of a peer's environment; made when it is not there, or had something else in it.

    Parameters
    ----------
    name : str
        Of its folder: the peer and its release.
    *wanted : str
        What is installed, as uv takes it.

    Raises
    ------
    TestbedError
        If it cannot be made; the text is that of uv.
    """
    folder = cache_folder() / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    listed = "\n".join(wanted)
    if not stamp.exists() or stamp.read_text() != listed:
        cache_folder().mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "uv", "venv", "-q", "--allow-existing", "--python", sys.executable, str(folder)])
        run([sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(python), *wanted])
        stamp.write_text(listed)
    return str(python)


def run(command: Sequence[str | Path]) -> str:
    """Run a program to its end, and return what it printed.

    Raises
    ------
    TestbedError
        If there is no such program, or it failed.
    """
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as exc:
        raise TestbedError(f"{command[0]} is needed: {exc}") from exc
    if ran.returncode:
        raise TestbedError(f"{command[0]} ended with {ran.returncode}: {ran.stderr.strip()}")
    return ran.stdout
