"""Which branch of a union a value belongs to."""

from datetime import UTC, date, datetime

import pytest

from engine.codecs import open_codec
from engine.errors import SchemaMismatch
from engine.schema import parse_schema, validator

SIDE = {"type": "enum", "name": "side", "symbols": ["buy", "sell"]}
BID = {"type": "record", "name": "a.bid", "fields": [{"name": "bid", "type": "double"}]}
ASK = {
    "type": "record",
    "name": "a.ask",
    "fields": [{"name": "bid", "type": "double"}, {"name": "ask", "type": "double", "default": 0.0}],
}
DATE = {"type": "int", "logicalType": "date"}
MOMENT = {"type": "long", "logicalType": "timestamp-millis"}
MAP = {"type": "map", "values": "double"}


def branch_of(schema, value):
    """Return the tag that the value is written with."""
    tagged = open_codec("json", parse_schema(schema), tagged_unions=True).encode(value)
    return tagged.decode().split('"')[1] if tagged.startswith(b"{") else tagged.decode()


@pytest.mark.parametrize(
    ("schema", "value", "branch"),
    [
        (["null", "double"], None, "null"),
        (["double", "int"], 1, "int"),
        (["double", "long", "int"], 1, "long"),
        (["int", "long"], 1 << 40, "long"),
        (["float", "double"], 1, "double"),
        (["float", "double"], 1.5, "double"),
        (["double", "float"], 1.5, "double"),
        (["float", "string"], 1.5, "float"),
        (["int", "double"], 1 << 40, "double"),
        (["double", "boolean"], True, "boolean"),
        (["string", SIDE], "buy", "string"),
        ([SIDE, "string"], "buy", "side"),
        ([SIDE, "string"], "hold", "string"),
        (["string", "bytes"], b"a", "bytes"),
        ([BID, ASK], {"bid": 1}, "a.bid"),
        ([BID, ASK], {"bid": 1, "ask": 2}, "a.ask"),
        ([BID, ASK], {"bid": 1, "other": 2}, "a.bid"),
        ([BID, ASK], {"bid": 1, "ask": 2, "other": 2}, "a.ask"),
        ([MAP, BID], {"bid": 1}, "map"),
        ([BID, MAP], {"x": 1.0}, "map"),
        (["string", {"type": "array", "items": "int"}], [1], "array"),
        ([DATE, MOMENT], date(2020, 1, 2), "int"),
        ([DATE, MOMENT], datetime(2020, 1, 2, tzinfo=UTC), "long"),
        (["string", DATE], 3, "int"),
    ],
)
def test_a_plain_value_takes_the_first_branch_that_it_fits_best(schema, value, branch):
    assert branch_of(schema, value) == branch


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (["null", "double"], {"double": 2}, 2.0),
        (["null", "int", "double"], {"double": 2}, 2.0),
        (["double", "bytes", "string"], {"bytes": "a"}, b"a"),
        (["double", "bytes", "string"], "a", "a"),
        (["double", "bytes"], "a", b"a"),
        ([BID, ASK], {"a.ask": {"bid": 1}}, {"bid": 1.0, "ask": 0.0}),
        ([BID, ASK], {"ask": {"bid": 1}}, {"bid": 1.0, "ask": 0.0}),
        ([BID, ASK], {"bid": 1}, {"bid": 1.0}),
        ([BID, ASK], {"bid": {"bid": 1}}, {"bid": 1.0}),
        (["null", MAP], {"map": {"a": 1}}, {"a": 1.0}),
        (["null", MAP], {"map": 1}, {"map": 1.0}),
        ([MAP, "double"], {"double": 3}, 3.0),
        ([DATE, "string"], {"int": 1}, date(1970, 1, 2)),
    ],
)
def test_json_is_read_tagged_or_plain(schema, value, expected):
    checked = validator(parse_schema(schema), domain="json")(value)
    assert checked == expected
    assert type(checked) is type(expected)


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (["null", "double"], "x", "double expected, got 'x' (str)."),
        (["null", "double"], {"double": "x"}, "double expected, got 'x' (str)."),
        (["null", "int", "string"], 1.5, "null or int or string expected, got 1.5 (float)."),
        (["int", "string"], 1 << 40, "int expected, got 1099511627776 (int)."),
        (["null", BID], {"bid": "x"}, "Field 'bid': double expected, got 'x' (str)."),
        ([BID, ASK], {}, "record bid or record ask expected, got {} (dict)."),
        (["double", "int"], None, "double or int expected, got null."),
    ],
)
def test_a_value_that_fits_no_branch_is_told_why(schema, value, message):
    with pytest.raises(SchemaMismatch) as caught:
        validator(parse_schema(schema), domain="json")(value)
    assert str(caught.value) == message
