"""Moves what is in the log to the file, beside the writer and not in its way."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from engine.state.sqlite.reading import TIMEOUT_S, connect

N_PAGES = 4096
"""A log of 16 MiB is moved: in a tenth of a second, and seldom enough that a page that changes often is moved once."""

MOST_PAGES = 4 * N_PAGES
"""When so many more have come and the thread has not kept up, the writer waits and moves them itself."""

LIMIT_BYTES = 64 << 20
"""What a log that has been longer is cut to: a big commit does not keep its room for ever."""


class Checkpointer:
    """A thread with a connection of its own.

    A log begins at its front again only when all of it has been moved. While the writer goes on that is never so; the
    writer therefore moves the small rest itself, between two transactions, when this thread has done most of it.

    Parameters
    ----------
    path : Path
        The store's file.
    on_moved : callable
        Called in the thread when most of the log has been moved.
    """

    def __init__(self, path: Path, on_moved: Callable[[], None]) -> None:
        self._connection = connect(path, is_writer=True)
        self._on_moved = on_moved
        self._asked = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="store-checkpoint", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Have the log moved soon."""
        self._asked.set()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._is_closed:
                return
            if move(self._connection) is not None:
                self._on_moved()

    def close(self) -> None:
        """Finish the move that goes on."""
        self._is_closed = True
        self._asked.set()
        self._thread.join()
        self._connection.close()


def move(connection: sqlite3.Connection) -> int | None:
    """Move the log; return how many pages of it are left, or None when it could not be done now: it is tried again."""
    with contextlib.suppress(sqlite3.Error):  # a full disk, say: the log goes on growing, and commits tell of it
        is_busy, n_pages, n_moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return None if is_busy else max(n_pages - n_moved, 0)
    return None


def move_all(connection: sqlite3.Connection) -> None:
    """Move the log and give its room back, unless somebody reads from it: nobody is waited for."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {TIMEOUT_S * 1000}")
