"""The store of another process, looked at while it works."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from engine.state.commits import SCRIPT, Entry, Fence, Reject
from engine.state.sqlite.failures import reading
from engine.state.sqlite.folder import FILE
from engine.state.sqlite.forms import key_text
from engine.state.sqlite.ledger import Ledger
from engine.state.sqlite.reading import Reading, check_file, connect, load
from engine.state.sqlite.tables import ENTRIES


class Peek:
    """What a store holds at one moment; nothing is locked, and nothing can be written.

    As long as it is open the store's log cannot begin at its front again, so it grows: look, and close.

    Parameters
    ----------
    folder : Path
        The store's. Where there is no store, nothing is found.

    Raises
    ------
    StateCorrupt, StateIncompatible
        The store cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._ledger = Ledger()
        self._connection: sqlite3.Connection | None = None
        if not self._path.exists():
            return
        with reading(self._path):
            self._connection = connect(self._path)
            try:
                self._connection.execute("BEGIN")
                check_file(self._connection, self._path)
                self._ledger = load(self._connection, self._path)
            except BaseException:
                self.close()
                raise

    @property
    def fence(self) -> Fence | None:
        """The last committed one; None before the first commit."""
        return self._ledger.fence

    @property
    def job(self) -> Any:
        """What the runtime keeps for a restart."""
        return self._ledger.job

    def entries(self, scope: str = SCRIPT) -> Iterator[Entry]:
        """Return the committed state; raises `StateCorrupt`."""
        if self._connection is not None:
            yield from Reading(self._connection, self._path).entries(self._ledger, scope)

    def scopes(self) -> list[str]:
        """Return the scopes that have entries."""
        return [key_text(area) for area in self._ledger.areas(ENTRIES)]

    def rejects(self, after: int = 0, limit: int | None = None) -> list[Reject]:
        """Return the reject log, oldest first."""
        if self._connection is None:
            return []
        return Reading(self._connection, self._path).rejects(after, limit)

    def close(self) -> None:
        """Let the store's log be emptied again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
