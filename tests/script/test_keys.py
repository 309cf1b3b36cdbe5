"""By what a script keeps its state: read from its annotations, and checked against its schemas."""

import pytest

from engine.errors import AnnotationError, ConfigError
from engine.schema import parse_schema
from engine.script import check_keys, inspect_script, summarize

SCRIPT = "seen = []\ndef action(x):\n    seen.append(x)\n"


def inspect(*lines):
    return inspect_script("\n".join([*lines, SCRIPT]), "m")


@pytest.mark.parametrize(
    ("lines", "keys", "lives"),
    [
        ([], {}, {}),
        (["# engine.key.0: symbol"], {0: "symbol"}, {}),
        (["# engine.key: trade.symbol"], {0: "trade.symbol"}, {}),
        (["# engine.key: $key"], {0: "$key"}, {}),
        (["# engine.key.0: $key", "# engine.slot.2: in-use", "# engine.key.2: b"], {0: "$key", 2: "b"}, {}),
        (["# engine.key.$in: a", "# engine.slot.2: in-use", "# engine.key.2: b"], {0: "a", 2: "b"}, {}),
        (["# engine.slot.prices: 2", "# engine.key.prices: b", "# engine.slot.0: unused"], {2: "b"}, {}),
        (["# engine.key: a", "# engine.key_ttl.0: 7d"], {0: "a"}, {0: 604_800.0}),
        (["# engine.key: a", "# engine.slot.2: in-use", "# engine.key_ttl: 90s"], {0: "a", 2: "a"}, {0: 90.0, 2: 90.0}),
    ],
)
def test_keys_and_their_lifetimes_are_told_by_slot(lines, keys, lives):
    script = inspect(*lines)
    assert (script.keys, script.key_ttl_s) == (keys, lives)
    told = {slot.slot: (slot.key, slot.key_ttl_s) for slot in summarize(script).slots if slot.slot % 2 == 0}
    assert told == {slot: (keys.get(slot), lives.get(slot)) for slot in told}


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        (
            ["# engine.slot.2: in-use", "# engine.key.0: a"],
            2,
            "slot 2 has no key, and another input slot has one; say # engine.key.2: FIELD, or # engine.slot.2: unused",
        ),
        (
            ["# engine.slot.2: in-use", "# engine.key: a", "# engine.key_ttl.2: 1h"],
            3,
            (
                "slot 0 has no key_ttl, and another input slot has one; say # engine.key_ttl.0: 7d, or"
                " # engine.slot.0: unused"
            ),
        ),
        (
            ["# engine.key: a", "# engine.key_ttl.0: 1h", "# engine.key_ttl.2: 2h"],
            3,
            "key_ttl must be the same for all input slots: they share what is kept for a key",
        ),
        (["# engine.key_ttl: 1h"], 1, "key_ttl says when a key is forgotten, and there is no key"),
        (["# engine.key: a..b"], 1, "'a..b' is not the path of a field, such as symbol or trade.symbol, nor $key"),
        (["# engine.key: $topic"], 1, "'$topic' is not the path of a field, such as symbol or trade.symbol, nor $key"),
        (["# engine.key: a", "# engine.state: none"], 1, "slot 0 has a key, and the script has no state to keep by it"),
        (["# engine.key.1: a"], 1, "key is about input slots and cannot be set for output slot 1"),
    ],
)
def test_keys_that_cannot_be_are_refused_with_their_line(lines, line, reason):
    with pytest.raises(AnnotationError) as error:
        inspect(*lines)
    assert (error.value.line, error.value.reason) == (line, reason)


def record(**fields):
    return {"type": "record", "name": "trade", "fields": [{"name": n, "type": t} for n, t in fields.items()]}


TRADE = record(
    symbol="string",
    id=["null", "long", "string"],
    price="double",
    day={"type": "int", "logicalType": "date"},
    side={"type": "enum", "name": "side", "symbols": ["buy", "sell"]},
    hash={"type": "fixed", "name": "hash", "size": 4},
    maker=["null", record(name="string", rates={"type": "array", "items": "int"}) | {"name": "maker"}],
    tags={"type": "map", "values": "string"},
    mixed=["string", "double"],
)


@pytest.mark.parametrize("path", ["symbol", "id", "side", "hash", "maker.name", "tags.anything"])
def test_a_field_whose_values_are_the_same_or_not_can_be_a_key(path):
    check_keys({0: path, 2: "x"}, {0: parse_schema(TRADE)})


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("symbl", "the schema, record trade, has no field 'symbl', did you mean 'symbol'"),
        ("maker.rank", "'maker' has no field 'rank'"),
        ("symbol.a", "'symbol' has no field 'a'"),
        ("price", "it is of type double, and a key is a string, bytes, an int, a long"),
        ("day", "it is of type int (date)"),
        ("mixed", "it is of type double"),
        ("maker", "it is of type record maker"),
        ("maker.rates", "it is of type array of int"),
        ("tags", "it is of type map of string"),
    ],
)
def test_a_field_that_cannot_be_a_key_is_refused(path, reason):
    with pytest.raises(ConfigError) as error:
        check_keys({0: path}, {0: parse_schema(TRADE)})
    assert str(error.value).startswith(f"Slot 0 cannot have the key {path!r}: {reason}")


def test_the_key_of_a_message_is_no_field_and_fits_any_schema():
    check_keys({0: "$key"}, {0: parse_schema("double")})


def test_a_record_that_is_no_record_has_no_field():
    with pytest.raises(ConfigError, match="the schema, double, has no field 'symbol'"):
        check_keys({0: "symbol"}, {0: parse_schema("double")})
