"""Every type that state may be made of comes back as what it was; everything else is refused by its place and name."""

from __future__ import annotations

import collections
import dataclasses
import enum
import io
import json
import math
import struct
import sys
import threading
from collections import deque
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from engine.errors import StateCorrupt, StateIncompatible, StateTooLarge, StateUnkept
from engine.state import FORMAT_VERSION, LIMIT_BYTES, Window, pack, unpack
from tests.state.sameness import Scaler, are_same

BERLIN = ZoneInfo("Europe/Berlin")
ROWS = pd.date_range("2024-01-01", periods=3, freq="D")


def window_of(*values, n=4, dtype=float):
    made = Window(n, dtype)
    made.extend(values)
    return made


VALUES = {
    "none": None,
    "true": True,
    "false": False,
    "zero": 0,
    "a negative int": -1,
    "edges of 64 bits": [2**63 - 1, -(2**63), 2**64 - 1, 2**64, -(2**63) - 1],
    "a huge int": -(7**2000),
    "float": 0.1,
    "minus zero": -0.0,
    "infinity": -math.inf,
    "a NaN with a payload": struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\xff")[0],
    "floats with a NaN": [1.0, struct.unpack("<d", b"\x02\x00\x00\x00\x00\x00\xf8\x7f")[0], -0.0],
    "complex": complex(-0.0, math.inf),
    "text": "Zürich \U0001f600\0",
    "half a surrogate pair": "\ud800",
    "texts with half a pair": ["\ud800", "a"],
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"ab"),
    "bytearrays": [bytearray(b"ab"), b"ab"],
    "decimal": Decimal("1.10"),
    "odd decimals": [Decimal("-0"), Decimal("sNaN12"), Decimal("-Infinity"), Decimal("1E+9999")],
    "empty containers": [[], (), {}, set(), frozenset(), deque(), deque(maxlen=0)],
    "list of bools and ints": [True, 1, 0, False],
    "list of floats and ints": [1.0, 1, 2.0],
    "list of None": [None] * 20,
    "long list": list(range(70_000)),
    "tuple": (1, "a", None),
    "nested": {"a": [1, (2, [3, {4: {5}}])]},
    "order of a dict": {"z": 1, "a": 2, "m": 3},
    "keys of many types": {1: "a", "1": "b", (1, 2): "c", None: "d", 1.5: "e", b"x": "f", date(2024, 1, 1): "g"},
    "numpy keys": {np.int64(3): 1, np.str_("a"): 2},
    "sets": [{1, 2}, {"a", None, (1,)}, frozenset({1.5}), {frozenset({1})}],
    "deque": deque([1.0, 2.0], 30),
    "deque without a limit": deque([1, "a"]),
    "a list of windows": {"a": [0.5] * 30, "b": [1.5] * 30},
    "date": date(1, 1, 1),
    "time": time(23, 59, 59, 999_999),
    "time in the fold": time(2, 30, fold=1),
    "time with a zone": time(1, 2, tzinfo=UTC),
    "datetime": datetime(2024, 2, 29, 12, 0, 0, 1),
    "utc": datetime(2024, 2, 29, tzinfo=UTC),
    "zone of a place": datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN),
    "offset": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-5, seconds=1))),
    "named offset": timezone(timedelta(hours=1), "CET"),
    "offset of zero with a name": timezone(timedelta(0), "GMT"),
    "a zone": BERLIN,
    "timedelta": timedelta(-1, 5, 7),
    "longest timedelta": timedelta.max,
    "numpy float32": np.float32(0.1),
    "numpy float64": np.float64(0.1),
    "numpy bool": np.bool_(True),
    "numpy ints": [np.int8(-1), np.uint64(2**64 - 1), np.longlong(5), np.int64(5), 5],
    "numpy floats": [np.float16(1), np.complex64(1j)],
    "numpy long doubles": [np.longdouble("0.1"), np.clongdouble(1j)],
    "numpy times": [np.datetime64("2024-01-01"), np.datetime64("NaT"), np.timedelta64(5, "ms"), np.timedelta64(3)],
    "numpy text": np.str_("a\0"),
    "numpy bytes": np.bytes_(b"a\0"),
    "numpy record": np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])[0],
    "array": np.arange(6.0).reshape(2, 3),
    "array without rows": np.empty((0, 3), "f4"),
    "array without dimensions": np.array(3.5),
    "array by columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "every other one": np.arange(10)[::2],
    "big-endian array": np.arange(3, dtype=">i4"),
    "array of long longs": np.arange(3, dtype=np.longlong),
    "array of bools": np.array([True, False]),
    "array of texts": np.array(["a", "bcd"]),
    "array of bytes": np.array([b"a", b"bcd"]),
    "array of dates": np.array(["2024-01-01", "NaT"], "M8[ns]"),
    "array of spans": np.array([1, 2], "m8[25s]"),
    "array of complex": np.array([1j]),
    "structured array": np.zeros(2, [("a", "i4"), ("b", "f8", (2,)), ("c", [("d", "U3")])]),
    "aligned structured array": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "window": window_of(1.0, 2.0, 3.0, 4.0, 5.0),
    "window that is not full": window_of(1.0, -0.0),
    "empty window": window_of(),
    "window of dates": window_of("2024-01-01", dtype="M8[D]"),
    "window of float32": window_of(0.1, dtype=np.float32),
    "series": pd.Series([1.0, 2.0], name="price"),
    "series by date": pd.Series([1, 2, 3], ROWS),
    "series of objects": pd.Series([1, "a", None, [1, 2]], dtype=object),
    "series of lists": pd.Series([[1], [2]], dtype=object),
    "frame": pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": ["x", None], 4: [True, False]}),
    "frame without columns": pd.DataFrame(index=[1, 2]),
    "frame without rows": pd.DataFrame({"a": pd.Series([], dtype="int32")}),
    "frame with two columns of a name": pd.DataFrame([[1, 2.5]], columns=["a", "a"]),
    "frame of many dtypes": pd.DataFrame(
        {
            "when": pd.Series(ROWS).dt.tz_localize("Europe/Berlin"),
            "second": pd.Series(ROWS).dt.as_unit("s"),
            "span": pd.to_timedelta([1, 2, None], unit="s"),
            "kind": pd.Categorical(["a", "b", None], ["b", "a"], ordered=True),
            "count": pd.array([1, None, 3], "Int8"),
            "rate": pd.array([0.5, None, -0.0], "Float32"),
            "flag": pd.array([True, None, False], "boolean"),
            "text": pd.array(["a", pd.NA, "c"], "string[python]"),
        },
        index=ROWS,
    ),
    "frame with two levels": pd.DataFrame(
        {"v": [1, 2, 3]}, pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["k", None])
    ),
    "frame with names and categories": pd.DataFrame(
        [[1, 2]], columns=pd.CategoricalIndex(["x", "y"], name="kind"), index=pd.Index([2.5], name="at")
    ),
    "instance": Scaler(2.0, [1.0]),
    "instances": {"a": [Scaler(1.0, []), Scaler(2.0, [3.0])]},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_comes_back_as_the_type_and_with_the_content_it_had(value):
    assert are_same(unpack(pack(value)), value)


