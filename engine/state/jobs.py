"""The jobs of a state directory, and the folders in which their stores are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SERVE = "serve"
"""The job of ``engine serve``."""

_HASH_DIGITS = 8  # four billion: the jobs of one state directory are some hundreds


def job_folder(state_dir: Path, job: str) -> Path:
    """Return the folder of a job's store."""
    return state_dir / "jobs" / job


def job_names(state_dir: Path) -> list[str]:
    """Return the names of the jobs that have a folder."""
    folder = state_dir / "jobs"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def run_name(script: Path, streams: Mapping[int, Any]) -> str:
    """Return the name of the job that runs a script on streams: the same for the same, on every day.

    Parameters
    ----------
    script : Path
        Its file.
    streams : mapping
        For each slot, what JSON can say of the stream.

    Examples
    --------
    >>> run_name(Path("/m/average.py"), {0: "file:/data/prices.jsons"})
    'average-385b4ba6'
    """
    said = json.dumps([str(script.resolve()), sorted(streams.items())], sort_keys=True, default=str)
    stem = re.sub(r"[^\w.-]+", "_", script.stem) or "run"
    return f"{stem}-{hashlib.sha256(said.encode()).hexdigest()[:_HASH_DIGITS]}"
