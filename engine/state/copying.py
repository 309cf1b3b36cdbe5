"""Copies of values that are state, and whether a value is still what it was: without packing what is simple."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import is_
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

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
    return [_copy(value, known, resolve) for value in values]


def _copy(value: Any, known: dict[int, Any], resolve: Callable[[str, str], type]) -> Any:
    kind = type(value)
    if kind in _PLAIN or isinstance(value, np.generic):
        return value
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


def parts_of(value: Any) -> set[int]:
    """Return the identities of what can be changed in a value, itself included, as far as that is plain data."""
    found: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind in _PLAIN or id(one) in found or isinstance(one, type | ModuleType | FunctionType):
            continue
        found.add(id(one))
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list | tuple | set | deque):
            waiting += one
        elif isinstance(one, np.ndarray):
            waiting.append(one.base)
        elif hasattr(one, "__dict__"):
            waiting += vars(one).values()
    return found


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are of one type and equal in every bit, NaN and the sign of zero included.

    Examples
    --------
    >>> is_same([1, float("nan")], [1, float("nan")]), is_same([1], [True]), is_same(0.0, -0.0)
    (True, False, False)
    """
    kind = type(one)
    if kind is not type(other):
        return False
    if one is other or kind in _EXACT:
        return bool(one == other) or one is other
    if kind is float:
        return _is_same_float(one, other)
    if kind is list or kind is tuple or kind is deque:
        if len(one) != len(other) or (kind is deque and one.maxlen != other.maxlen):
            return False
        return all(map(is_, one, other)) or all(map(is_same, one, other))
    if kind is dict:
        return (
            len(one) == len(other) and all(map(is_same, one, other)) and all(map(is_same, one.values(), other.values()))
        )
    if kind is Window:
        return one.n == other.n and _is_same_array(one.array(), other.array())
    if kind is np.ndarray and not one.dtype.hasobject:
        return _is_same_array(one, other)
    return pack(one) == pack(other)


def _is_same_float(one: float, other: float) -> bool:
    if one != other:
        return math.isnan(one) and math.isnan(other)
    return one != 0 or math.copysign(1, one) == math.copysign(1, other)


def _is_same_array(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
