"""Logical types: the same Python value from JSON and from Avro, and back to the same bytes."""

import time as clock
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from engine.codecs import open_codec
from engine.errors import DataError, SchemaMismatch
from engine.schema import parse_schema, validator

ID = UUID("12345678-1234-5678-1234-567812345678")


def logical(kind, logical_type, **more):
    return {"type": kind, "logicalType": logical_type, **more}


CASES = [
    (logical("int", "date"), b"18263", date(2020, 1, 2)),
    (logical("int", "date"), b"-719162", date.min),
    (logical("int", "time-millis"), b"86399999", time(23, 59, 59, 999000)),
    (logical("long", "time-micros"), b"1", time(0, 0, 0, 1)),
    (logical("long", "timestamp-millis"), b"1577934245006", datetime(2020, 1, 2, 3, 4, 5, 6000, UTC)),
    (logical("long", "timestamp-millis"), b"-1", datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)),
    (logical("long", "timestamp-micros"), b"253402300799999999", datetime.max.replace(tzinfo=UTC)),
    (logical("long", "local-timestamp-millis"), b"1", datetime(1970, 1, 1, 0, 0, 0, 1000)),
    (logical("long", "local-timestamp-micros"), b"1", datetime(1970, 1, 1, 0, 0, 0, 1)),
    (logical("bytes", "decimal", precision=4, scale=2), '"\\u0004Ò"'.encode(), Decimal("12.34")),
    (logical("bytes", "decimal", precision=4, scale=2), '"ÿ"'.encode(), Decimal("-0.01")),
    (logical("fixed", "decimal", name="f", size=2, precision=4), b'"\\u0000\\u0005"', Decimal(5)),
    (logical("string", "uuid"), f'"{ID}"'.encode(), ID),
    (["null", logical("int", "date")], b"0", date(1970, 1, 1)),
    ({"type": "array", "items": logical("int", "date")}, b"[0]", [date(1970, 1, 1)]),
    ({"type": "map", "values": ["null", logical("int", "date")]}, b'{"a":0}', {"a": date(1970, 1, 1)}),
]


@pytest.mark.parametrize(("source", "text", "value"), CASES)
def test_the_script_sees_the_same_from_json_and_from_avro(source, text, value):
    schema = parse_schema(source)
    as_json, as_avro = open_codec("json", schema), open_codec("avro-binary", schema)
    assert as_json.decode(text) == value
    assert as_avro.decode(as_avro.encode(value)) == value
    assert as_json.decode(as_json.encode(value)) == value
    assert as_avro.encode(as_json.decode(text)) == as_avro.encode(value)


@pytest.mark.parametrize(
    ("source", "given", "seen"),
    [
        (logical("long", "timestamp-millis"), datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC)),
        (
            logical("long", "timestamp-millis"),
            datetime(2020, 1, 1, 2, 0, 0, 1999, tzinfo=timezone(timedelta(hours=2))),
            datetime(2020, 1, 1, 0, 0, 0, 1000, tzinfo=UTC),
        ),
        (logical("long", "timestamp-millis"), 0, datetime(1970, 1, 1, tzinfo=UTC)),
        (logical("long", "timestamp-micros"), np.datetime64(1, "ns"), datetime(1970, 1, 1, tzinfo=UTC)),
        (logical("long", "timestamp-micros"), np.datetime64(3, "s"), datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC)),
        (logical("bytes", "decimal", precision=4, scale=2), Decimal("1.500"), Decimal("1.50")),
        (logical("string", "uuid"), str(ID), ID),
    ],
)
def test_what_a_script_yields_is_written_as_a_reader_will_see_it(source, given, seen):
    assert validator(parse_schema(source))(given) == seen


@pytest.fixture
def tokyo(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    clock.tzset()
    yield
    monkeypatch.undo()
    clock.tzset()


@pytest.mark.usefixtures("tokyo")
def test_a_time_stamp_without_a_zone_is_utc_wherever_the_machine_is():
    check = validator(parse_schema(logical("long", "timestamp-millis")))
    assert check(datetime(2020, 1, 1)) == datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("domain", ["json", "native"])
@pytest.mark.parametrize(
    ("source", "value"),
    [
        (logical("int", "date"), (1 << 31) - 1),
        (logical("int", "date"), -719163),
        (logical("int", "date"), "2020-01-01"),
        (logical("int", "time-millis"), -1),
        (logical("int", "time-millis"), 86_400_000),
        (logical("long", "time-micros"), 86_400_000_000),
        (logical("long", "timestamp-millis"), 253402300800000),
        (logical("long", "timestamp-micros"), -(1 << 63)),
        (logical("string", "uuid"), "not one"),
        (logical("int", "date"), None),
    ],
)
def test_what_stands_for_no_value_is_refused(domain, source, value):
    with pytest.raises(SchemaMismatch, match=source["logicalType"]):
        validator(parse_schema(source), domain=domain)(value)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (logical("bytes", "decimal", precision=4, scale=2), Decimal("1.234")),
        (logical("bytes", "decimal", precision=4, scale=2), Decimal("123.4")),
        (logical("bytes", "decimal", precision=4, scale=2), Decimal("NaN")),
        (logical("bytes", "decimal", precision=4, scale=2), Decimal("Infinity")),
        (logical("bytes", "decimal", precision=4, scale=2), b"\x7f\xff"),
        (logical("bytes", "decimal", precision=4, scale=2), 1.5),
        (logical("int", "date"), datetime(2020, 1, 1)),
        (logical("long", "timestamp-millis"), date(2020, 1, 1)),
        (logical("long", "timestamp-millis"), np.datetime64("NaT", "ms")),
        (logical("long", "timestamp-millis"), datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
    ],
)
def test_what_would_lose_something_is_refused(source, value):
    with pytest.raises(SchemaMismatch):
        validator(parse_schema(source))(value)


@pytest.mark.parametrize(
    ("source", "raw"),
    [
        (logical("int", "date"), b"\xfe\xff\xff\xff\x0f"),
        (logical("bytes", "decimal", precision=4, scale=2), b"\x0aabcde"),
        (logical("string", "uuid"), b"\x02a"),
    ],
)
def test_avro_bytes_that_stand_for_no_value_are_refused(source, raw):
    with pytest.raises(DataError):
        open_codec("avro-binary", parse_schema(source)).decode(raw)


def test_an_unknown_logical_type_is_its_base():
    assert open_codec("json", parse_schema(logical("long", "epoch"))).decode(b"3") == 3
