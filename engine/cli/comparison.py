"""Expected records against those that came, one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that is not as expected; None where there is no record at all."""

    line_no: int
    expected: bytes | None
    got: bytes | None
    reason: str


def differences(expected: Iterable[bytes], got: Iterable[bytes], tolerance: float = 0.0) -> Iterator[Difference]:
    """Yield where two sequences of records differ.

    Records that are JSON are compared as values: the order of fields and the way in which a number is written do not
    count. Others are compared as bytes.

    Parameters
    ----------
    expected, got : iterable of bytes
        Raw records.
    tolerance : float
        Numbers a and b are equal when ``|a - b| <= tolerance * max(1, |a|)``, `a` the expected one.
    """
    for line_no, (wanted, found) in enumerate(zip_longest(expected, got), 1):
        if wanted is None:
            yield Difference(line_no, None, found, "one record too many")
        elif found is None:
            yield Difference(line_no, wanted, None, "no record")
        elif wanted != found and (reason := _compare_records(wanted, found, tolerance)) is not None:
            yield Difference(line_no, wanted, found, reason)


def _compare_records(expected: bytes, got: bytes, tolerance: float) -> str | None:
    try:
        values = json.loads(expected), json.loads(got)
    except ValueError:
        return "the records differ"
    return compare(*values, tolerance)


def compare(expected: Any, got: Any, tolerance: float = 0.0, path: str = "") -> str | None:
    """Return what differs between two JSON values and where, or None.

    >>> compare({"a": [1, 2.0]}, {"a": [1, 2.5]})
    'a[1]: 2.0 expected, got 2.5 (difference 0.5)'
    """
    where = f"{path.removeprefix('.')}: " if path else ""
    if isinstance(expected, dict) and isinstance(got, dict):
        if expected.keys() != got.keys():
            odd = sorted(expected.keys() ^ got.keys())
            missing = ", ".join(f"{name!r} is {'missing' if name in expected else 'not expected'}" for name in odd)
            return f"{where}{missing}"
        pairs = [(expected[name], got[name], f"{path}.{name}") for name in expected]
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            return f"{where}{len(expected)} items expected, got {len(got)}"
        pairs = [(left, right, f"{path}[{i}]") for i, (left, right) in enumerate(zip(expected, got, strict=True))]
    elif _is_number(expected) and _is_number(got):
        if expected == got or abs(expected - got) <= tolerance * max(1.0, abs(expected)):
            return None
        return f"{where}{expected} expected, got {got} (difference {abs(expected - got):g})"
    elif type(expected) is type(got) and expected == got:
        return None
    else:
        return f"{where}{json.dumps(expected, ensure_ascii=False)} expected, got {json.dumps(got, ensure_ascii=False)}"
    return next((found for pair in pairs if (found := compare(pair[0], pair[1], tolerance, pair[2])) is not None), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
