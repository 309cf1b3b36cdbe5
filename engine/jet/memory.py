"""The state of a script between two commits: what was committed of it, what has changed, and how it is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from engine.errors import StateIncompatible
from engine.jet.changes import Figures
from engine.jet.keeping import Trial

UNBOUND = "$unbound"
"""The entry that names what the script has deleted since ``begin()``: otherwise ``begin()`` would bring it back."""

Put = Callable[[int, bytes, str, bytes | None], None]
"""Takes a changed entry: task, key, name, and packed value or None when it is forgotten."""

Resolve = Callable[[str, str], type]
"""Finds a class by the name of its module and its own."""


class Memory(Protocol):
    """What a worker keeps of a script's state, by task: 0 where there are none.

    Its order is `begin`; for each task whose state was committed `restore` and `finish_restore`; `enter` before records
    of a task, and `commit` behind some.
    """

    def begin(self, trials: Iterable[Trial]) -> list[str]:
        """Take what ``begin()`` left as the beginning; return why that cannot be, as sentences without a stop."""

    def restore(self, task: int, key: bytes, name: str, value: bytes) -> None:
        """Put a committed entry back.

        Raises
        ------
        StateIncompatible, StateCorrupt
            It does not fit the script, or is damaged.
        """

    def finish_restore(self, task: int) -> int:
        """Note that all of a task is put back; return its number of keys."""

    def enter(self, task: int) -> None:
        """Have what the script does from now on be about the state of a task."""

    def forget(self, tasks: Iterable[int]) -> None:
        """Drop the state of tasks, without a word."""

    def commit(self, put: Put) -> Figures:
        """Hand over what has changed since the last commit."""

    def end(self) -> Iterator[None]:
        """Put in place what ``end()`` shall see, once for every call of it."""


def refuse_unknown(name: str, known: Iterable[str]) -> None:
    """Raise StateIncompatible for a stored name that is no state of the script."""
    if name not in known:
        listed = ", ".join(known) or "empty"
        raise StateIncompatible(f"{name!r} was stored, and is not in the script's state any more, which is: {listed}")
