"""The json encoding. What a text is, is tested with ``parse_json``; what fits a schema, with ``validator``."""

import pytest

from engine.codecs import open_codec
from engine.errors import DataError, DecodeError, EncodeError, SchemaMismatch
from engine.schema import parse_schema

DOUBLE = parse_schema("double")
UNIONS = parse_schema(
    {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "a", "type": ["null", "double"]},
            {"name": "b", "type": {"type": "array", "items": ["bytes", "null"]}},
        ],
    }
)


@pytest.mark.parametrize(
    ("raw", "value"), [(b"1.5", 1.5), (b" 1.5\r\n", 1.5), (b"3", 3.0), (b"-0.0", -0.0), (b"5e-324", 5e-324)]
)
def test_a_double_is_read(raw, value):
    assert repr(open_codec("json", DOUBLE).decode(raw)) == repr(value)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is empty"),
        (b"NaN", "NaN is not a number in JSON"),
        (b"1e999", "finite double expected, got inf"),
        (b"1.5 2", "something follows"),
        (b"\xff", "not UTF-8"),
        (b"true", "double expected, got True (bool)"),
        (b'"1.5"', "double expected, got '1.5' (str)"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 400, "double expected"),
        (b'{"$fastscore": "end"}', "control records, such as 'end' (str), are not supported yet"),
    ],
)
def test_what_is_no_double_is_refused(raw, reason):
    with pytest.raises(DataError) as caught:
        open_codec("json", DOUBLE).decode(raw)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("value", "raw"), [(0.1, b"0.1"), (0.0, b"0.0"), (3, b"3.0"), (1e22, b"1e+22")])
def test_a_double_is_written_as_the_shortest_text_that_reads_back(value, raw):
    assert open_codec("json", DOUBLE).encode(value) == raw


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinities_are_refused_with_and_without_a_schema(value):
    for schema in (DOUBLE, None, parse_schema({"type": "array", "items": "double"})):
        with pytest.raises(DataError):
            open_codec("json", schema).encode([value] if schema is None or "array" in str(schema) else value)


def test_unions_are_written_plain_unless_asked_for_and_read_both_ways():
    plain, tagged = open_codec("json", UNIONS), open_codec("json", UNIONS, tagged_unions=True)
    value = {"a": 2.0, "b": [b"\xff", None]}
    assert plain.encode(value).decode() == '{"a":2.0,"b":["ÿ",null]}'
    assert tagged.encode(value).decode() == '{"a":{"double":2.0},"b":[{"bytes":"ÿ"},null]}'
    for codec in (plain, tagged):
        assert codec.decode(plain.encode(value)) == codec.decode(tagged.encode(value)) == value


def test_a_recursive_schema_is_written_tagged():
    node = {
        "type": "record",
        "name": "x.node",
        "fields": [{"name": "next", "type": ["null", "node"]}],
        "namespace": "x",
    }
    codec = open_codec("json", parse_schema(node), tagged_unions=True)
    value = {"next": {"next": None}}
    assert codec.encode(value) == b'{"next":{"x.node":{"next":null}}}'
    assert codec.decode(codec.encode(value)) == value


def test_a_float_keeps_the_digits_it_was_written_with():
    codec = open_codec("json", parse_schema("float"))
    assert codec.encode(codec.decode(b"0.1")) == b"0.1"


@pytest.mark.parametrize("schema", [None, parse_schema({"type": "map", "values": "string"})])
def test_control_records_are_refused_by_name_both_ways(schema):
    codec = open_codec("json", schema)
    with pytest.raises(DecodeError, match="control records, such as 'set'"):
        codec.decode(b'{"$fastscore": "set"}')
    with pytest.raises(EncodeError, match="would be a control record"):
        codec.encode({"$fastscore": "set"})


def test_extra_fields_are_counted_in_both_directions():
    codec = open_codec("json", UNIONS)
    codec.decode(b'{"a": null, "b": [], "c": 1}')
    codec.encode({"a": None, "b": [], "c": 1, "d": 2})
    assert codec.extra_fields == 3


def test_without_a_schema_any_value_passes():
    codec = open_codec("json")
    value = {"a": [1, 2.5, None, "x", {"b": True}]}
    assert codec.decode(codec.encode(value)) == value


def test_half_of_a_surrogate_pair_is_refused_both_ways():
    codec = open_codec("json", parse_schema("string"))
    with pytest.raises(DecodeError, match="surrogate"):
        codec.decode(b'"\\ud800"')
    with pytest.raises(EncodeError, match="surrogate"):
        codec.encode("\ud800")


def test_a_mismatch_names_its_path():
    with pytest.raises(SchemaMismatch, match=r"Field 'b\[1\]': bytes.* expected, got 3 \(int\)"):
        open_codec("json", UNIONS).decode(b'{"a": 1, "b": ["x", 3]}')
