"""How the file comes to be: whole, or not at all."""

from __future__ import annotations

import os
import sqlite3

from engine.errors import StoreFailed
from engine.state.sqlite.failures import damaged, failed
from engine.state.sqlite.folder import Folder
from engine.state.sqlite.ledger import Ledger
from engine.state.sqlite.tables import APPLICATION_ID, FORMAT_VERSION, HEAD, META, SCHEMA, checksum_of, seed_of

PAGE_BYTES = 4096
"""What disks write at once; a changed key costs a page in the log, so that a larger one would cost more."""


def head_row(ledger: Ledger) -> tuple[bytes, int]:
    """Return the value and the checksum of the row that says what all others come to."""
    head = ledger.pack_head()
    return head, checksum_of(seed_of(META, HEAD), b"", b"", head)


def make(folder: Folder) -> None:
    """Make an empty store in a folder that never had one.

    Raises
    ------
    StateCorrupt
        It had one, and it is gone.
    StoreFailed
        It cannot be written.
    """
    path = folder.file
    if path.exists():
        if path.stat().st_size == 0:
            raise damaged(path, "it is empty, and was never so")
        if not os.access(path, os.R_OK | os.W_OK):
            raise StoreFailed(str(path), "there is no permission to read and write it")
        return
    if folder.was_used:
        raise damaged(path, "it is gone, and the epoch beside it says that it was there")
    waiting = path.with_name(path.name + ".new")
    try:
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()
        _write(waiting, "OFF" if folder.is_volatile else "FULL")
        waiting.replace(path)
        folder.sync()
    except (sqlite3.Error, OSError) as exc:
        raise failed(path, exc) from exc


def _write(path: os.PathLike[str], sync: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for setting in (
            f"page_size = {PAGE_BYTES}",
            f"application_id = {APPLICATION_ID}",
            f"user_version = {FORMAT_VERSION}",
            "journal_mode = WAL",
            f"synchronous = {sync}",
        ):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN IMMEDIATE")
        for sql in SCHEMA.values():
            connection.execute(sql)
        connection.execute(
            "INSERT INTO meta (area, key, name, value, checksum) VALUES (?, x'', x'', ?, ?)",
            (HEAD, *head_row(Ledger())),
        )
        connection.execute("COMMIT")
    finally:
        connection.close()  # which moves the log to the file
