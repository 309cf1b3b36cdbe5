"""The state of a script between two commits: what was committed of it, what has changed, and how it is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from types import ModuleType
from typing import Any, Protocol

from engine.errors import StateError, StateIncompatible, StateTooLarge
from engine.jet.changes import Figures
from engine.jet.keeping import Trial
from engine.script import StateName
from engine.state import pack, unpack

UNBOUND = "$unbound"
"""The entry that names what the script has deleted since ``begin()``: otherwise ``begin()`` would bring it back."""

Put = Callable[[bytes, str, bytes | None], None]
"""Takes a changed entry: key, name, and packed value or None when it is forgotten."""

Resolve = Callable[[str, str], type]
"""Finds a class by the name of its module and its own."""


class Memory(Protocol):
    """What a worker keeps of a script's state. Its order: `begin`, `restore` and `finish_restore`, then `commit`."""

    def begin(self, trials: Iterable[Trial]) -> list[str]:
        """Take what ``begin()`` left as the beginning; return why that cannot be, as sentences without a stop."""

    def restore(self, key: bytes, name: str, value: bytes) -> None:
        """Put a committed entry back.

        Raises
        ------
        StateIncompatible, StateCorrupt
            It does not fit the script, or is damaged.
        """

    def finish_restore(self) -> int:
        """Note that all is put back; return the number of keys."""

    def commit(self, put: Put) -> Figures:
        """Hand over what has changed since the last commit."""

    def end(self) -> None:
        """Put in place what ``end()`` shall see."""


class ModuleMemory:
    """The state of a script without keys: the variables of its module.

    Of every value the digest is kept that was handed over last, not the value: it may take 16 MiB.

    Parameters
    ----------
    module : ModuleType
        The script.
    names : sequence of StateName
        What of it is state.
    resolve : callable
        Finds the classes of stored instances.
    """

    def __init__(self, module: ModuleType, names: Sequence[StateName], resolve: Resolve) -> None:
        self._variables: dict[str, Any] = vars(module)
        self._names, self._resolve = {entry.name: entry for entry in names}, resolve
        self._refused: set[str] = set()
        self._bound_at_first: frozenset[str] = frozenset()
        self._committed: dict[str, tuple[bytes, int]] = {}
        self._unbound: list[str] = []

    def begin(self, trials: Iterable[Trial]) -> list[str]:
        """Take what is bound now as the beginning. What cannot be kept is left out, if the script does not insist."""
        refusals = {trial.name: trial.refusal for trial in trials if trial.refusal is not None}
        self._refused = set(refusals)
        self._bound_at_first = frozenset(self._names.keys() & self._variables.keys())
        return [refusal.removesuffix(".") for name, refusal in refusals.items() if self._names[name].is_declared]

    def restore(self, key: bytes, name: str, value: bytes) -> None:
        """Set a variable to its stored value."""
        if key:
            raise StateIncompatible("it is of one key, and the script has no engine.key")
        if name == UNBOUND:
            self._unbound = unpack(value)
            for gone in self._unbound:
                self._variables.pop(gone, None)
            return
        refuse_unknown(name, self._names)
        self._variables[name] = unpack(value, self._resolve)
        self._committed[name] = digest_of(value), len(value)
        self._refused.discard(name)

    def finish_restore(self) -> int:
        """Return 0: there are no keys."""
        return 0

    def commit(self, put: Put) -> Figures:
        """Pack every variable, and hand over those that differ from what was handed over before."""
        refusals: list[tuple[str, str]] = []
        failure: StateError | None = None
        for name, entry in self._names.items():
            if name in self._refused:
                continue
            if name not in self._variables:
                self._forget(name, put)
                continue
            try:
                self._offer(name, pack(self._variables[name], name), put)
            except StateError as exc:
                if entry.is_declared or isinstance(exc, StateTooLarge):
                    failure = failure or exc
                    continue
                self._refused.add(name)
                refusals.append((name, str(exc)))
                self._forget(name, put)
        self._note_unbound(put)
        size_bytes = sum(len(name) + size_bytes for name, (_, size_bytes) in self._committed.items())
        return Figures(0, 0, size_bytes, refusals, failure)

    def _offer(self, name: str, value: bytes, put: Put) -> None:
        mark = digest_of(value), len(value)
        if self._committed.get(name) != mark:
            self._committed[name] = mark
            put(b"", name, value)

    def _forget(self, name: str, put: Put) -> None:
        if self._committed.pop(name, None) is not None:
            put(b"", name, None)

    def _note_unbound(self, put: Put) -> None:
        unbound = sorted(self._bound_at_first - self._variables.keys())
        if unbound != self._unbound:
            put(b"", UNBOUND, pack(unbound) if unbound else None)
            self._unbound = unbound

    def end(self) -> None:
        """Do nothing: the variables are in their place."""


def digest_of(value: bytes) -> bytes:
    """Return what two equal packed values have in common, and two others do not."""
    return blake2b(value, digest_size=16).digest()


def refuse_unknown(name: str, known: Iterable[str]) -> None:
    """Raise StateIncompatible for a stored name that is no state of the script."""
    if name not in known:
        listed = ", ".join(known) or "empty"
        raise StateIncompatible(f"{name!r} was stored, and is not in the script's state any more, which is: {listed}")
