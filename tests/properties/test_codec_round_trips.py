"""Codecs and any schema: what goes out comes back, fastavro agrees on the bytes, and no bytes raise but a DataError."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs import KNOWN, open_codec
from engine.errors import DataError
from engine.schema import Resolver, infer_schema, parse_json, parse_schema, validator, write_json

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# fold is of local time, which Avro does not have
TIMES, MOMENTS = (times.map(lambda moment: moment.replace(fold=0)) for times in (st.times(), st.datetimes()))
MILLIS = MOMENTS.map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC))
# schema without a name: its values
SCALARS: list[tuple[object, st.SearchStrategy[object]]] = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", st.integers(-(1 << 31), (1 << 31) - 1)),
    ("long", LONGS),
    ("float", st.floats(width=32, allow_nan=False, allow_infinity=False)),
    ("double", st.floats(allow_nan=False, allow_infinity=False)),
    ("string", TEXTS),
    ("bytes", st.binary(max_size=8)),
    ({"type": "int", "logicalType": "date"}, st.dates()),
    ({"type": "long", "logicalType": "time-micros"}, TIMES),
    ({"type": "long", "logicalType": "timestamp-millis"}, MILLIS),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, MOMENTS),
    ({"type": "string", "logicalType": "uuid"}, st.uuids()),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2},
        st.decimals(-999_999, 999_999, places=2),
    ),
]


@st.composite
def typed(draw: st.DrawFn, names: Iterator[int], depth: int = 2) -> tuple[object, st.SearchStrategy[object]]:
    """Draw a schema and a strategy of its values."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(SCALARS))
    kind = draw(st.sampled_from(["array", "map", "record", "enum", "fixed", "optional"]))
    name = f"t{next(names)}"
    if kind == "enum":
        symbols = draw(st.lists(st.from_regex(r"[A-Za-z_]{1,4}", fullmatch=True), min_size=1, max_size=4, unique=True))
        return {"type": "enum", "name": name, "symbols": symbols}, st.sampled_from(symbols)
    if kind == "fixed":
        size = draw(st.integers(0, 4))
        return {"type": "fixed", "name": name, "size": size}, st.binary(min_size=size, max_size=size)
    if kind == "record":
        parts = draw(st.lists(typed(names, depth - 1), max_size=4))
        fields = [{"name": f"f{index}", "type": schema} for index, (schema, _) in enumerate(parts)]
        values = st.tuples(*(values for _, values in parts)).map(
            lambda items: {f"f{index}": item for index, item in enumerate(items)}
        )
        return {"type": "record", "name": name, "fields": fields}, values
    inner, values = draw(typed(names, depth - 1))
    if kind == "optional":
        is_union = isinstance(inner, list) or inner == "null"
        return (inner, values) if is_union else (["null", inner], st.none() | values)
    if kind == "array":
        return {"type": "array", "items": inner}, st.lists(values, max_size=4)
    return {"type": "map", "values": inner}, st.dictionaries(TEXTS, values, max_size=4)


def counter() -> Iterator[int]:
    return iter(range(1000))


@st.composite
def schema_and_value(draw: st.DrawFn) -> tuple[object, object]:
    schema, values = draw(st.builds(counter).flatmap(typed))
    return schema, draw(values)


@given(schema_and_value(), st.booleans())
def test_a_value_comes_back_from_json(pair, is_tagged):
    schema, value = parse_schema(pair[0]), pair[1]
    codec = open_codec("json", schema, tagged_unions=is_tagged)
    decoded = codec.decode(codec.encode(value))
    assert repr(decoded) == repr(value)


@given(schema_and_value())
def test_a_value_comes_back_from_avro_and_fastavro_writes_the_same_bytes(pair):
    schema, value = parse_schema(pair[0]), pair[1]
    codec, theirs = open_codec("avro-binary", schema), io.BytesIO()
    raw = codec.encode(value)
    assert repr(codec.decode(raw)) == repr(value)
    fastavro.schemaless_writer(theirs, schema.parsed, value)
    assert raw == theirs.getvalue()
    assert fastavro.schemaless_reader(io.BytesIO(raw), schema.parsed) == value


@given(schema_and_value(), st.data())
def test_random_bytes_raise_only_data_errors(pair, data):
    schema = parse_schema(pair[0])
    codec = open_codec("avro-binary", schema)
    raw = data.draw(st.binary(max_size=64) | st.just(codec.encode(pair[1])).map(lambda good: good + b"\0"))
    try:
        value = codec.decode(raw)
    except DataError:
        return
    # what reads is a value of the schema
    assert repr(validator(schema)(value)) == repr(value)


@given(schema_and_value(), st.data())
def test_a_flipped_byte_raises_only_data_errors(pair, data):
    codec = open_codec("avro-binary", parse_schema(pair[0]))
    raw = bytearray(codec.encode(pair[1]))
    if raw:
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        with suppress(DataError):
            codec.decode(bytes(raw))


@pytest.mark.parametrize("encoding", KNOWN)
@given(raw=st.binary(max_size=64) | st.text('{}[]",:0123456789.eE+-\\ud8nultrfasNI ', max_size=30).map(str.encode))
def test_any_bytes_raise_only_data_errors_in_any_encoding(encoding, raw):
    codec = open_codec(encoding, parse_schema("double") if encoding == "avro-binary" else None)
    try:
        value = codec.decode(raw)
    except DataError:
        return
    assert repr(codec.decode(codec.encode(value))) == repr(value)


JSON = st.recursive(
    st.none() | st.booleans() | LONGS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_any_json_value_comes_back(value):
    assert repr(parse_json(write_json(value))) == repr(value)


@given(st.lists(JSON, min_size=1, max_size=5))
def test_every_value_fits_the_schema_inferred_from_it_and_others(values):
    source = infer_schema(values, "t")
    assert source == infer_schema(iter(values), "t")
    schema = parse_schema(source)
    check, codec = validator(schema, domain="json"), open_codec("avro-binary", schema)
    for value in values:
        codec.decode(codec.encode(check(value)))


@given(schema_and_value(), JSON)
def test_a_check_of_any_json_value_raises_only_data_errors(pair, value):
    with suppress(DataError):
        validator(parse_schema(pair[0]), domain="json")(value)


@given(schema_and_value())
def test_a_schema_resolves_to_itself_inside_another(pair):
    schema, value = pair
    one = parse_schema({"type": "record", "name": "one", "fields": [{"name": "a", "type": schema}]})
    two = {"name": "b", "type": "int", "default": 7}
    other = parse_schema({"type": "record", "name": "one", "fields": [two, {"name": "a", "type": schema}]})
    assert repr(Resolver(one, other)({"a": value})) == repr({"a": value, "b": 7})


@given(st.dates(), TIMES, MILLIS)
def test_the_script_sees_the_same_from_json_as_from_avro(day: date, moment: time, instant: datetime):
    fields = [
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "moment", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "instant", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
    ]
    schema = parse_schema({"type": "record", "name": "r", "fields": fields})
    as_json, as_avro = open_codec("json", schema), open_codec("avro-binary", schema)
    value = {"day": day, "moment": moment, "instant": instant}
    assert as_json.decode(as_json.encode(value)) == as_avro.decode(as_avro.encode(value)) == value
