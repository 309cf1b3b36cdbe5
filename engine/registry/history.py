"""What one name has held: every content, and when.

A name's folder under ``.history/`` holds each version as ``SHA256/FILE`` and the file ``log.jsonl``, to which every
change adds a line: ``put``, ``found`` (a content that somebody wrote by hand) or ``remove``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from engine.errors import AssetInvalid
from engine.registry.asset import Asset
from engine.registry.disk import append_line, write_atomically


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log."""

    op: Literal["put", "found", "remove"]
    sha256: str
    size_bytes: int
    time: str  # ISO 8601, UTC

    @classmethod
    def of(cls, op: Literal["put", "found", "remove"], asset: Asset, time: datetime) -> Self:
        """Return the event that `op` was done to `asset`."""
        return cls(op, asset.sha256, asset.size_bytes, time.isoformat())

    def asset(self, kind: str, name: str) -> Asset:
        """Return the version that the event is about."""
        return Asset(kind, name, self.sha256, self.size_bytes, datetime.fromisoformat(self.time))


@dataclass(frozen=True, slots=True)
class History:
    """The versions of one asset.

    Parameters
    ----------
    kind, name : str
        Whose history it is.
    folder : Path
        Where it is kept; created by the first write.
    file_name : str
        What a version's file is called, so that it opens in an editor as what it is.
    """

    kind: str
    name: str
    folder: Path
    file_name: str

    def path(self, sha256: str) -> Path:
        """Return where the version is kept, if it is."""
        return self.folder / sha256 / self.file_name

    def keep(self, sha256: str, content: bytes) -> None:
        """Store a version; one that is there already is left alone."""
        if not self.path(sha256).exists():
            write_atomically(self.path(sha256), content)

    def record(self, event: Event) -> None:
        """Add a line to the log."""
        append_line(self._log, json.dumps(asdict(event)).encode())

    def events(self) -> list[Event]:
        """Return the log, oldest first. A last line that a killed writer left unfinished is not one."""
        try:
            *lines, _ = self._log.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        try:
            return [Event(**json.loads(line)) for line in lines]
        except (ValueError, TypeError) as exc:
            raise AssetInvalid(self.kind, self.name, f"has a damaged history, {self._log}: {exc}") from exc

    @property
    def _log(self) -> Path:
        return self.folder / "log.jsonl"
