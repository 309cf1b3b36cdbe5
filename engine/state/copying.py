"""Copies of values that are state, and whether a value is still what it was: without packing what is simple."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import is_
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from engine.errors import StateUnkept
from engine.state.instances import loaded_class
from engine.state.values import pack, unpack
from engine.state.window import Window

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, complex, Decimal, date, datetime, time, timedelta})
"""Types whose values cannot be changed."""

_EXACT = frozenset({type(None), bool, int, str, bytes})
"""Those of them of which two equal values are the same in every respect."""


def copied(values: Sequence[Any], resolve: Callable[[str, str], type] = loaded_class) -> list[Any]:
    """Return values such that changing them leaves the given ones alone; what they share, the copies share too.

    Parameters
    ----------
    values : sequence
        Of any types that can be packed.
    resolve : callable
        Finds the classes of instances.

    Raises
    ------
    StateError
        One of them can be kept by nobody.

    Examples
    --------
    >>> prices = [1.0, 2.0]
    >>> one, other = copied([prices, prices])
    >>> one.append(3.0)
    >>> prices, other
    ([1.0, 2.0], [1.0, 2.0, 3.0])
    """
    known: dict[int, Any] = {}
    try:
        return [_copy(value, known, resolve) for value in values]
    except RecursionError as exc:
        raise StateUnkept("value", "it is nested too deeply", "Keep it in flat lists or dicts.") from exc


def _copy(value: Any, known: dict[int, Any], resolve: Callable[[str, str], type]) -> Any:
    kind = type(value)
    if kind in _PLAIN or kind is object:
        return value
    if isinstance(value, np.generic):
        return value.copy() if kind is np.void else value
    place = id(value)
    if place in known:
        return known[place]
    if kind is list or kind is deque:
        copy = known[place] = value.copy()
        if not _PLAIN.issuperset(map(type, value)):
            for index, item in enumerate(value):
                copy[index] = _copy(item, known, resolve)
        return copy
    if kind is dict:
        copy = known[place] = {}
        for key, item in value.items():
            copy[_copy(key, known, resolve)] = _copy(item, known, resolve)
    elif kind is tuple:
        copy = value if _PLAIN.issuperset(map(type, value)) else tuple(_copy(item, known, resolve) for item in value)
    elif kind is Window:
        copy = value.__copy__()
    elif kind is np.ndarray and not value.dtype.hasobject:
        copy = value.copy(order="K")
    else:
        copy = unpack(pack(value), resolve)
    known[place] = copy
    return copy


def entangled(values: Mapping[str, Any], others: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return two names whose values have a part in common that `copied` would not keep in common.

    Parameters
    ----------
    values : mapping of str to value
        What is copied.
    others : mapping of str to value
        What is not.
    """
    owners: dict[int, tuple[str, bool]] = {}
    for name, value in [*values.items(), *others.items()]:
        for place, is_plain in _parts_of(value, is_plain=name in values):
            owner, was_plain = owners.setdefault(place, (name, is_plain))
            if not (is_plain and was_plain) and (owner in values or name in values) and owner != name:
                return owner, name
            if not is_plain and was_plain and owner == name:
                return name, name
    return None


def _parts_of(value: Any, *, is_plain: bool) -> Iterator[tuple[int, bool]]:
    """Yield the identity of each part that can be changed, and whether a copy of it is found by that identity again."""
    seen: set[int] = set()
    waiting = [(value, is_plain)]
    while waiting:
        one, is_plain = waiting.pop()
        if one is None or type(one) in _PLAIN or id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        yield id(one), is_plain
        if isinstance(one, dict):
            waiting += [(part, is_plain) for part in one.values()]
        elif isinstance(one, list | tuple | deque):
            waiting += [(part, is_plain) for part in one]
        elif isinstance(one, np.ndarray):
            waiting.append((one.base, False))
        elif isinstance(one, set):
            waiting += [(part, False) for part in one]
        elif hasattr(one, "__dict__"):
            waiting += [(part, False) for part in vars(one).values()]


def rough_size_bytes(values: Iterable[Any]) -> int:
    """Return about how much memory copies of values take: of many alike, the first is looked at."""
    return sum(map(_rough_size_bytes, values))


def _rough_size_bytes(value: Any, depth: int = 0) -> int:
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, Window):
        return 2 * value.n * value.dtype.itemsize
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple | deque | set | dict) and value and depth < 4:
        first = next(iter(value.values() if isinstance(value, dict) else value))
        return len(value) * (64 + _rough_size_bytes(first, depth + 1))
    return 64


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are of one type and equal in every bit, NaN and the sign of zero included.

    Raises
    ------
    StateError
        They are of a kind that nobody can keep.

    Examples
    --------
    >>> is_same([1, float("nan")], [1, float("nan")]), is_same([1], [True]), is_same(0.0, -0.0)
    (True, False, False)
    """
    try:
        return _is_same(one, other)
    except RecursionError as exc:
        raise StateUnkept("value", "it is nested too deeply", "Keep it in flat lists or dicts.") from exc


def _is_same(one: Any, other: Any) -> bool:
    kind = type(one)
    if kind is not type(other):
        return False
    if one is other or kind in _EXACT:
        return one is other or bool(one == other)
    if kind is float:
        return _is_same_float(one, other)
    if kind is list or kind is tuple or kind is deque:
        if len(one) != len(other) or (kind is deque and one.maxlen != other.maxlen):
            return False
        return all(map(is_, one, other)) or all(map(_is_same, one, other))
    if kind is dict:
        return (
            len(one) == len(other)
            and all(map(_is_same, one, other))
            and all(map(_is_same, one.values(), other.values()))
        )
    if kind is Window:
        return bool(one.is_same(other))
    if (kind is np.ndarray and not one.dtype.hasobject) or kind is np.void:
        return _is_same_array(one, other)
    return pack(one) == pack(other)


def _is_same_float(one: float, other: float) -> bool:
    if one != other:
        return math.isnan(one) and math.isnan(other)
    return one != 0 or math.copysign(1, one) == math.copysign(1, other)


def _is_same_array(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
