"""JSON text, both ways."""

from collections import OrderedDict, UserList
from datetime import date
from types import MappingProxyType

import numpy as np
import pytest

from engine.errors import DecodeError, EncodeError
from engine.schema import parse_json, write_json


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1", 1),
        (b" \t1.5\r\n", 1.5),
        (b"\xef\xbb\xbf1", 1),
        ("é", None),
        ('"é"'.encode(), "é"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"-0.0", -0.0),
        (b"1e400", None),
        (str(10**300).encode(), 10**300),
    ],
)
def test_a_text_is_its_value(raw, value):
    if value is None:
        with pytest.raises(DecodeError):
            parse_json(raw)
    else:
        assert repr(parse_json(raw)) == repr(value)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"nope", "a value expected at character 0, got 'nope'"),
        (b'{"a": }', "at character 6"),
        (b'{"a": 1', "at character 7"),
        (b"1 2", "something follows the value at character 1"),
        (b"{}x", "something follows"),
        (b'"\xff"', "it is not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "it is not UTF-8"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b'{"\\udc00": 1}', "half of a surrogate pair"),
        (b"NaN", "NaN is not a number in JSON"),
        (b"[Infinity]", "Infinity is not"),
        (b"-Infinity", "-Infinity is not"),
        (b"1e999", "1e999 is not"),
        (b"[-1e999]", "-1e999 is not"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 5000, "too many digits"),
        (b"'a'", "a value expected"),
        (b"01", "something follows"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(raw, reason):
    with pytest.raises(DecodeError) as caught:
        parse_json(raw)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1e16, "1e+16"),
        (-0.0, "-0.0"),
        ("é\n\x00", '"é\\n\\u0000"'),
        ({"a": [1, None, True]}, '{"a":[1,null,true]}'),
        ((1, 2), "[1,2]"),
        (np.float64(0.1), "0.1"),
        ([np.float32(0.5), np.int64(3), np.bool_(True)], "[0.5,3,true]"),
        ({"a": np.arange(3)}, '{"a":[0,1,2]}'),
        (OrderedDict(a=MappingProxyType({"b": 1})), '{"a":{"b":1}}'),
        (UserList([1]), "[1]"),
    ],
)
def test_a_value_is_written_compactly(value, text):
    assert write_json(value).decode() == text


def holding_itself():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "not JSON compliant"),
        ([float("inf")], "not JSON compliant"),
        (np.float32("nan"), "not JSON compliant"),
        (b"a", "JSON has no form for b'a' (bytes)"),
        ({"a": bytearray(b"a")}, "JSON has no form for"),
        (np.bytes_(b"a"), "JSON has no form for"),
        (date(2020, 1, 1), "JSON has no form for datetime.date"),
        ({(1, 2): 3}, "keys must be"),
        ("\ud800", "half of a surrogate pair"),
        (holding_itself(), "holds itself"),
        (10**5000, "limit"),
    ],
    ids=range(11),
)
def test_what_json_cannot_hold_is_refused(value, reason):
    with pytest.raises(EncodeError) as caught:
        write_json(value)
    assert reason in str(caught.value)


def test_an_error_leaves_nothing_behind_for_the_next_value():
    shared = {"a": [1]}
    for _ in range(2):
        with pytest.raises(EncodeError):
            write_json([shared, object()])
        assert write_json([shared, shared]) == b'[{"a":[1]},{"a":[1]}]'
