"""Values become JSON that people read, and come back as they were."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import deque
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from engine.errors import StateCorrupt, StateTooLarge, StateUnkept
from engine.state import Window, pack, unpack
from engine.state.json_form import from_json, to_json
from tests.properties.test_state_values import values
from tests.state.sameness import Scaler, are_same
from tests.state.test_values import VALUES


def through_text(data: bytes) -> bytes:
    text = json.dumps(to_json(data), ensure_ascii=False, allow_nan=False)
    return from_json(json.loads(text.encode().decode()))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_comes_back_as_the_type_and_with_the_content_it_had(value: object) -> None:
    assert are_same(unpack(through_text(pack(value))), value)


@given(values)
@settings(max_examples=150, deadline=None)
def test_any_value_comes_back_as_it_was(value: object) -> None:
    assert are_same(unpack(through_text(pack(value))), value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"total": 1.5, "n": 3, "is_new": True, "last": None, "name": "Zürich"}, None),
        ([0.5, 1, "x"], None),
        ((1, 2), {"$tuple": [1, 2]}),
        ({1: "a"}, {"$dict": [[1, "a"]]}),
        ({"$x": 1}, {"$dict": [["$x", 1]]}),
        (deque([1.5], 30), {"$deque": [1.5], "maxlen": 30}),
        (deque(), {"$deque": []}),
        (math.nan, {"$float": "nan"}),
        (-math.inf, {"$float": "-inf"}),
        (2**64 - 1, 2**64 - 1),
        (2**64, {"$int": "0x10000000000000000"}),
        ("\ud800", {"$str": "\\ud800"}),
        (b"ab", {"$bytes": "YWI="}),
        (date(2024, 2, 29), {"$date": "2024-02-29"}),
        (
            datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
            {"$datetime": "2024-10-27T02:30:00", "zone": {"$zone": "Europe/Berlin"}, "fold": 1},
        ),
        (timedelta(1, 2, 3), {"$timedelta": [1, 2, 3]}),
        (np.float32(0.5), {"$numpy": 0.5, "dtype": "<f4"}),
        (np.array([1.5, math.nan]), {"$array": [1.5, {"$float": "nan"}], "dtype": "<f8"}),
        (
            np.array([[1, 2], [3, 4]], order="F"),
            {"$array": [[1, 2], [3, 4]], "dtype": "<i8", "shape": [2, 2], "order": "F"},
        ),
        (np.array(["2024-01-01"], "M8[D]"), {"$array": ["2024-01-01"], "dtype": "<M8[D]"}),
        (np.array([90], "m8[s]"), {"$array": [90], "dtype": "<m8[s]"}),
        (Window.of(3, np.array([1.0, 2.0])), {"$window": [1.0, 2.0], "n": 3}),
        (Scaler(2.0, []), {"$instance": "tests.state.sameness:Scaler", "state": {"factor": 2.0, "seen": []}}),
    ],
)
def test_a_value_is_shown_as_a_person_would_write_it(value: object, shown: object) -> None:
    assert to_json(pack(value)) == (value if shown is None else shown)


def test_a_frame_is_shown_by_its_columns() -> None:
    shown = to_json(pack(pd.DataFrame({"a": [1, 2]})))
    assert shown["$frame"] == [{"$array": [1, 2], "dtype": "<i8"}]
    assert set(shown) == {"$frame", "columns", "index", "attrs"}


def test_what_this_machine_cannot_read_is_shown_as_bytes_and_comes_back() -> None:
    packed = pack(ZoneInfo("Europe/Berlin")).replace(b"Europe/Berlin", b"Europe/Nobody")
    for data in (packed, b"\x63anything of a later version"):
        assert set(to_json(data)) == {"$packed"}
        assert from_json(to_json(data)) == data


def test_neither_pandas_nor_a_scripts_class_is_loaded_to_show_a_value() -> None:
    packed = pack({"frame": pd.DataFrame({"a": [1]}), "scaler": Scaler(1.0, [])})
    code = (
        "import sys; from engine.state.json_form import from_json, to_json; data = bytes.fromhex(sys.argv[1]); "
        "assert from_json(to_json(data)) == data; print({'pandas', 'tests.state.sameness'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code, packed.hex()], cwd=root, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01~", pack([1]) + b"x", pack("abc")[:-1]])
def test_damaged_bytes_are_an_error_of_state(data: bytes) -> None:
    if data:
        with pytest.raises(StateCorrupt):
            to_json(data)
    else:
        assert to_json(data) == {"$packed": ""}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"$tupel": [1]}, "did you mean '$tuple'"),
        ({"$tuple": 1}, "list expected, got int"),
        ({"$tuple": [1], "$set": [1]}, "one name that begins with"),
        ({"$deque": [1, 2], "maxlen": 1}, "a deque of maxlen 1 holds 2"),
        ({"$deque": [1, 2], "maxlan": 3}, "no field 'maxlan'"),
        ({"$float": "1.5"}, "neither nan nor inf"),
        ({"$float": "nan:7ff0000000000000"}, "not a nan"),
        ({"$bytes": "?"}, "not base64"),
        ({"$packed": "?"}, "not base64"),
        ({"$dict": [[1, 2], [1, 3]]}, "given twice"),
        ({"$dict": [[{"$tuple": [[1]]}, 2]]}, "unhashable"),
        ({"$set": [[1]]}, "unhashable"),
        ({"$date": "2024-02-30"}, "day"),
        ({"$datetime": "2024-01-01T00:00:00Z"}, "give it as the field 'zone'"),
        ({"$zone": "Mars/Base"}, "not known on this machine"),
        ({"$decimal": "1,5"}, "not a decimal number"),
        ({"$array": [1.5], "dtype": "<i4"}, "1.5 is no value of an array of int32"),
        ({"$array": [300], "dtype": "|u1"}, "300"),
        ({"$array": ["abc"], "dtype": "<U2"}, "'abc' is no value"),
        ({"$array": [[1], [2, 3]], "dtype": "<i4", "shape": [2, 1]}, "shape"),
        ({"$array": [1], "dtype": "|O"}, "not the dtype of a value that is kept"),
        ({"$array": {"base64": "YWI="}, "dtype": "<i4", "shape": [1]}, "does not take 2 bytes"),
        ({"$array": [1], "dtype": "pickle"}, "pickle"),
        ({"$window": [1.0, 2.0], "n": 1}, "a window of 1 holds 2"),
        ({"$window": [1.0]}, "int expected, got NoneType"),
        ({"$instance": "Scaler", "state": 1}, "module:Class"),
        ({"$instance": "a:B"}, "'state' is missing"),
        ({"$frame": [], "columns": 1, "index": 2}, "'attrs' is missing"),
    ],
)
def test_json_that_stands_for_no_value_is_refused_with_the_reason(value: object, reason: str) -> None:
    with pytest.raises(StateUnkept, match="prices") as caught:
        from_json(value, "prices")
    assert reason in str(caught.value)


def test_json_that_is_too_large_or_too_deep_is_refused() -> None:
    with pytest.raises(StateTooLarge):
        from_json("x" * (17 << 20))
    deep: list[object] = []
    for _ in range(150):
        deep = [deep]
    with pytest.raises(StateUnkept, match="nested"):
        from_json(deep)
