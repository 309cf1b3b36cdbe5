"""The keys of one task: packed, and those in use as objects too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.errors import StateError
from engine.jet.lifetimes import Lifetime


class Live:
    """The variables of one key, as objects."""

    __slots__ = ("interval", "key", "place", "shelf", "values")

    def __init__(self, shelf: Shelf, place: object, key: bytes, values: list[Any]) -> None:
        self.shelf, self.place, self.key, self.values, self.interval = shelf, place, key, values, 0


class Shelf:
    """What is there of the keys of one task.

    A blob is what was handed over of a key last, but for keys in `early`: those had to give way within an interval.

    Parameters
    ----------
    task : int
        The task.
    lifetime : Lifetime or None
        For how long a key is kept that is not used.
    """

    def __init__(self, task: int, lifetime: Lifetime | None) -> None:
        self.task, self.lifetime = task, lifetime
        self.live: dict[object, Live] = {}
        self.blobs: dict[bytes, bytes] = {}
        self.early: dict[bytes, set[str]] = {}
        self.restored: set[str] = set()
        """Names of which one value was restored: whether they fit the script is tried with the first."""
        self.failure: StateError | None = None
        """Why it cannot be committed."""
        self.size_bytes = 0

    def now_s(self) -> int:
        """Return what is noted for a key that is used now; 0 where nobody asks."""
        return self.lifetime.now_s() if self.lifetime is not None else 0

    def store(self, key: bytes, blob: bytes) -> None:
        """Keep the blob of a key."""
        old = self.blobs.get(key)
        self.size_bytes += len(blob) - len(old) if old is not None else len(key) + len(blob)
        self.blobs[key] = blob

    def drop(self, key: bytes) -> bytes:
        """Let go of a key, and return its blob."""
        blob = self.blobs.pop(key)
        self.size_bytes -= len(key) + len(blob)
        return blob

    def sort(self) -> None:
        """Bring the blobs into the order of last use."""
        if self.lifetime is not None:
            self.blobs = self.lifetime.in_order(self.blobs)

    def expired(self, limit: int) -> Iterator[bytes]:
        """Yield the keys that are to be forgotten, up to a limit."""
        return iter(()) if self.lifetime is None else self.lifetime.expired(self.blobs, limit)
