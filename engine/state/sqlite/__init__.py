"""A store of commits in SQLite: one file per job, written by one thread, every row with a checksum."""

from engine.state.sqlite.peek import Peek
from engine.state.sqlite.store import SqliteStore, discard

__all__ = ["Peek", "SqliteStore", "discard"]
