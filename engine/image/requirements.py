"""The packages of an image, locked."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uv

from engine import __version__
from engine.errors import EnvironmentFailed
from engine.registry import Model, unpack

DISTRIBUTION = "scoring-engine"
_N_LINES = 20  # of what uv says when it cannot lock; its explanation of a clash is shorter
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def lock_of(model: Model, extra: Sequence[str], given: Path | None = None) -> str | None:
    """Return the locked requirements of a model, or None where its attachments hold no ``requirements.txt``.

    A file whose entries have hashes is a lock already and taken as it is.

    Parameters
    ----------
    model : Model
        Whose attachments are looked into.
    extra : sequence of str
        What its environment needs beside that.
    given : Path, optional
        A lock that was made before: then none is made.

    Raises
    ------
    EnvironmentFailed
        With uv's own words.
    """
    with tempfile.TemporaryDirectory(prefix="engine-lock-") as work:
        for attachment in model.attachments:
            unpack(attachment.path, Path(work))
        file = Path(work, "requirements.txt")
        if not file.is_file():
            return None
        if given is not None:
            return given.read_text()
        text = file.read_text(errors="replace")
        return text if "--hash=" in text else _compile(model.script.name, file, extra)


def _compile(model: str, file: Path, extra: Sequence[str]) -> str:
    more = file.with_name("engine-needs.in")
    more.write_text("\n".join(extra) + "\n")
    version = ".".join(map(str, sys.version_info[:2]))
    command = [uv.find_uv_bin(), "pip", "compile", "-q", "--generate-hashes", "--no-header", "--no-emit-index-url"]
    command += ["--python-version", version, "--color", "never", file.name, more.name]
    ran = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ran.returncode:
        said = "\n".join(ran.stderr.splitlines()[-_N_LINES:])
        fix = "Mend its requirements.txt, or give a lock that was made before with --lock FILE."
        raise EnvironmentFailed(model, f"{said}\n{fix}")
    head = f"# What the requirements.txt of model {model} asks for, locked for Python {version}.\n"
    return head + ran.stdout


def engine_versions() -> str:
    """Return the packages that the engine runs with here, with their versions, one a line."""
    found: dict[str, str] = {}
    waiting = [DISTRIBUTION]
    while waiting:
        name = waiting.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found:
            continue
        found[key] = distribution.version
        needs = [need for need in distribution.requires or () if "extra ==" not in need]
        waiting += [match[0] for need in needs if (match := _NAME.match(need))]
    found.pop(DISTRIBUTION, None)
    head = f"# The packages of engine {__version__}, as the model was put together with them.\n"
    return head + "".join(f"{name}=={found[name]}\n" for name in sorted(found))
