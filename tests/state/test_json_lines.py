"""A line of JSON is an entry, there and back, and what is wrong with one is told by its number."""

from __future__ import annotations

import json

import pytest

from engine.errors import ConfigError
from engine.state import pack
from engine.state.commits import Entry
from engine.state.json_lines import key_json, key_of, read_lines, select, write_line

ENTRIES = [
    Entry("script", b"", "total", pack(1.5)),
    Entry("script", pack("AAPL"), "prices", pack([1.0, 2.0])),
    Entry("script", pack(5), "prices", pack(float("nan"))),
    Entry("script", pack(5.0), "prices", pack({1, 2})),
    Entry("script", pack(None), "prices", pack(None)),
    Entry("cells", b"", "count", pack(3)),
    Entry("pools/last", pack(("a", 1)), "", pack("x\u2028y")),
]


def test_entries_come_back_from_their_lines() -> None:
    lines = [write_line(entry) for entry in ENTRIES]
    assert all(len(line.splitlines()) <= 2 and "\n" not in line for line in lines)
    keyed = [line.encode() for line, entry in zip(lines, ENTRIES, strict=True) if entry.key or entry.scope == "cells"]
    assert list(read_lines([*keyed, b"", b"  \n"], is_keyed=True)) == ENTRIES[1:]
    assert list(read_lines([lines[0].encode()], is_keyed=False)) == ENTRIES[:1]
    assert json.loads(lines[1]) == {"scope": "script", "key": "AAPL", "name": "prices", "value": [1.0, 2.0]}


@pytest.mark.parametrize(("key", "is_keyed"), [(b"", False), (pack(None), True)])
def test_no_key_is_null_and_so_is_a_key_that_is_none(key: bytes, is_keyed: bool) -> None:
    assert key_json(key) is None
    assert key_of(None, is_keyed=is_keyed) == key


def test_what_earlier_versions_made_of_a_key_that_is_none_is_read() -> None:
    assert key_of({"$packed": "AU4="}, is_keyed=True) == pack(None)


@pytest.mark.parametrize(
    ("key", "name", "at"),
    [
        (None, None, range(len(ENTRIES))),
        ("AAPL", None, [1]),
        ('"AAPL"', None, [1]),
        ("5", None, [2, 3]),
        ("5.0", None, [3]),
        ('{"$tuple": ["a", 1]}', None, [6]),
        (None, "prices", [1, 2, 3, 4]),
        ("AAPL", "total", []),
        ("[1", None, []),
    ],
)
def test_a_key_is_found_by_what_a_person_calls_it(key: str | None, name: str | None, at: list[int]) -> None:
    assert list(select(ENTRIES, key, name)) == [ENTRIES[index] for index in at]


GOOD = {"scope": "script", "key": None, "name": "x", "value": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Line 2: Expecting property name"),
        ("[]", "an object with scope, key, name, value expected"),
        (json.dumps({"scope": "script"}), "an object with scope, key, name, value expected"),
        (json.dumps(GOOD | {"more": 1}), "an object with scope, key, name, value expected"),
        (json.dumps(GOOD | {"scope": "pool"}), "'pool' is no scope"),
        (json.dumps(GOOD | {"scope": "pools/"}), "'pools/' is no scope"),
        (json.dumps(GOOD | {"name": ""}), "'' is no name"),
        (json.dumps(GOOD | {"name": 1}), "1 is no name"),
        (json.dumps(GOOD | {"value": {"$tupel": []}}), "x: '$tupel' is no type of value"),
        (json.dumps(GOOD | {"key": "AAPL"}), "it has a key, and what it would belong to has none"),
        (json.dumps(GOOD | {"scope": "cells", "key": 1}), "it has a key, and what it would belong to has none"),
        (json.dumps(GOOD | {"scope": "pools/last", "key": {"$bytes": "?"}}), "key: '?' is not base64"),
        (json.dumps(GOOD | {"name": "first"}), "line 1 holds the same name of the same key"),
        ('{"scope": "script", "key": null, "name": "x", "value": {"a": 1, "a": 2}}', "'a' is given twice"),
        ('{"scope": "script", "key": null, "name": "x", "value": NaN}', 'write {"$float": "nan"}'),
        ('{"scope": "script", "key": null, "name": "x", "value": -Infinity}', 'write {"$float": "-inf"}'),
        ("[" * 100_000, "nested"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_number(line: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=r"^Line 2: ") as caught:
        list(read_lines([json.dumps(GOOD | {"name": "first"}).encode(), line.encode()], is_keyed=False))
    assert reason in str(caught.value)
