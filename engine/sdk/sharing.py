"""What all jets of an engine share: cells and pools.

The values live in the engine, which commits them with everything else. In a jet every access is a question over the
channel; outside of an engine, as when a script is run as a plain program, the values live in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.state import loaded_class, pack, unpack

CELLS, POOLS = "cells", "pools/"
"""The scope of cells, and what the scope of a pool begins with."""

Ask = Callable[[list[Any]], bytes | None]
"""Asks the engine ``[verb, scope, key, name, value]``, and returns the packed value that it answers."""


class _Home:
    """Where the values are: by default in this process."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, bytes, str], bytes] = {}
        self.ask: Ask = self._answer
        self.resolve: Callable[[str, str], type] = loaded_class
        self.held: str | None = None

    def _answer(self, message: list[Any]) -> bytes | None:
        verb, scope, key, name, value = message
        if verb in ("set", "put"):
            self._values[scope, key, name] = value
        return self._values.get((scope, key, name))


_home = _Home()


def connect(ask: Ask | None = None, resolve: Callable[[str, str], type] = loaded_class) -> None:
    """Have cells and pools live where `ask` leads; without it, in this process, with nothing in them.

    `resolve` finds the classes of instances, as for `engine.state.unpack`.
    """
    global _home
    _home = _Home()
    _home.resolve = resolve
    if ask is not None:
        _home.ask = ask


class _Place:
    """One shared value."""

    __slots__ = ("_at", "_label")

    def __init__(self, label: str, *at: object) -> None:
        self._label, self._at = label, at

    def get(self) -> Any:
        return self._unpack(_home.ask(["get", *self._at, None]))

    def set(self, value: Any) -> None:
        self._refuse_within_update("set")
        _home.ask(["set", *self._at, pack(value, self._label)])

    def update(self, change: Callable[[Any], Any]) -> Any:
        self._refuse_within_update("update")
        home = _home
        old = home.ask(["take", *self._at, None])
        home.held = self._label
        try:
            new = change(self._unpack(old))
            packed = pack(new, self._label)
        except BaseException:
            home.ask(["release", *self._at, None])
            raise
        finally:
            home.held = None
        home.ask(["put", *self._at, packed])
        return new

    @staticmethod
    def _unpack(value: bytes | None) -> Any:
        return None if value is None else unpack(value, _home.resolve)

    def _refuse_within_update(self, verb: str) -> None:
        # For its own value it would wait for ever; for another, if a second jet does the same the other way round.
        if _home.held is not None:
            raise RuntimeError(
                f"{self._label}: {verb}() was called within the update() of {_home.held}; there a function may only"
                " read. Return the new value, and change the other one before or after."
            )


class Cell:
    """One value that all jets of an engine share; `cells` returns it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def _place(self) -> _Place:
        return _Place(f"cells({self._name!r})", CELLS, b"", self._name)

    @property
    def value(self) -> Any:
        """A copy of what it holds now; None before it is set."""
        return self._place.get()

    def set(self, value: Any) -> None:
        """Set it, after an `update` that is under way.

        Raises
        ------
        StateUnkept, StateTooLarge
            The value cannot be kept.
        """
        self._place.set(value)

    def update(self, change: Callable[[Any], Any]) -> Any:
        """Set it to what a function makes of its value, and return that; no other change comes in between.

        Raises
        ------
        StateUnkept, StateTooLarge
            The new value cannot be kept. Then, and when the function raises, the old one stays.
        RuntimeError
            An update is under way in this jet already: the function may only read.
        """
        return self._place.update(change)

    def state(self) -> str:
        """Return its name: of a variable that holds a cell, that is all there is to keep."""
        return self._name

    def restore(self, state: str) -> None:
        """Be the cell of that name."""
        self._name = state

    def __eq__(self, other: object) -> bool:
        return self._name == other._name if isinstance(other, Cell) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"cells({self._name!r})"


class Pool:
    """Values by key that all jets of an engine share; `pools` returns it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def _place(self, key: Any) -> _Place:
        label = f"pools({self._name!r}), key {key!r:.40}"
        return _Place(label, f"{POOLS}{self._name}", pack(key, label), "")

    def get(self, key: Any) -> Any:
        """Return a copy of what it holds for a key; None before it is set."""
        return self._place(key).get()

    def set(self, key: Any, value: Any) -> None:
        """Set the value of a key; as `Cell.set`."""
        self._place(key).set(value)

    def update(self, key: Any, change: Callable[[Any], Any]) -> Any:
        """Set the value of a key to what a function makes of it, and return that; as `Cell.update`."""
        return self._place(key).update(change)

    def state(self) -> str:
        """Return its name: of a variable that holds a pool, that is all there is to keep."""
        return self._name

    def restore(self, state: str) -> None:
        """Be the pool of that name."""
        self._name = state

    def __eq__(self, other: object) -> bool:
        return self._name == other._name if isinstance(other, Pool) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"pools({self._name!r})"


def cells(name: str) -> Cell:
    """Return the cell of a name; it exists as soon as it is set.

    Examples
    --------
    >>> counter = cells("counter")
    >>> counter.value
    >>> counter.set(1)
    >>> counter.update(lambda n: n + 1), counter.value
    (2, 2)
    """
    return Cell(_checked(name))


def pools(name: str) -> Pool:
    """Return the pool of a name; it exists as soon as something is in it.

    Examples
    --------
    >>> seen = pools("seen")
    >>> seen.update("AAPL", lambda n: (n or 0) + 1), seen.get("MSFT")
    (1, None)
    """
    return Pool(_checked(name))


def _checked(name: str) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"a name is a text that is not empty, not {name!r:.40}")
    return name
