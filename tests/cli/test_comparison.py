from __future__ import annotations

from typing import Any

import pytest

from engine.cli.comparison import compare, differences


@pytest.mark.parametrize(
    ("expected", "got", "tolerance"),
    [
        (1, 1.0, 0.0),
        (0.0, -0.0, 0.0),
        (1.0, 1.05, 0.1),
        (1000.0, 1005.0, 0.01),
        ({"a": 1, "b": [1, None]}, {"b": [1, None], "a": 1}, 0.0),
        ("x", "x", 0.0),
        (None, None, 0.0),
    ],
)
def test_values_that_agree(expected: Any, got: Any, tolerance: float) -> None:
    assert compare(expected, got, tolerance) is None


@pytest.mark.parametrize(
    ("expected", "got", "reason"),
    [
        (1.0, 1.5, "1.0 expected, got 1.5 (difference 0.5)"),
        (1, True, "1 expected, got true"),
        (0, None, "0 expected, got null"),
        (1, "1", '1 expected, got "1"'),
        ([1], [1, 2], "1 items expected, got 2"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1]: 2 expected, got 3 (difference 1)"),
        ({"a": 1}, {"b": 1}, "'a' is missing, 'b' is not expected"),
        (float("nan"), 1.0, "nan expected, got 1.0 (difference nan)"),
    ],
)
def test_values_that_differ_are_told_apart_by_path(expected: Any, got: Any, reason: str) -> None:
    assert compare(expected, got) == reason


def test_a_missing_and_a_surplus_record_are_named_by_line() -> None:
    assert [(one.line_no, one.reason) for one in differences([b"1", b"2"], [b"1"])] == [(2, "no record")]
    assert [(one.line_no, one.reason) for one in differences([b"1"], [b"1", b"2"])] == [(2, "one record too many")]


def test_records_that_are_not_json_are_compared_as_bytes() -> None:
    assert [one.reason for one in differences([b"a", b"b"], [b"a", b"c"])] == ["the records differ"]


def test_the_way_a_number_is_written_does_not_count() -> None:
    assert not list(differences([b'{"a": 1.50, "b": 2}'], [b'{"b":2,"a":1.5}']))
