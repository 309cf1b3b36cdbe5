"""However the bytes of a stream are cut, the same records come out at the same places."""

from __future__ import annotations

import io
from itertools import accumulate, pairwise

import fastavro
from hypothesis import given
from hypothesis import strategies as st

from engine.envelopes import DatumEnvelope, DelimitedEnvelope
from engine.errors import StreamError
from engine.record import Oversized

# Few different bytes, so that separators, parts of separators and their overlaps are common.
DATA = st.text("ab\r\n").map(str.encode)
SEPARATORS = st.sampled_from([b"\n", b"\r\n", b"aa", b"aba", b"\n\n\n"])


@st.composite
def cut(draw, data):
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:stop] for start, stop in pairwise([0, *places, len(data)])]


def unframe(envelope, pieces):
    values, ends = [], []
    for piece in pieces:
        values += envelope.feed(piece)
        ends += envelope.ends
    values += envelope.finish()
    ends += envelope.ends
    return values, ends


@given(st.data(), DATA, SEPARATORS)
def test_records_are_what_stands_between_separators(data, text, separator):
    expected = text.split(separator)
    if not expected[-1]:
        expected.pop()
    values, ends = unframe(DelimitedEnvelope(separator), data.draw(cut(text)))
    assert values == expected
    behind = list(accumulate(len(value) + len(separator) for value in expected))
    assert ends == [min(end, len(text)) for end in behind]


@given(st.data(), DATA, SEPARATORS, st.integers(1, 6))
def test_long_records_are_counted_in_full_and_the_others_untouched(data, text, separator, max_record_bytes):
    full, full_ends = unframe(DelimitedEnvelope(separator), [text])
    values, ends = unframe(DelimitedEnvelope(separator, max_record_bytes), data.draw(cut(text)))
    assert ends == full_ends
    assert [getattr(value, "size_bytes", len(value)) for value in values] == [len(value) for value in full]
    assert [isinstance(value, Oversized) for value in values] == [len(value) > max_record_bytes for value in full]
    assert values == full  # none is longer than the head that is kept


@given(st.lists(st.binary(max_size=5).filter(lambda value: b"\n" not in value)), st.data())
def test_delimited_records_come_back(values, data):
    envelope = DelimitedEnvelope()
    assert unframe(envelope, data.draw(cut(envelope.wrap(values))))[0] == values


SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Node",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}},
            {"name": "key", "type": {"type": "fixed", "name": "Key", "size": 3}},
            {"name": "value", "type": ["null", "double", "string"]},
            {"name": "tags", "type": {"type": "map", "values": "boolean"}},
            {"name": "blobs", "type": {"type": "array", "items": ["bytes", "float"]}},
            {"name": "nothing", "type": {"type": "array", "items": "null"}},
            {"name": "next", "type": ["null", "Node"]},
        ],
    }
)
NODES = st.recursive(
    st.none(),
    lambda nodes: st.fixed_dictionaries(
        {
            "id": st.integers(-(2**63), 2**63 - 1),
            "kind": st.sampled_from(["a", "b"]),
            "key": st.binary(min_size=3, max_size=3),
            "value": st.none() | st.floats(allow_nan=False) | st.text(max_size=3),
            "tags": st.dictionaries(st.text(max_size=2), st.booleans(), max_size=3),
            "blobs": st.lists(st.binary(max_size=3) | st.just(0.5), max_size=3),
            "nothing": st.lists(st.none(), max_size=3),
            "next": nodes,
        }
    ),
    max_leaves=3,
).filter(lambda node: node is not None)


def encode(node):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, SCHEMA, node)
    return stream.getvalue()


@given(st.lists(NODES, max_size=4).map(lambda nodes: [encode(node) for node in nodes]), st.data())
def test_avro_records_come_back(values, data):
    envelope = DatumEnvelope(SCHEMA)
    found, ends = unframe(envelope, data.draw(cut(envelope.wrap(values))))
    assert found == values
    assert ends == list(accumulate(map(len, values)))


@given(st.binary(), st.data())
def test_any_bytes_are_avro_records_or_a_broken_stream(text, data):
    envelope = DatumEnvelope(SCHEMA)
    try:
        values, ends = unframe(envelope, data.draw(cut(text)))
    except StreamError:
        return
    assert b"".join(values) == text
    assert ends == list(accumulate(map(len, values)))
