"""Checks of values in both domains: what fits, what it becomes, and how a misfit is named."""

from collections import OrderedDict, deque
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pytest

from engine.errors import SchemaMismatch
from engine.schema import Extras, parse_schema, validator

SIDE = {"type": "enum", "name": "side", "symbols": ["buy", "sell"]}
KEY = {"type": "fixed", "name": "key", "size": 2}
LEG = {
    "type": "record",
    "name": "leg",
    "fields": [{"name": "symbol", "type": "string"}, {"name": "size", "type": "int", "default": 1}],
}
ORDER = {
    "type": "record",
    "name": "order",
    "fields": [
        {"name": "price", "type": "double"},
        {"name": "legs", "type": {"type": "array", "items": LEG}, "default": []},
        {"name": "notes", "type": {"type": "map", "values": "string"}, "default": {}},
    ],
}
NODE = {"type": "record", "name": "node", "fields": [{"name": "next", "type": ["null", "node"], "default": None}]}
NAN, INF = float("nan"), float("inf")


def same(left, right):
    return left == right and type(left) is type(right)


@pytest.mark.parametrize("domain", ["json", "native"])
@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ("null", None, None),
        ("boolean", False, False),
        ("int", -(1 << 31), -(1 << 31)),
        ("long", (1 << 63) - 1, (1 << 63) - 1),
        ("double", 0.0, 0.0),
        ("double", 3, 3.0),
        ("float", 3, 3.0),
        ("float", 0.1, 0.1),
        ("string", "", ""),
        (SIDE, "sell", "sell"),
        ({"type": "array", "items": "double"}, [1, 2.5], [1.0, 2.5]),
        ({"type": "array", "items": "double"}, [], []),
        ({"type": "map", "values": "long"}, {"a b": 1}, {"a b": 1}),
        (ORDER, {"price": 1}, {"price": 1.0, "legs": [], "notes": {}}),
        (
            ORDER,
            {"price": 1, "legs": [{"symbol": "A"}]},
            {"price": 1.0, "legs": [{"symbol": "A", "size": 1}], "notes": {}},
        ),
        (NODE, {"next": {"next": None}}, {"next": {"next": None}}),
        (["null", "double"], None, None),
        (["null", "double"], 2, 2.0),
    ],
)
def test_a_value_that_fits_becomes_what_the_script_sees(domain, schema, value, expected):
    assert same(validator(parse_schema(schema), domain=domain)(value), expected)


@pytest.mark.parametrize("domain", ["json", "native"])
@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ("null", 0, "null expected, got 0 (int)."),
        ("boolean", 1, "boolean expected, got 1 (int)."),
        ("int", 1 << 31, "int expected, got 2147483648 (int)."),
        ("int", 3.0, "int expected, got 3.0 (float)."),
        ("int", True, "int expected, got True (bool)."),
        ("long", 1 << 63, "long expected"),
        ("double", True, "double expected, got True (bool)."),
        ("double", "1.5", "double expected, got '1.5' (str)."),
        ("double", None, "double expected, got null."),
        ("double", 10**400, "double expected"),
        pytest.param("double", 10**5000, "double expected, got a value of type int.", id="too long for str()"),
        ("float", 1e39, "float expected, got 1e+39 (float)."),
        ("float", 2.0**128 - 2.0**103, "float expected"),
        ("string", 3, "string expected, got 3 (int)."),
        (SIDE, "hold", "enum side, one of buy, sell, expected, got 'hold' (str)."),
        ({"type": "array", "items": "int"}, "abc", "array of int expected, got 'abc' (str)."),
        ({"type": "array", "items": "int"}, {"a": 1}, "array of int expected"),
        ({"type": "array", "items": "int"}, [1, "x"], "Field '[1]': int expected, got 'x' (str)."),
        ({"type": "map", "values": "int"}, [1], "map of int expected, got [1] (list)."),
        ({"type": "map", "values": "int"}, {"a": 1, "b": "x"}, "Field '{b}': int expected"),
        (ORDER, 3.5, "record order expected, got 3.5 (float)."),
        (ORDER, {}, "Field 'price': double expected, got nothing."),
        (ORDER, {"price": None}, "Field 'price': double expected, got null."),
        (
            ORDER,
            {"price": 1, "legs": [{"symbol": "A"}, {"symbol": 3}]},
            "Field 'legs[1].symbol': string expected, got 3",
        ),
        (ORDER, {"price": 1, "legs": [{}]}, "Field 'legs[0].symbol': string expected, got nothing."),
        (ORDER, {"price": 1, "notes": {"why": 3}}, "Field 'notes{why}': string expected"),
        (NODE, {"next": {"next": 3}}, "Field 'next.next': record node expected, got 3 (int)."),
        ("double", "x" * 1000, "..."),
    ],
)
def test_a_value_that_does_not_fit_is_named_by_its_path(domain, schema, value, message):
    with pytest.raises(SchemaMismatch) as caught:
        validator(parse_schema(schema), domain=domain)(value)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_float_just_under_the_limit_is_a_float():
    assert validator(parse_schema("float"))(np.nextafter(2.0**128 - 2.0**103, 0)) < INF


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ("double", np.float64(1.5), 1.5),
        ("double", np.float32(1.5), 1.5),
        ("double", np.int64(2), 2.0),
        ("double", np.array(1.5), 1.5),
        ("float", np.float32(0.1), float(np.float32(0.1))),
        ("int", np.int8(-3), -3),
        ("long", np.uint64(3), 3),
        ("boolean", np.bool_(True), True),
        ("string", np.str_("a"), "a"),
        ("bytes", np.bytes_(b"a"), b"a"),
        ("bytes", bytearray(b"ab"), b"ab"),
        ("bytes", memoryview(b"ab"), b"ab"),
        (KEY, b"ab", b"ab"),
        ({"type": "array", "items": "double"}, np.arange(2), [0.0, 1.0]),
        ({"type": "array", "items": "double"}, (np.float32(1), 2), [1.0, 2.0]),
        ({"type": "array", "items": "int"}, deque([1, 2]), [1, 2]),
        ({"type": "map", "values": "double"}, OrderedDict(a=np.float64(1)), {"a": 1.0}),
        ({"type": "map", "values": "double"}, {np.str_("a"): 1.0}, {"a": 1.0}),
        (LEG, MappingProxyType({"symbol": "A", "size": np.int16(2)}), {"symbol": "A", "size": 2}),
        (["null", "double"], np.float32(0.5), 0.5),
        (["null", "int", "double"], np.float64(2), 2.0),
    ],
)
def test_what_a_script_yields_becomes_plain_python(schema, value, expected):
    checked = validator(parse_schema(schema))(value)
    assert same(checked, expected)
    assert not isinstance(checked, list) or [type(item) for item in checked] == [type(item) for item in expected]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ("double", np.array([1.5])),
        ("double", np.bool_(True)),
        ("double", Decimal("1.5")),
        ("int", np.float64(2)),
        ("long", np.uint64((1 << 64) - 1)),
        ("bytes", "ab"),
        (KEY, b"abc"),
        ({"type": "map", "values": "int"}, {1: 2}),
        ({"type": "array", "items": "int"}, b"ab"),
        ("string", object()),
    ],
)
def test_what_a_script_may_not_yield_is_refused(schema, value):
    with pytest.raises(SchemaMismatch):
        validator(parse_schema(schema))(value)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("kind", ["float", "double", {"type": "array", "items": "double"}])
