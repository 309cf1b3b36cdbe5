"""The state of a script between two commits: what was committed of it, what has changed, and how it is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from engine.errors import StateIncompatible
from engine.jet.changes import Figures
from engine.jet.keeping import Trial
from engine.jet.keys import Key

UNBOUND = "$unbound"
"""The entry that names what the script has deleted since ``begin()``: otherwise ``begin()`` would bring it back."""

NOT_BOUND: Any = object()
"""In place of the value of a name that the script has deleted, or not bound."""

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

    def entangled(self) -> tuple[str, str] | None:
        """Return two names of which one changes, and that have a part in common which copies would not."""

    def turn_to(self, key: Key) -> bool:
        """Have the script see the state of a key of the task; return whether the key is new.

        Raises
        ------
        DataError
            The state cannot be read.
        """

    def drop(self) -> None:
        """Forget the key that the script sees, which was new."""

    def take(self) -> list[Any]:
        """Return the values that a record could change, as the script sees them now."""

    def put(self, values: Sequence[Any]) -> None:
        """Have the script see these values, which `take` has returned, in place of those of the same task and key."""

    def settle(self) -> None:
        """Note that no record is half done."""

    def forget(self, tasks: Iterable[int]) -> None:
        """Drop the state of tasks, without a word."""

    def commit(self, put: Put) -> Figures:
        """Hand over what has changed since the last commit."""

    def end(self) -> Iterator[None]:
        """Put in place what ``end()`` shall see, once for every call of it."""


def values_of(names: Sequence[str], variables: Mapping[str, Any]) -> list[Any]:
    """Return the values of names in a script's variables."""
    return [variables.get(name, NOT_BOUND) for name in names]


def bind(names: Sequence[str], values: Sequence[Any], variables: dict[str, Any]) -> None:
    """Bind names to values, which `values_of` has returned, in a script's variables."""
    for name, value in zip(names, values, strict=True):
        if value is NOT_BOUND:
            variables.pop(name, None)
        else:
            variables[name] = value


def refuse_unknown(name: str, known: Iterable[str]) -> None:
    """Raise StateIncompatible for a stored name that is no state of the script."""
    if name not in known:
        listed = ", ".join(known) or "empty"
        raise StateIncompatible(f"{name!r} was stored, and is not in the script's state any more, which is: {listed}")
