"""The avro-registry encoding: Confluent's wire format, byte by byte."""

from uuid import UUID

import pytest

from engine.codecs import join_headers, open_codec
from engine.errors import DecodeError, EncodeError, EngineError, SchemaMismatch, SchemaUnknown
from engine.record import Batch, Label, Labels, Oversized
from engine.schema import parse_schema

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")
PRICE = {
    "type": "record",
    "name": "Price",
    "fields": [{"name": "symbol", "type": "string"}, {"name": "cents", "type": "int"}],
}
NEWER = {
    "type": "record",
    "name": "Price",
    "fields": [
        {"name": "cents", "type": "long"},
        {"name": "venue", "type": "string", "default": "XETR"},
        {"name": "symbol", "type": "string"},
    ],
}
ACME = {"symbol": "ACME", "cents": 150}
ACME_BYTES = bytes.fromhex("08") + b"ACME" + bytes.fromhex("ac02")


class Known:
    """Knows what it was given, and notes what it is asked."""

    def __init__(self, schemas, output=None):
        self.schemas, self.output, self.asked = schemas, output, []

    def written(self, key):
        self.asked.append(key)
        if key not in self.schemas:
            raise SchemaUnknown("http://registry", str(key), "it has none")
        return self.schemas[key]

    def to_write(self):
        self.asked.append(None)
        return self.output


def codec(known, schema=None, model=None):
    stream, inner = (None if one is None else parse_schema(one) for one in (schema, model))
    return open_codec("avro-registry", stream, inner, schemas=known)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"\0\0\0\0\x01" + ACME_BYTES, ACME),
        (b"\0\xff\xff\xff\xff" + ACME_BYTES, ACME),
        (b"\x01" + GUID.bytes + ACME_BYTES, ACME),
        (b"\0\0\0\0\x02" + bytes.fromhex("000000000000f83f"), 1.5),
        (b"\0\0\0\0\x03", None),
    ],
)
def test_a_record_is_read_with_the_schema_that_it_names(raw, value):
    known = Known({1: PRICE, 0xFFFFFFFF: PRICE, GUID: PRICE, 2: "double", 3: "null"})
    assert codec(known).decode(raw) == value


def test_an_output_has_the_number_of_its_schema_in_front():
    known = Known({}, (258, PRICE))
    written = codec(known, PRICE)
    assert [written.encode(ACME) for _ in range(2)] == [b"\0\0\0\x01\x02" + ACME_BYTES] * 2
    assert known.asked == [None]


def test_the_number_may_fill_all_four_bytes():
    assert codec(Known({}, (0xFFFFFFFF, "null"))).encode(None) == b"\0\xff\xff\xff\xff"


def test_a_schema_is_asked_for_once_however_many_records_have_it():
    known = Known({1: PRICE, GUID: PRICE})
    read = codec(known)
    for raw in [b"\0\0\0\0\x01" + ACME_BYTES, b"\x01" + GUID.bytes + ACME_BYTES] * 3:
        assert read.decode(raw) == ACME
    assert known.asked == [1, GUID]


@pytest.mark.parametrize(("stream", "model"), [(NEWER, None), (None, NEWER), (NEWER, NEWER)])
def test_what_was_written_is_resolved_to_what_the_slot_asks_for(stream, model):
    read = codec(Known({1: PRICE, 2: NEWER}), stream, model)
    new = {"cents": 150, "venue": "XETR", "symbol": "ACME"}
    assert read.decode(b"\0\0\0\0\x01" + ACME_BYTES) == new
    assert read.decode(b"\0\0\0\0\x02" + bytes.fromhex("ac02") + b"\x08XETR\x08ACME") == new


def test_the_streams_own_schema_stands_between_what_was_written_and_the_scripts():
    only_venue = {"type": "record", "name": "Price", "fields": [NEWER["fields"][1]]}
    without_default = {"type": "record", "name": "Price", "fields": [{"name": "venue", "type": "string"}]}
    assert codec(Known({1: PRICE}), only_venue, without_default).decode(b"\0\0\0\0\x01" + ACME_BYTES) == {
        "venue": "XETR"
    }
    with pytest.raises(DecodeError, match="venue"):
        codec(Known({1: PRICE}), None, without_default).decode(b"\0\0\0\0\x01" + ACME_BYTES)


def test_outputs_are_checked_by_the_scripts_schema_and_resolved_to_the_registered_one():
    writer = codec(Known({}, (1, "double")), "double", "int")
    assert writer.encode(3) == b"\0\0\0\0\x01" + bytes.fromhex("0000000000000840")
    with pytest.raises(SchemaMismatch):
        writer.encode(0.5)


