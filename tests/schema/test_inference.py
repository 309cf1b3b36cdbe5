"""The schema that fits given values."""

import json

import pytest

from engine.errors import DecodeError, SchemaInvalid, SchemaMismatch
from engine.schema import infer_lines, infer_schema, parse_schema, verify_records


def optional(name, schema):
    return {"name": name, "type": ["null", schema], "default": None}


def record(name, *fields):
    return {"type": "record", "name": name, "fields": list(fields)}


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        ([None], "null"),
        ([True], "boolean"),
        ([1, -(1 << 31)], "int"),
        ([1, 1 << 31], "long"),
        ([-(1 << 63)], "long"),
        ([0.1], "double"),
        ([1, 0.5], "double"),
        ([1 << 40, 0.5], "double"),
        (["a"], "string"),
        ([None, 1], ["null", "int"]),
        (["a", 1, True, None, 2.5, [], {}], None),
        ([[]], {"type": "array", "items": "null"}),
        ([[1], [2.5]], {"type": "array", "items": "double"}),
        ([[1, "a"]], {"type": "array", "items": ["int", "string"]}),
        ([{}], {"type": "map", "values": "null"}),
        ([{"a b": 1, "c": 2.5}], {"type": "map", "values": "double"}),
        ([{"c": 1}, {"a b": "x"}], {"type": "map", "values": ["int", "string"]}),
        ([{f"k{n}": n for n in range(101)}], {"type": "map", "values": "int"}),
        ([{"b": 1, "a": 2}], record("t", {"name": "b", "type": "int"}, {"name": "a", "type": "int"})),
        ([{"a": 1}, {}], record("t", optional("a", "int"))),
        ([{"a": 1}, {"a": None}], record("t", {"name": "a", "type": ["null", "int"]})),
        ([{"a": None}, {}], record("t", {"name": "a", "type": "null", "default": None})),
        (
            [{"legs": [{"x": 1}]}],
            record(
                "t",
                {
                    "name": "legs",
                    "type": {"type": "array", "items": record("t_legs_item", {"name": "x", "type": "int"})},
                },
            ),
        ),
        (
            [{"a_b": {"x": 1}, "a": {"b": {"x": 1}}}],
            record(
                "t",
                {"name": "a_b", "type": record("t_a_b", {"name": "x", "type": "int"})},
                {
                    "name": "a",
                    "type": record("t_a", {"name": "b", "type": record("t_a_b_2", {"name": "x", "type": "int"})}),
                },
            ),
        ),
    ],
)
def test_the_schema_is_the_one_the_rules_give(values, schema):
    inferred = infer_schema(values, "t")
    if schema is None:
        schema = [
            "null",
            "boolean",
            "double",
            "string",
            {"type": "array", "items": "null"},
            {"type": "map", "values": "null"},
        ]
    assert inferred == schema
    lines = [json.dumps(value) for value in values]
    assert all(verdict.outcome == "ok" for verdict in verify_records(parse_schema(inferred), lines))


def test_the_order_of_branches_does_not_depend_on_that_of_the_values():
    assert infer_schema(["a", 1, None], "t") == infer_schema([None, "a", 1], "t") == ["null", "int", "string"]


@pytest.mark.parametrize(
    ("texts", "schema"),
    [
        (["buy", "sell"] * 10, {"type": "enum", "name": "t", "symbols": ["buy", "sell"]}),
        (["buy", "sell"] * 9, "string"),
        (["b u y"] * 20, "string"),
        ([f"s{n}" for n in range(11)] * 100, "string"),
    ],
)
def test_few_texts_that_repeat_are_an_enum_on_request_only(texts, schema):
    assert infer_schema(texts, "t", enums=True) == schema
    assert infer_schema(texts, "t") == "string"


@pytest.mark.parametrize(
    ("name", "expected"), [("my prices", "my_prices"), ("1st", "_1st"), ("", "value"), ("double", "double_record")]
)
def test_any_name_becomes_one_that_avro_takes(name, expected):
    assert infer_schema([{"a": 1}], name)["name"] == expected
    parse_schema(infer_schema([{"a": 1}], name))


def test_more_than_64_bits_is_refused_with_its_path():
    with pytest.raises(SchemaMismatch, match=r"'a\[1\]': an integer of 64 bits expected"):
        infer_schema([{"a": [1, 1 << 63]}], "t")


def test_nothing_gives_no_schema():
    with pytest.raises(SchemaInvalid, match="no values"):
        infer_lines(["\n", b""], "t")


def test_values_are_read_once_and_not_kept():
    assert infer_schema(iter([1, 2]), "t") == "int"


def test_empty_lines_are_skipped():
    assert infer_lines([b'{"a": 1}\r\n', "\n", "  "], "t")["fields"] == [{"name": "a", "type": "int"}]


@pytest.mark.parametrize(
    ("line", "reason"), [("{", "line 3: "), ("NaN", "line 3: "), (str(1 << 64), "line 3: an integer of 64 bits")]
)
def test_a_bad_line_is_named_by_its_number(line, reason):
    with pytest.raises(DecodeError) as caught:
        infer_lines(["1", "", line], "t")
    assert reason in str(caught.value)
