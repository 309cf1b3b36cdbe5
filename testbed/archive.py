"""Kafka's classes as Java has them in memory, in a file: a broker that finds it starts in half the time."""

from __future__ import annotations

import hashlib
from pathlib import Path


def archive_of(jars: Path, java: str) -> Path:
    """Return where the archive for these jars and this Java is, or would be: it fits no other."""
    runtime = Path(java).resolve()
    key = hashlib.blake2b(f"{runtime} {runtime.stat().st_mtime_ns}".encode(), digest_size=8).hexdigest()
    return jars.with_name(f"{jars.name}-{key}.jsa")


def use_options(archive: Path) -> list[str]:
    """Return the options with which Java uses the archive; Java goes without one that does not fit."""
    return [f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"] if archive.exists() else []


def make_options(archive: Path) -> list[str]:
    """Return the options with which Java writes the archive when it ends."""
    return [f"-XX:ArchiveClassesAtExit={archive}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