def test_fields_without_a_place_are_counted():
    writer = codec(Known({}, (1, PRICE)), PRICE)
    assert writer.encode(ACME | {"extra": 1}) == b"\0\0\0\0\x01" + ACME_BYTES
    assert writer.extra_fields == 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "ends before the number"),
        (b"\0", "ends before the number"),
        (b"\0\0\0\0", "ends before the number"),
        (b"\x01" + bytes(15), "ends before the number"),
        (b'{"symbol": "ACME"}', "begins with the byte 123"),
        (b"\x1c$fastscore.set", "begins with the byte 28"),
        (b"\0\0\0\0\x01", "bytes end too early"),
        (b"\0\0\0\0\x01" + ACME_BYTES + b"!", "1 bytes follow"),
        (b"\0\0\0\0\x01" + ACME_BYTES[:-1] + b"\xff", "field 'cents'"),
        (b"\0\0\0\0\x04", "is no valid Avro schema"),
        (b"\0\0\0\0\x05\x02", "schema 5, with which it was written, cannot be read as the slot asks"),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(raw, reason):
    with pytest.raises(DecodeError, match=reason):
        codec(Known({1: PRICE, 4: {"type": "rekord"}, 5: "int"}), None, PRICE).decode(raw)


def test_a_schema_that_is_not_there_fails_its_record_and_is_asked_for_again_with_the_next():
    known = Known({})
    read = codec(known)
    for _ in range(2):
        with pytest.raises(SchemaUnknown, match="schema 9 of the registry at http://registry"):
            read.decode(b"\0\0\0\0\x09")
    known.schemas[9] = "null"
    assert read.decode(b"\0\0\0\0\x09") is None
    assert known.asked == [9, 9, 9]


@pytest.mark.parametrize(("schema", "value"), [("string", "\ud800"), (PRICE, {"symbol": "\ud800", "cents": 1})])
def test_an_output_that_cannot_be_written_is_named_by_its_encoding(schema, value):
    with pytest.raises((EncodeError, SchemaMismatch)):
        codec(Known({}, (1, schema)), schema).encode(value)


def test_without_an_engine_to_ask_nothing_is_read_or_written():
    lonely = codec(None, "int")
    with pytest.raises(DecodeError, match="no engine to ask for schema 1"):
        lonely.decode(b"\0\0\0\0\x01\x02")
    with pytest.raises(EngineError, match="no engine to ask"):
        lonely.encode(1)


TRACE = ("trace", b"x")


@pytest.mark.parametrize(
    ("headers", "joined", "left"),
    [
        ([("__value_schema_id", b"\x01" + GUID.bytes)], b"\x01" + GUID.bytes + ACME_BYTES, []),
        ([TRACE, ("__value_schema_id", b"\0\0\0\0\x07")], b"\0\0\0\0\x07" + ACME_BYTES, [TRACE]),
        ([("__key_schema_id", b"\x01" + GUID.bytes)], ACME_BYTES, [("__key_schema_id", b"\x01" + GUID.bytes)]),
        ([("__value_schema_id", b"\x01short")], ACME_BYTES, [("__value_schema_id", b"\x01short")]),
        ([("__value_schema_id", None)], ACME_BYTES, [("__value_schema_id", None)]),
        ([("__value_schema_id", b"\x02" + GUID.bytes)], ACME_BYTES, [("__value_schema_id", b"\x02" + GUID.bytes)]),
        ([], ACME_BYTES, []),
    ],
)
def test_a_schema_that_came_in_a_header_is_put_in_front_of_its_value_and_not_handed_on(headers, joined, left):
    other = Label(b"key", 5, (TRACE,))
    batch = join_headers(Batch([b"other", ACME_BYTES], [1, 2], Labels.of([other, Label(b"k", 1, tuple(headers))])))
    assert batch.values == [b"other", joined]
    assert batch.labels == [other, Label(b"k", 1, tuple(left))]


def test_records_without_labels_stay_as_they_are():
    batch = Batch([ACME_BYTES], [1])
    assert join_headers(batch) is batch


def test_what_was_too_long_to_keep_is_left_alone():
    head = Oversized(b"x" * 10, 1 << 30)
    label = Label(headers=(("__value_schema_id", b"\x01" + GUID.bytes),))
    assert join_headers(Batch([head], [1], Labels.of([label]))).values[0] is head
