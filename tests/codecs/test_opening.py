"""From an encoding's name and two schemas to a codec."""

import pytest

from engine.codecs import KNOWN, NOT_BUILT, open_codec
from engine.errors import DescriptorError, NotBuilt, SchemaMismatch
from engine.schema import parse_schema

INT, DOUBLE, STRING, BYTES = map(parse_schema, ("int", "double", "string", "bytes"))


def tick(*fields):
    fields = [{"name": name, "type": kind, **more} for name, kind, more in fields]
    return parse_schema({"type": "record", "name": "tick", "fields": fields})


@pytest.mark.parametrize("encoding", NOT_BUILT)
def test_an_encoding_known_by_name_only_is_refused_by_name(encoding):
    with pytest.raises(NotBuilt, match=encoding):
        open_codec(encoding, DOUBLE)


@pytest.mark.parametrize(
    ("encoding", "schema", "reason"),
    [
        ("jsn", None, "'jsn' is not an encoding.* Did you mean 'json'"),
        ("avro-binary", None, "avro-binary needs a schema"),
        ("utf-8", DOUBLE, "utf-8 carries string, and the schema is double"),
        ("null", STRING, "null carries bytes, and the schema is string"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_opened(encoding, schema, reason):
    for schemas in ((schema, None), (None, schema)):
        with pytest.raises(DescriptorError, match=reason):
            open_codec(encoding, *schemas)


@pytest.mark.parametrize("encoding", sorted({*KNOWN} - {"json"}))
def test_tagged_unions_are_refused_where_there_are_no_tags(encoding):
    with pytest.raises(DescriptorError, match="tagged unions are of json"):
        open_codec(encoding, tagged_unions=True)


@pytest.mark.parametrize("encoding", ["json", "avro-binary"])
def test_schemas_that_fit_in_no_direction_are_refused_when_they_are_opened(encoding):
    with pytest.raises(SchemaMismatch, match="int expected, got string"):
        open_codec(encoding, STRING, INT)


@pytest.mark.parametrize("encoding", ["json", "avro-binary"])
def test_input_is_checked_by_the_stream_and_resolved_to_the_script(encoding):
    stream = tick(("price", "int", {}), ("venue", "string", {}))
    model = tick(("price", "double", {}), ("size", "int", {"default": 1}))
    codec = open_codec(encoding, stream, model)
    assert (
        repr(codec.decode(open_codec(encoding, stream).encode({"price": 3, "venue": "x"})))
        == "{'price': 3.0, 'size': 1}"
    )
    with pytest.raises(SchemaMismatch, match="price': int expected, got double"):
        codec.encode({"price": 3.0})


@pytest.mark.parametrize("encoding", ["json", "avro-binary"])
def test_output_is_checked_by_the_script_and_resolved_to_the_stream(encoding):
    stream = tick(("price", "double", {}), ("venue", "string", {"default": "?"}))
    model = tick(("price", "int", {}), ("size", "int", {}))
    codec = open_codec(encoding, stream, model)
    raw = codec.encode({"price": 3, "size": 5})
    assert repr(open_codec(encoding, stream).decode(raw)) == "{'price': 3.0, 'venue': '?'}"
    with pytest.raises(SchemaMismatch, match=r"price': int expected, got 2\.5"):
        codec.encode({"price": 2.5, "size": 5})
    with pytest.raises(SchemaMismatch, match="price': int expected, got double"):
        codec.decode(raw)


@pytest.mark.parametrize("schemas", [(STRING, None), (None, STRING), (STRING, STRING)])
@pytest.mark.parametrize("encoding", ["json", "avro-binary", "utf-8"])
def test_where_one_schema_is_absent_the_other_counts_for_both(encoding, schemas):
    codec = open_codec(encoding, *schemas)
    assert codec.decode(codec.encode("a")) == "a"
    with pytest.raises(SchemaMismatch):
        codec.encode(3)


@pytest.mark.parametrize(
    ("encoding", "stream", "model", "raw", "value"),
    [
        ("utf-8", STRING, BYTES, "é".encode(), "é".encode()),
        ("null", BYTES, STRING, "é".encode(), "é"),
    ],
)
def test_texts_and_bytes_are_resolved_to_each_other(encoding, stream, model, raw, value):
    codec = open_codec(encoding, stream, model)
    assert codec.decode(raw) == value
    assert codec.encode(value) == raw