def test_a_frame_keeps_its_attributes():
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["unit"] = ("EUR", 1.5)
    assert unpack(pack(frame)).attrs == {"unit": ("EUR", 1.5)}


def test_utc_comes_back_as_the_one_utc():
    assert unpack(pack(UTC)) is UTC


def test_an_array_that_comes_back_can_be_written_to():
    array = unpack(pack(np.zeros(3)))
    array[0] = 1.0
    assert array[0] == 1.0


def test_what_is_shared_comes_back_as_two():
    part = [1.0]
    first, second = unpack(pack([part, part]))
    assert first == second
    assert first is not second


@pytest.mark.parametrize(
    ("value", "most_bytes"),
    [
        ([0.1] * 30, 260),
        (deque([0.1] * 30, 30), 260),
        (np.zeros(30), 260),
        (window_of(*range(30), n=30), 260),
        (window_of(n=30), 20),
        ({f"key{n}": float(n) for n in range(100)}, 1500),
        (list(range(100)), 110),
        (1.5, 10),
        (True, 3),
    ],
)
def test_packed_values_are_compact(value, most_bytes):
    assert len(pack(value)) <= most_bytes


class Point(collections.namedtuple("Point", "x y")):
    pass


@dataclasses.dataclass
class Reading:
    value: float


class Colour(enum.IntEnum):
    RED = 1


class OddZone(tzinfo):
    pass


class Broken:
    def state(self):
        raise ValueError("no")

    def restore(self, state):
        pass


class Texts(str):
    __slots__ = ()


def loop():
    value = {"a": [1]}
    value["a"].append({"back": value})
    return [0, value]


def deep(n):
    value = 1.0
    for _ in range(n):
        value = [value]
    return value


