"""Equality that tells 1 from True and from 1.0, -0.0 from 0.0, one NaN from another, in whatever it is nested."""

import struct
from collections import deque
from datetime import datetime, time, timezone
from decimal import Decimal
from functools import singledispatch

import numpy as np
import pandas as pd

from engine.state import Window


class Scaler:
    """What a script's own class looks like."""

    def __init__(self, factor, seen):
        self.factor, self.seen = factor, seen

    def state(self):
        return {"factor": self.factor, "seen": self.seen}

    def restore(self, state):
        self.factor, self.seen = state["factor"], state["seen"]


def are_same(one, other):
    """Whether two values, with all that they contain, are of the same types and the same bits."""
    return type(one) is type(other) and _have_same_content(one, other)


@singledispatch
def _have_same_content(one, other):
    return one == other


@_have_same_content.register
def _(one: float, other):
    return struct.pack("<d", one) == struct.pack("<d", other)


@_have_same_content.register
def _(one: complex, other):
    return are_same([one.real, one.imag], [other.real, other.imag])


@_have_same_content.register
def _(one: Decimal, other):
    return one.as_tuple() == other.as_tuple()


@_have_same_content.register
def _(one: list | tuple | deque, other):
    limits = [getattr(each, "maxlen", None) for each in (one, other)]
    return len(one) == len(other) and limits[0] == limits[1] and all(map(are_same, one, other))


@_have_same_content.register
def _(one: dict, other):
    return are_same([*one.keys(), *one.values()], [*other.keys(), *other.values()])


@_have_same_content.register
def _(one: set | frozenset, other):
    rest = list(other)
    for item in one:
        match = next((index for index, each in enumerate(rest) if are_same(item, each)), None)
        if match is None:
            return False
        del rest[match]
    return not rest


@_have_same_content.register
def _(one: datetime | time, other):
    clocks = [(each.replace(tzinfo=None), each.fold) for each in (one, other)]
    return clocks[0] == clocks[1] and are_same(one.tzinfo, other.tzinfo)


@_have_same_content.register
def _(one: timezone, other):
    return repr(one) == repr(other)


@_have_same_content.register
def _(one: np.str_ | np.bytes_, other):
    return list(one) == list(other)


@_have_same_content.register
def _(one: np.longdouble | np.clongdouble, other):  # 6 of 16 bytes are padding, with anything in it
    return repr(one) == repr(other)


@_have_same_content.register
def _(one: np.ndarray | np.generic, other):
    kinds = [(each.dtype, each.dtype.char, each.shape, each.tobytes("A")) for each in (one, other)]
    return kinds[0] == kinds[1]


@_have_same_content.register
def _(one: Window, other):
    return one.n == other.n and are_same(one.array(), other.array())


@_have_same_content.register
def _(one: pd.Series, other):
    pd.testing.assert_series_equal(one, other, check_exact=True, check_freq=True)
    return True


@_have_same_content.register
def _(one: pd.DataFrame, other):
    pd.testing.assert_frame_equal(one, other, check_exact=True, check_freq=True, check_column_type=True)
    return True


@_have_same_content.register
def _(one: Scaler, other):
    return are_same(one.state(), other.state())
