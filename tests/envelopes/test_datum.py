import fastavro
import pytest

from engine.envelopes import DatumEnvelope
from engine.errors import StreamError


def datum_envelope(schema, **options):
    return DatumEnvelope(fastavro.parse_schema(schema), **options)


def test_a_half_datum_at_the_end_is_a_record_that_cannot_be_decoded():
    envelope = datum_envelope("double")
    assert envelope.feed(bytes(12)) == [bytes(8)]
    assert envelope.finish() == [bytes(4)]
    assert list(envelope.ends) == [12]


@pytest.mark.parametrize(
    ("schema", "size"),
    [
        ("double", 8),
        ({"type": "float"}, 4),
        ({"type": "fixed", "name": "F", "size": 3}, 3),
        (
            {
                "type": "record",
                "name": "R",
                "fields": [{"name": n, "type": t} for n, t in (("a", "double"), ("b", "null"), ("c", "boolean"))],
            },
            9,
        ),
    ],
)
def test_data_of_one_size_come_out_whole_however_the_bytes_are_cut(schema, size):
    data = bytes(index % 251 for index in range(10 * size))
    envelope, values, ends = datum_envelope(schema), [], []
    for start in range(0, len(data), 7):
        values += envelope.feed(data[start : start + 7])
        ends += envelope.ends
        assert envelope.pending_bytes == min(start + 7, len(data)) - sum(map(len, values))
    assert values == [data[start : start + size] for start in range(0, len(data), size)]
    assert ends == list(range(size, len(data) + 1, size))
    assert envelope.finish() == []


@pytest.mark.parametrize(
    ("schema", "data", "reason"),
    [
        (["null", "long"], b"\x00\x08", "from byte 1 on: a union's branch has number 4 of 2"),
        (
            {"type": "enum", "name": "E", "symbols": ["a"]},
            b"\x00\x01",
            "from byte 1 on: an enum's symbol has number -1",
        ),
        ("bytes", b"\x02x\x01", "from byte 2 on: a length is -1"),
        ("long", b"\x00" + b"\xff" * 11, "from byte 1 on: a number has more than 64 bits"),
    ],
)
def test_what_is_no_datum_breaks_the_stream_behind_the_records_before_it(schema, data, reason):
    envelope = datum_envelope(schema)
    assert envelope.feed(data) == [data[: envelope.ends[0]]]
    with pytest.raises(StreamError, match=reason):
        envelope.feed(b"\x00")
    with pytest.raises(StreamError, match=reason):
        envelope.finish()


def test_a_record_over_the_limit_breaks_the_stream():
    envelope = datum_envelope("string", max_record_bytes=10)
    with pytest.raises(StreamError, match="byte 0 on: a record is longer than 10 bytes"):
        envelope.feed(b"\x7e" + b"x" * 20)


@pytest.mark.parametrize("schema", ["null", {"type": "record", "name": "R", "fields": []}])
def test_values_of_no_bytes_cannot_be_told_apart(schema):
    with pytest.raises(StreamError, match="take no bytes"):
        datum_envelope(schema).feed(b"\x00")


def test_any_number_of_items_without_bytes_is_skipped_at_once():
    count = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # 2^63 - 1
    assert datum_envelope({"type": "array", "items": "null"}).feed(count + b"\x00") == [count + b"\x00"]


def test_a_recursion_without_end_breaks_the_stream():
    schema = {"type": "record", "name": "R", "fields": [{"name": "next", "type": ["null", "R"]}]}
    with pytest.raises(StreamError, match="recursion"):
        datum_envelope(schema).feed(b"\x02" * 100_000)