def local_class():
    class Local(Scaler):
        pass

    return Local(1.0, [])


REFUSED = {
    "object": (object(), "x: object cannot be kept."),
    "module": (sys, "x: module cannot be kept."),
    "function": (len, "x: builtin_function_or_method cannot be kept."),
    "class": (Scaler, "x: type cannot be kept."),
    "generator": ((i for i in ()), "x: generator cannot be kept."),
    "file": (io.StringIO(), "x: _io.StringIO cannot be kept."),
    "lock": (threading.Lock(), "x: _thread.lock cannot be kept."),
    "in a list": ([1, [2, object()]], "x[1][1]: object cannot be kept."),
    "in a tuple": ((1, object()), "x[1]: object cannot be kept."),
    "in a deque": (deque([object()]), "x[0]: object cannot be kept."),
    "in a dict": ({"session": object()}, "x['session']: object cannot be kept."),
    "as a key": ({object: 1}, "x, a key: type cannot be kept."),
    "in a set": ({1, object}, "x, a member: type cannot be kept."),
    "of an instance": (Scaler(1.0, [object()]), "x.state()['seen'][0]: object cannot be kept."),
    "namedtuple": (
        Point(1, 2),
        "x: tests.state.test_values.Point cannot be kept. Use a dict, or give the class state() and restore().",
    ),
    "dataclass": (
        [Reading(1.0)],
        "x[0]: tests.state.test_values.Reading cannot be kept. Use a dict, or give the class state() and restore().",
    ),
    "enum": (Colour.RED, "x: tests.state.test_values.Colour cannot be kept."),
    "subclass of str": (Texts("a"), "x: tests.state.test_values.Texts cannot be kept."),
    "defaultdict": (
        {"a": collections.defaultdict(list)},
        "x['a']: collections.defaultdict cannot be kept. Use a dict and its setdefault().",
    ),
    "memoryview": ([memoryview(b"ab")], "x[0]: memoryview cannot be kept."),
    "range": (range(3), "x: range cannot be kept."),
    "time zone": (
        [datetime(2024, 1, 1, tzinfo=OddZone())],
        "x[0].tzinfo: tests.state.test_values.OddZone cannot be kept.",
    ),
    "array of objects": ({"a": np.array([None])}, "x['a']: an array of Python objects cannot be kept. Use a list."),
    "array with an object field": (
        np.zeros(1, [("a", object)]),
        "x: an array of Python objects cannot be kept. Use a list.",
    ),
    "array of texts of any length": (np.array(["a"], np.dtypes.StringDType()), "x: an array of Python objects"),
    "masked array": (np.ma.zeros(1), "x: numpy.ma.MaskedArray cannot be kept."),
    "recarray": (np.rec.array([(1,)], [("a", "i4")]), "x: numpy.recarray cannot be kept."),
    "timestamp": (pd.Timestamp("2024-01-01"), "x: pandas.Timestamp cannot be kept."),
    "object in a column": (pd.DataFrame({"a": [object()]}), "x['a'][0]: object cannot be kept."),
    "odd column": (
        pd.DataFrame({"a": pd.period_range("2024", periods=1, freq="D")}),
        "x: column 'a' of dtype period[D] cannot be kept.",
    ),
    "odd index": (
        pd.Series([1], pd.period_range("2024", periods=1, freq="D")),
        "x: column None of dtype period[D] cannot be kept.",
    ),
    "local class": (
        local_class(),
        "x: tests.state.test_values.local_class.<locals>.Local cannot be kept: its class is not found by its name.",
    ),
    "state() raises": (Broken(), "x: tests.state.test_values.Broken.state() raised ValueError: no."),
    "cycle": (loop(), "x[1]: what contains itself cannot be kept."),
    "too deep": (deep(200), "x: nested more than 100 levels deep, it cannot be kept."),
}


