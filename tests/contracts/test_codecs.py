"""What `engine.ports` asks of a Codec, of every encoding with and without schemas."""

from __future__ import annotations

import math

import pytest

from engine.codecs import KNOWN, open_codec
from engine.errors import DataError
from engine.schema import parse_schema

TICK = {
    "type": "record",
    "name": "tick",
    "fields": [
        {"name": "symbol", "type": "string"},
        {"name": "price", "type": ["null", "double"]},
        {"name": "sizes", "type": {"type": "map", "values": {"type": "array", "items": "long"}}},
    ],
}
A_TICK = {"symbol": "é\n", "price": 0.0, "sizes": {"": [1, -(1 << 63)]}}
CASES = [
    ("json", None, [None, True, 0, 0.0, "", "é", [], {}, {"a": [1, 2.5, {"b": None}]}]),
    ("json", "double", [0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308]),
    ("json", TICK, [A_TICK]),
    ("avro-binary", "double", [0.0, -0.0, 0.1, math.inf]),
    ("avro-binary", "null", [None]),
    ("avro-binary", TICK, [A_TICK]),
    ("avro-registry", "double", [0.0, -0.0, 0.1, math.inf]),
    ("avro-registry", TICK, [A_TICK]),
    ("utf-8", None, ["", "a", "é\n"]),
    ("utf-8", "string", ["", "a"]),
    ("null", None, [b"", b"\xff\n"]),
    ("null", "bytes", [b"a"]),
]
IDS = [f"{encoding}-{schema['name'] if isinstance(schema, dict) else schema}" for encoding, schema, _ in CASES]


class OneSchema:
    """A registry that has one schema, whatever its number."""

    def __init__(self, source):
        self.source = source

    def written(self, key):
        return self.source

    def to_write(self):
        return 1, self.source


class Foreign:
    """A value of the script's own class."""


def opened(encoding, schema):
    return open_codec(encoding, None if schema is None else parse_schema(schema), schemas=OneSchema(schema))


def test_every_encoding_is_put_through_the_contract():
    assert {encoding for encoding, _, _ in CASES} == set(KNOWN)


def assert_only_data_error(function, argument):
    """Call it; a DataError is fine as long as its message can be logged, anything else is not."""
    message = ""
    try:
        function(argument)
    except DataError as error:
        message = str(error)
    assert len(message) < 1000


@pytest.mark.parametrize(("encoding", "schema", "values"), CASES, ids=IDS)
def test_what_is_encoded_decodes_to_the_same(encoding, schema, values):
    codec = opened(encoding, schema)
    assert codec.name == encoding
    for value in values:
        raw = codec.encode(value)
        assert type(raw) is bytes
        assert repr(codec.decode(raw)) == repr(value)


@pytest.mark.parametrize(("encoding", "schema", "values"), CASES, ids=IDS)
def test_whatever_a_script_yields_only_a_data_error_comes_of_it(encoding, schema, values):
    codec = opened(encoding, schema)
    loop: list = []
    loop.append(loop)
    strange = [
        None,
        True,
        0,
        1 << 70,
        10**5000,
        math.nan,
        "\ud800",
        b"\xff",
        [1],
        {"a": 1},
        {1: 2},
        (),
        Foreign(),
        loop,
    ]
    for value in strange:
        assert_only_data_error(codec.encode, value)
    with pytest.raises(DataError):
        codec.encode(Foreign())


@pytest.mark.parametrize(("encoding", "schema", "values"), CASES, ids=IDS)
def test_a_codec_goes_on_after_an_error(encoding, schema, values):
    codec = opened(encoding, schema)
    for _ in range(2):
        with pytest.raises(DataError):
            codec.encode(Foreign())
        assert repr(codec.decode(codec.encode(values[0]))) == repr(values[0])


@pytest.mark.parametrize(("encoding", "schema", "values"), CASES, ids=IDS)
def test_a_record_cut_short_or_drawn_out_never_raises_anything_but_a_data_error(encoding, schema, values):
    codec = opened(encoding, schema)
    for value in values:
        raw = codec.encode(value)
        for cut in [*(raw[:end] for end in range(len(raw))), raw + b"\xff", raw + raw, b"\xff" + raw, raw * 1000]:
            assert_only_data_error(codec.decode, cut)


@pytest.mark.parametrize(("encoding", "schema", "values"), CASES, ids=IDS)
def test_values_are_not_changed_by_being_encoded(encoding, schema, values):
    before = repr(values)
    codec = opened(encoding, schema)
    for value in values:
        codec.encode(value)
    assert repr(values) == before
