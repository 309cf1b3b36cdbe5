"""Avro's schema resolution, as a table: what fits and what becomes of a value, what does not and where."""

from datetime import UTC, date, datetime

import pytest

from engine.errors import SchemaMismatch
from engine.schema import Resolver, check_resolution, parse_schema


def record(name, *fields, **more):
    return {
        "type": "record",
        "name": name,
        "fields": [dict(zip(("name", "type"), field, strict=True)) for field in fields],
        **more,
    }


def enum(name, *symbols, **more):
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def fixed(name, size, **more):
    return {"type": "fixed", "name": name, "size": size, **more}


def array(items):
    return {"type": "array", "items": items}


def mapping(values):
    return {"type": "map", "values": values}


def node(kind):
    return record("node", ("value", kind), ("next", ["null", "node"]))


def with_field(name, **field):
    return {**record(name), "fields": [{"name": "a", **field}]}


DATE = {"type": "int", "logicalType": "date"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def decimal(precision, scale):
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


FITS = [
    *[(kind, kind, None) for kind in ("null", "boolean", "int", "long", "float", "double", "bytes", "string")],
    ("int", "long", (1, 1)),
    ("int", "float", (1, 1.0)),
    ("int", "double", (1, 1.0)),
    ("long", "float", (1, 1.0)),
    ("long", "double", (1, 1.0)),
    ("float", "double", (1.5, 1.5)),
    ("string", "bytes", ("é", "é".encode())),
    ("bytes", "string", ("é".encode(), "é")),
    (array("int"), array("double"), ([1], [1.0])),
    (mapping("int"), mapping("double"), ({"a": 1}, {"a": 1.0})),
    (record("r", ("a", "int")), record("r", ("a", "double")), ({"a": 1}, {"a": 1.0})),
    (record("x.r", ("a", "int")), record("y.r", ("a", "int")), ({"a": 1}, {"a": 1})),
    (record("r"), record("s", aliases=["r"]), ({}, {})),
    (record("r"), record("s", aliases=["x.r"]), ({}, {})),
    (record("r", ("a", "int"), ("b", "int")), record("r", ("b", "int")), ({"a": 1, "b": 2}, {"b": 2})),
    (
        record("r", ("a", "int"), ("b", "int")),
        record("r", ("b", "int"), ("a", "int")),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ),
    (record("r", ("z", "int")), with_field("r", type="double", aliases=["z"]), ({"z": 1}, {"a": 1.0})),
    (record("r"), with_field("r", type="double", default=2), ({}, {"a": 2.0})),
    (record("r"), with_field("r", type=["null", "int"], default=None), ({}, {"a": None})),
    (record("r"), with_field("r", type=array("bytes"), default=["ÿ"]), ({}, {"a": [b"\xff"]})),
    (record("r"), with_field("r", type=DATE, default=1), ({}, {"a": date(1970, 1, 2)})),
    (enum("e", "x", "y"), enum("e", "y", "x"), ("x", "x")),
    (enum("e", "x", "y"), enum("e", "x", default="x"), ("y", "x")),
    (enum("e", "x"), enum("f", "x", aliases=["e"]), ("x", "x")),
    (fixed("f", 2), fixed("f", 2), (b"ab", b"ab")),
    (fixed("f", 2), fixed("g", 2, aliases=["f"]), (b"ab", b"ab")),
    ("int", ["null", "int"], (1, 1)),
    ("int", ["null", "double"], (1, 1.0)),
    ("int", ["double", "int"], (1, 1)),
    ("int", ["string", "long", "double"], (1, 1)),
    (record("r", ("a", "int")), [record("q"), record("r", ("a", "double"))], ({"a": 1}, {"a": 1.0})),
    (["int", "float"], "double", (1, 1.0)),
    (["null", "int"], ["double", "null"], (1, 1.0)),
    (["null", "int"], ["double", "null"], (None, None)),
    (["null"], "null", (None, None)),
    (
        node("int"),
        node("double"),
        (
            {"value": 1, "next": {"value": 2, "next": None}},
            {"value": 1.0, "next": {"value": 2.0, "next": None}},
        ),
    ),
    (node("int"), record("node", ("value", "int")), ({"value": 1, "next": None}, {"value": 1})),
    (DATE, DATE, None),
    (DATE, "int", (date(1970, 1, 2), 1)),
    (DATE, "double", (date(1970, 1, 2), 1.0)),
    ("int", DATE, (1, date(1970, 1, 2))),
    ("int", MILLIS, (1, datetime(1970, 1, 1, 0, 0, 0, 1000, UTC))),
    (decimal(4, 2), {**decimal(4, 2), "doc": "money"}, None),
]


@pytest.mark.parametrize(("writer", "reader", "example"), FITS)
def test_a_pair_that_fits_turns_the_writers_value_into_the_readers(writer, reader, example):
    check_resolution(parse_schema(writer), parse_schema(reader))
    resolve = Resolver(parse_schema(writer), parse_schema(reader))
    assert resolve.is_identity or example is not None
    if example is not None:
        given, expected = example
        assert repr(resolve(given)) == repr(expected)


MISFITS = [
    ("double", "float", "", "float", "double"),
    ("double", "int", "", "int", "double"),
    ("long", "int", "", "int", "long"),
    ("float", "long", "", "long", "float"),
    ("int", "string", "", "string", "int"),
    ("boolean", "int", "", "int", "boolean"),
    ("null", "int", "", "int", "null"),
    ("bytes", fixed("f", 2), "", "fixed f", "bytes"),
    (array("int"), mapping("int"), "", "map of int", "array of int"),
    (array("string"), array("int"), "[]", "int", "string"),
    (mapping("string"), mapping("int"), "{}", "int", "string"),
    (record("r"), record("s"), "", "record s", "record r"),
    (record("r"), record("r", ("a", "int")), "a", "int without a default", "record r, which has no such field"),
    (record("r", ("a", "string")), record("r", ("a", "int")), "a", "int", "string"),
    (
        record("r", ("legs", array(record("leg", ("symbol", "string"))))),
        record("r", ("legs", array(record("leg", ("symbol", "int"))))),
        "legs[].symbol",
        "int",
        "string",
    ),
    (enum("e", "x"), enum("f", "x"), "", "enum f", "enum e"),
    (enum("e", "x", "y"), enum("e", "x"), "", "enum e, one of x,", "enum e with y"),
    (enum("e", "x"), "string", "", "string", "enum e"),
    (fixed("f", 2), fixed("f", 3), "", "fixed f of 3 bytes", "fixed f of 2 bytes"),
    (fixed("f", 2), fixed("g", 2), "", "fixed g of 2 bytes", "fixed f of 2 bytes"),
    (["null", "int"], "int", "", "int", "null"),
    (["int", "string"], ["long", "null"], "", "long or null", "string"),
    ("string", ["int", "null"], "", "int or null", "string"),
    (record("r", ("a", "string")), ["null", record("r", ("a", "int"))], "a", "int", "string"),
    (record("r", ("a", ["null", "int"])), record("r", ("a", "int")), "a", "int", "null"),
    (node("string"), node("int"), "value", "int", "string"),
    (MILLIS, MICROS, "", "long (timestamp-micros)", "long (timestamp-millis)"),
    (decimal(4, 2), decimal(4, 1), "", "bytes (decimal)", "bytes (decimal)"),
]


@pytest.mark.parametrize(("writer", "reader", "path", "expected", "got"), MISFITS)
def test_a_pair_that_does_not_fit_is_named_by_its_path(writer, reader, path, expected, got):
    with pytest.raises(SchemaMismatch) as caught:
        check_resolution(parse_schema(writer), parse_schema(reader))
    assert (caught.value.path, caught.value.expected, caught.value.got) == (path, expected, got)


@pytest.mark.parametrize(
    ("writer", "reader", "value"),
    [
        (record("r", ("a", array("bytes"))), record("r", ("a", array("string"))), {"a": [b"\xff"]}),
        (record("r", ("a", array("int"))), record("r", ("a", array(DATE))), {"a": [(1 << 31) - 1]}),
    ],
)
def test_a_value_that_the_reader_cannot_hold_is_a_mismatch(writer, reader, value):
    with pytest.raises(SchemaMismatch) as caught:
        Resolver(parse_schema(writer), parse_schema(reader))(value)
    assert caught.value.path.startswith("a")


def test_equal_schemas_change_nothing():
    assert Resolver(parse_schema(node("int")), parse_schema(node("int"))).is_identity