def test_nan_and_infinities_are_refused_only_where_they_have_no_form(kind, value):
    schema, given = parse_schema(kind), [value] if isinstance(kind, dict) else value
    assert repr(validator(schema)(given)) == repr(given)
    for check in (validator(schema, finite=True), validator(schema, domain="json")):
        with pytest.raises(SchemaMismatch, match=r"finite (float|double) expected, got -?(nan|inf) \(float\)"):
            check(given)


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [("bytes", "\x00ÿ", b"\x00\xff"), (KEY, "ab", b"ab"), (["null", "bytes"], "ÿ", b"\xff")],
)
def test_bytes_in_json_are_code_points(schema, text, expected):
    assert validator(parse_schema(schema), domain="json")(text) == expected


@pytest.mark.parametrize(("schema", "text"), [("bytes", "€"), (KEY, "abc"), ("bytes", 3)])
def test_a_text_that_is_no_bytes_is_refused(schema, text):
    with pytest.raises(SchemaMismatch, match="code points 0 to 255"):
        validator(parse_schema(schema), domain="json")(text)


def test_fields_without_a_place_are_dropped_and_counted():
    extras = Extras()
    check = validator(parse_schema(ORDER), domain="json", extras=extras)
    assert check({"x": 1, "price": 2, "legs": [{"symbol": "A", "y": 1, "z": 2}]})["legs"] == [
        {"symbol": "A", "size": 1}
    ]
    assert extras.count == 3


def test_keys_keep_the_order_of_the_text():
    schema = {"type": "record", "name": "r", "fields": [{"name": name, "type": "int", "default": 0} for name in "abc"]}
    assert list(validator(parse_schema(schema), domain="json")({"c": 1, "a": 2})) == ["c", "a", "b"]


def test_a_default_is_a_new_value_each_time():
    check = validator(parse_schema(ORDER), domain="json")
    check({"price": 1})["legs"].append("mine")
    assert check({"price": 1})["legs"] == []


def test_defaults_are_converted_as_records_are():
    fields = [
        {"name": "key", "type": "bytes", "default": "ÿ"},
        {"name": "leg", "type": LEG, "default": {"symbol": "A"}},
        {"name": "rate", "type": ["double", "null"], "default": 1},
    ]
    schema = parse_schema({"type": "record", "name": "r", "fields": fields})
    assert validator(schema)({}) == {"key": b"\xff", "leg": {"symbol": "A", "size": 1}, "rate": 1.0}


def test_a_value_that_holds_itself_is_refused():
    node = {}
    node["next"] = node
    with pytest.raises(SchemaMismatch, match="nested too deeply"):
        validator(parse_schema(NODE))(node)


def test_the_path_of_a_deep_misfit_keeps_its_end():
    value = {"next": 3}
    for _ in range(100):
        value = {"next": value}
    with pytest.raises(SchemaMismatch) as caught:
        validator(parse_schema(NODE), domain="json")(value)
    assert caught.value.path.startswith("...")
    assert caught.value.path.endswith(".next.next")
    assert len(caught.value.path) == 200


def test_a_value_whose_repr_raises_is_named_by_its_type():
    class Rude:
        def __repr__(self):
            raise RuntimeError

    with pytest.raises(SchemaMismatch, match="Rude"):
        validator(parse_schema("double"))(Rude())
