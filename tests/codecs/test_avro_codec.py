"""The avro-binary encoding, against the specification's own examples and against bytes that are not Avro."""

import pytest

from engine.codecs import open_codec
from engine.errors import DecodeError, EncodeError, SchemaMismatch
from engine.schema import parse_schema

INTS = {"type": "array", "items": "int"}
NULLS = {"type": "array", "items": "null"}
EMPTY = {"type": "record", "name": "empty", "fields": [{"name": "n", "type": "null"}]}
SIDE = {"type": "enum", "name": "side", "symbols": ["buy", "sell"]}
NODE = {"type": "record", "name": "node", "fields": [{"name": "next", "type": ["null", "node"]}]}
ENDLESS = {"type": "record", "name": "endless", "fields": [{"name": "inner", "type": "endless"}]}
LEG = {
    "type": "record",
    "name": "leg",
    "fields": [{"name": "symbol", "type": "string"}, {"name": "size", "type": "int"}],
}
ORDER = {"type": "record", "name": "order", "fields": [{"name": "legs", "type": {"type": "array", "items": LEG}}]}
HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # 2**63 - 1
LOWEST = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # -2**63


@pytest.mark.parametrize(
    ("schema", "value", "raw"),
    [
        ("null", None, ""),
        ("boolean", True, "01"),
        ("long", 0, "00"),
        ("long", -1, "01"),
        ("long", 1, "02"),
        ("long", -64, "7f"),
        ("long", 64, "8001"),
        ("long", (1 << 63) - 1, HUGE.hex()),
        ("long", -(1 << 63), LOWEST.hex()),
        ("int", -(1 << 31), "ffffffff0f"),
        ("float", 1.5, "0000c03f"),
        ("double", 1.5, "000000000000f83f"),
        ("string", "foo", "06666f6f"),
        ("string", "", "00"),
        ("bytes", b"\x00\xff", "0400ff"),
        (SIDE, "sell", "02"),
        ({"type": "fixed", "name": "f", "size": 2}, b"ab", "6162"),
        ({"type": "array", "items": "long"}, [3, 27], "04063600"),
        (INTS, [1, 2, 3, 4], "080204060800"),
        ({"type": "array", "items": "float"}, [1.5, 0.0], "040000c03f0000000000"),
        ({"type": "map", "values": "int"}, {"a": 1}, "0202610200"),
        (["null", "string"], "a", "020261"),
        (["null", "string"], None, "00"),
        (["string", "null"], None, "02"),
        (NODE, {"next": {"next": None}}, "0200"),
        (NULLS, [None, None], "0400"),
        ("double", float("inf"), "000000000000f07f"),
    ],
)
def test_a_value_is_written_as_the_specification_says(schema, value, raw):
    codec = open_codec("avro-binary", parse_schema(schema))
    assert codec.encode(value).hex() == raw
    assert codec.decode(bytes.fromhex(raw)) == value


@pytest.mark.parametrize(
    ("raw", "value"), [("0304020400", [1, 2]), ("020202040 0".replace(" ", ""), [1, 2]), ("00", [])]
)
def test_items_are_read_in_any_blocks(raw, value):
    assert open_codec("avro-binary", parse_schema(INTS)).decode(bytes.fromhex(raw)) == value


@pytest.mark.parametrize(
    ("schema", "raw", "reason"),
    [
        ("double", b"", "a double has 8 bytes, this record 0"),
        ("double", bytes(9), "a double has 8 bytes, this record 9"),
        ("float", bytes(3), "the bytes end too early"),
        ("float", bytes(5), "1 bytes follow the value"),
        ("null", b"a", "1 bytes follow the value"),
        ("boolean", b"\x02", "a boolean of 2, neither 0 nor 1"),
        ("int", b"", "the bytes end too early"),
        ("int", b"\x80\x80\x80\x80\x10", "2147483648 is not an int of 32 bits"),
        ("long", b"\xff" * 9 + b"\x02", "a number of more than 64 bits"),
        ("long", b"\x80" * 10**6, "a number of more than 64 bits"),
        ("string", b"\x04\xff\xff", "a string that is not UTF-8 at its byte 0"),
        ("string", b"\x06\xed\xa0\x80", "not UTF-8"),
        ("string", b"\x01", "a length of -1"),
        ("bytes", HUGE + b"abc", "the bytes end too early"),
        ("bytes", LOWEST, "a length of -9223372036854775808"),
        (SIDE, b"\x04", "symbol 2 of an enum that has 2"),
        (SIDE, b"\x01", "symbol -1 of an enum that has 2"),
        (["null", "int"], b"\x01", "branch -1 of a union that has 2"),
        (["null", "int"], b"\x04", "branch 2 of a union that has 2"),
        (INTS, HUGE + b"\x02", "field '[1]': the bytes end too early"),
        (INTS, LOWEST + b"\x02" + b"\x02", "field '[1]': the bytes end too early"),
        ({"type": "array", "items": "double"}, HUGE + bytes(8), "the bytes end too early"),
        (NULLS, HUGE + b"\x00", "items that take no bytes, more than 1000"),
        ({"type": "array", "items": EMPTY}, HUGE + b"\x00", "items that take no bytes, more than 1000"),
        ({"type": "map", "values": "null"}, HUGE + b"\x02a", "field '{a}': the bytes end too early"),
        (NODE, b"\x02" * 10**6, "nested too deeply"),
        (ENDLESS, b"", "nested too deeply"),
        (ORDER, b"\x04\x02a\x02\x02\xff\x02\x00", "field 'legs[1].symbol': a string that is not UTF-8"),
        (ORDER, b"\x04\x02a\x02\x02b", "field 'legs[1].size': the bytes end too early"),
        (LEG, b"\x1c$fastscore.set\x00\x00\x00", "control records are not supported yet"),
    ],
)
def test_bytes_that_are_not_avro_are_refused(schema, raw, reason):
    with pytest.raises(DecodeError) as caught:
        open_codec("avro-binary", parse_schema(schema)).decode(raw)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "value", "error", "reason"),
    [
        ("string", "\ud800", EncodeError, "half of a surrogate pair"),
        (NULLS, [None] * 1001, EncodeError, "1001 items that take no bytes"),
        (ORDER, {"legs": [{"symbol": "a", "size": 1 << 31}]}, SchemaMismatch, r"legs\[0\].size"),
        ("double", None, SchemaMismatch, "double expected, got null"),
    ],
)
def test_what_avro_cannot_hold_is_refused(schema, value, error, reason):
    with pytest.raises(error, match=reason):
        open_codec("avro-binary", parse_schema(schema)).encode(value)


def test_a_list_as_deep_as_can_be_checked_can_be_written_and_read():
    codec, value = open_codec("avro-binary", parse_schema(NODE)), {"next": None}
    for _ in range(200):
        value = {"next": value}
    assert codec.decode(codec.encode(value)) == value
