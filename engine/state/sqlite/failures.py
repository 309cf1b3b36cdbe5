"""What SQLite and the system say, as errors of the engine."""

from __future__ import annotations

import errno
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import StateCorrupt, StateError, StoreFailed

_PRIMARY = 0xFF  # of an extended result code, the part that names the family
_NOT_DAMAGE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_MISUSE,
}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ROOM_BYTES = 1 << 20  # less than that free, and an error of input and output is put down to the full disk


def damaged(path: Path, what: str) -> StateCorrupt:
    """Return the error of a file that is not what was written, with what to do about it."""
    return StateCorrupt(
        f"{path}: {what}. Put it back from a copy, or begin anew with `engine state clear` or by removing {path.parent}"
    )


def failed(path: Path, exc: BaseException) -> StoreFailed:
    """Return the error of a write that did not happen."""
    if isinstance(exc, OSError):
        return StoreFailed(str(path), exc.strerror or str(exc), is_full=exc.errno in _FULL)
    code = getattr(exc, "sqlite_errorcode", 0)
    is_full = code == sqlite3.SQLITE_FULL or (code & _PRIMARY == sqlite3.SQLITE_IOERR and _is_full(path))
    reason = str(exc) if isinstance(exc, sqlite3.Error) else f"{type(exc).__name__}: {exc}"
    return StoreFailed(str(path), reason, is_full=is_full)


def _is_full(path: Path) -> bool:
    try:
        room = os.statvfs(path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _ROOM_BYTES


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever reading damaged bytes leads to into a `StateCorrupt`."""
    try:
        yield
    except StateError:
        raise
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0)
        is_io = code & _PRIMARY == sqlite3.SQLITE_IOERR and code != sqlite3.SQLITE_IOERR_SHORT_READ
        if code & _PRIMARY in _NOT_DAMAGE or is_io or "closed" in str(exc):
            raise failed(path, exc) from exc
        raise damaged(path, str(exc)) from exc
    except (ValueError, TypeError, LookupError, OverflowError, MemoryError, struct.error) as exc:
        raise damaged(path, f"{type(exc).__name__}: {exc}") from exc