@pytest.mark.parametrize(("value", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_kept_is_refused_by_its_place_and_type(value, sentence):
    with pytest.raises(StateUnkept) as refusal:
        pack(value, "x")
    assert str(refusal.value).startswith(sentence)


def test_the_deepest_value_that_is_packed_can_be_unpacked():
    assert are_same(unpack(pack(deep(100))), deep(100))


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(LIMIT_BYTES // 8),
        bytes(LIMIT_BYTES),
        [np.zeros(LIMIT_BYTES // 16)] * 3,
        [[1.0] * 1000] * 10_000,
        Window(LIMIT_BYTES // 4),
        {n: Window(LIMIT_BYTES // 80) for n in range(11)},
    ],
    ids=["an array", "bytes", "arrays", "lists", "an empty window", "windows"],
)
def test_a_value_over_the_limit_is_refused_by_name_and_size(value):
    with pytest.raises(StateTooLarge, match=r"^table: it takes at least \d+\.\d MiB, .* may take 16 MiB\. Keep less"):
        pack(value, "table")


def test_the_size_of_an_array_is_told_without_packing_it():
    huge = np.broadcast_to(np.float64(0), (1 << 40,))
    with pytest.raises(StateTooLarge, match=r"at least 8388608\.0 MiB"):
        pack(huge, "table")


FIXTURES = Path(__file__).parents[1] / "data"  # of each version, the packed values of its day, never written again


def test_values_that_an_earlier_version_packed_come_back_as_they_were():
    fixture = json.loads((FIXTURES / "state_values_v1.json").read_text())
    for name, packed in fixture.items():
        assert are_same(unpack(bytes.fromhex(packed)), VALUES[name]), name


def test_the_fixture_has_every_kind_of_value_of_this_version():
    fixture = json.loads((FIXTURES / f"state_values_v{FORMAT_VERSION}.json").read_text())
    tags = {bytes.fromhex(packed)[1] for packed in fixture.values()}
    assert tags >= {pack(value)[1] for value in VALUES.values()}


def test_a_value_of_a_later_version_is_refused():
    with pytest.raises(StateIncompatible, match="version 9 of the format"):
        unpack(b"\x09N")


def test_a_class_that_is_gone_is_named():
    packed = pack(Scaler(1.0, [])).replace(b"Scaler", b"Scalar")
    with pytest.raises(StateIncompatible, match="Scalar is not a class with state"):
        unpack(packed)


def test_an_instance_is_made_by_the_class_that_the_resolver_gives():
    class Other(Scaler):
        pass

    found = unpack(pack(Scaler(1.0, [2.0])), lambda module, name: {"Scaler": Other}[name])
    assert (type(found), found.factor, found.seen) == (Other, 1.0, [2.0])


def test_bytes_can_name_no_class_that_does_not_say_how_it_is_kept():
    packed = b"\x01O\x0asubprocess\x05PopenN"
    with pytest.raises(StateIncompatible, match=r"subprocess\.Popen is not a class"):
        unpack(packed)


def test_a_time_zone_that_this_machine_lacks_is_named():
    with pytest.raises(StateIncompatible, match="'Mars/Olympus' is not known"):
        unpack(pack(BERLIN).replace(b"\x0dEurope/Berlin", b"\x0cMars/Olympus"))


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\x01",
        b"\x01?",
        b"\x01NN",
        b"\x01l\xff\xff\xff\xff\x0f\x00",
        b"\x01l\x02\x00N",
        b"\x01l\x01\x01",
        b"\x01l\x01\x09",
        b"\x01l\x01\x02\x05\xdd\xff\xff\xff\xff",
        b"\x01l\x01\x02\x02\xc0\xc0",
        b"\x01l\x01\x02\x03\xd4\x05\x00",
        b"\x01s\x05ab",
        b"\x01s\x01\xff",
        b"\x01y" + b"\xff" * 20,
        b"\x01m\x01x",
        b"\x01m\x181E999999999999999999999999",
        b"\x01d\x01\x00l\x00\x01\x00N",
        b"\x01D\x00\x00\x00\x00",
        b"\x01o\x00\x00\x00\x7f\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\x01z\x09../passwd",
        b"\x01As\x03<f8\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\x00",
        b"\x01As\x03|O8\x00\x01\x01aaaaaaaa",
        b"\x01As\x03<U0\x00\x01\xff\xff\xff\xff\x0f",
        b"\x01As\x05f8,f8\x00\x00",
        b"\x01Ws\x03<f8\xff\xff\xff\xff\xff\x0f\x00",
        b"\x01Ws\x03<f8\x01\x02" + bytes(16),
        b"\x01" + b"l\x01\x00" * 5000 + b"N",
    ],
)
def test_bytes_that_are_no_packed_value_are_refused(packed):
    with pytest.raises(StateCorrupt):
        unpack(packed)


def test_a_container_that_changes_while_it_is_packed_is_an_error_of_state(monkeypatch):
    seen = {0: Scaler(1.0, [])}
    monkeypatch.setattr(Scaler, "state", lambda self: seen.update({len(seen): 1}))
    with pytest.raises(StateUnkept, match=r"^seen: it cannot be packed: .* changed size"):
        pack(seen, "seen")
