"""Parsing: what is a schema, what is not and how that is said, and when two are the same."""

import json

import pytest

from engine.errors import SchemaInvalid
from engine.schema import parse_schema

TICK = {"type": "record", "name": "tick", "fields": [{"name": "price", "type": "double"}]}


@pytest.mark.parametrize(
    "source", ["double", '"double"', b"double\n", '{"type": "double"}', {"type": "double"}, "\ufeff"]
)
def test_a_primitive_is_read_in_every_spelling(source):
    if source == "\ufeff":
        source = b"\xef\xbb\xbfdouble"
    assert str(parse_schema(source)) == "double"


def test_source_is_the_value_as_it_was_given():
    assert parse_schema(json.dumps(TICK)).source == TICK


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('{"type": ', "line 1, column 10: Expecting value"),
        ('{\n"type" "int"}', "line 2, column 8"),
        (b"\xff", "not UTF-8 at byte 0"),
        ("[" * 100_000, "recursion"),
        ("3", "a type's name, an object or an array expected, got 3 (int)"),
        (None, "got null"),
        ("dobule", "unknown type 'dobule', did you mean 'double'"),
        ('"strng"', "unknown type 'strng', did you mean 'string'"),
        ({"type": "recrod", "name": "r", "fields": []}, "unknown type 'recrod', did you mean 'record'"),
        ({}, "'type' is missing"),
        ({"type": ["null", "int"]}, "'type' must be the name of a type, not ['null', 'int'] (list)"),
        ({"type": "record", "name": "r"}, "record without 'fields'"),
        ({"type": "record", "fields": []}, "record without 'name'"),
        ({"type": "record", "name": "r", "fields": {}}, "'fields' must be an array"),
        ({"type": "record", "name": "r", "fields": [3]}, "fields[0]: an object expected"),
        ({"type": "record", "name": "r", "fields": [{"name": "a"}]}, "fields[0]: 'type' is missing"),
        ({"type": "record", "name": "r", "fields": [{"name": "a b", "type": "int"}]}, "fields[0]: 'a b' (str) is not"),
        ({"type": "record", "name": "r", "fields": [{"name": "a", "type": 3}]}, "a: a type's name"),
        ({"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}] * 2}, "two fields 'a'"),
        ({"type": "record", "name": "1r", "fields": []}, "is not a name in Avro"),
        ({"type": "record", "name": "double", "fields": []}, "name of a primitive type"),
        ({"type": "record", "name": "r", "aliases": "s", "fields": []}, "'aliases' must be an array of strings"),
        ({"type": "array"}, "array without 'items'"),
        ({"type": "array", "items": True}, "'items' must be a schema"),
        ({"type": "map", "values": "nope"}, "unknown type 'nope'"),
        ({"type": "fixed", "name": "f", "size": -1}, "the size of fixed f is -1"),
        ({"type": "fixed", "name": "f", "size": True}, "'size' must be an integer"),
        ({"type": "enum", "name": "e", "symbols": ["a", "a"]}, "unique"),
        ({"type": "enum", "name": "e", "symbols": ["a"], "default": "b"}, "must be in symbols"),
        ([], "a union needs a branch"),
        (["int", "int"], "a union holds 'int' twice"),
        (["int", ["string"]], "a union may not hold a union"),
        ([{"type": "array", "items": "int"}, {"type": "array", "items": "long"}], "holds 'array' twice"),
        ({"type": "bytes", "logicalType": "decimal"}, "a decimal needs a 'precision'"),
        (
            {"type": "record", "name": "r", "fields": [{"name": "a", "type": "int", "default": 1 << 40}]},
            "the default of field 'a' in record r: int expected, got 1099511627776 (int)",
        ),
        (
            {"type": "record", "name": "r", "fields": [{"name": "a", "type": ["null", "int"], "default": "x"}]},
            "Default value <x>",
        ),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(source, reason):
    with pytest.raises(SchemaInvalid) as caught:
        parse_schema(source, "s")
    assert reason in str(caught.value)
    assert caught.value.name == "s"


def test_names_documentation_and_layout_do_not_count_in_a_comparison():
    documented = {
        **TICK,
        "doc": "A price.",
        "fields": [{"type": {"type": "double"}, "doc": "In USD.", "name": "price"}],
    }
    assert parse_schema(TICK, "a") == parse_schema(documented, "b")
    assert hash(parse_schema(TICK, "a")) == hash(parse_schema(documented, "b"))


@pytest.mark.parametrize(
    "other",
    [
        {**TICK, "name": "tock"},
        {**TICK, "fields": [{"name": "price", "type": "float"}]},
        {**TICK, "fields": [{"name": "price", "type": "double", "default": 0.0}]},
        {**TICK, "fields": [*TICK["fields"], {"name": "size", "type": "int"}]},
    ],
)
def test_what_changes_the_meaning_makes_them_differ(other):
    assert parse_schema(TICK) != parse_schema(other)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (["null", "double"], "null or double"),
        ({"type": "array", "items": "int"}, "array of int"),
        ({"type": "int", "logicalType": "date"}, "int (date)"),
        ({"type": "enum", "name": "a.b.side", "symbols": ["buy"]}, "enum side"),
        ({"type": "long", "logicalType": "unheard-of"}, "long"),
    ],
)
def test_a_schema_reads_as_words(source, text):
    assert str(parse_schema(source)) == text
