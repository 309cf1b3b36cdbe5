"""The encodings utf-8 and null."""

from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from engine.codecs import open_codec
from engine.errors import DataError, DecodeError, EncodeError
from engine.schema import parse_schema


@pytest.mark.parametrize(
    ("encoding", "schema", "raw", "value"),
    [
        ("utf-8", None, "é\r".encode(), "é\r"),
        ("utf-8", None, b"", ""),
        ("utf-8", "string", b"3", "3"),
        ("utf-8", {"type": "string", "logicalType": "uuid"}, str(UUID(int=1)).encode(), UUID(int=1)),
        ("null", None, b"\xff\x00", b"\xff\x00"),
        ("null", "bytes", b"", b""),
        ("null", {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}, b"\x05", Decimal("0.5")),
    ],
)
def test_a_record_is_the_value_and_the_value_the_record(encoding, schema, raw, value):
    codec = open_codec(encoding, schema and parse_schema(schema))
    assert codec.decode(raw) == value
    assert codec.encode(value) == raw


@pytest.mark.parametrize(
    ("encoding", "raw", "reason"),
    [
        ("utf-8", b"a\xff", "it is not UTF-8 at byte 1"),
        ("utf-8", "\u262efastscore.end".encode(), "control records, such as 'fastscore.end', are not supported yet"),
        ("null", b"\xfastscore.end", "control records are not supported yet"),
    ],
)
def test_what_cannot_be_read_is_refused(encoding, raw, reason):
    with pytest.raises(DecodeError) as caught:
        open_codec(encoding).decode(raw)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "value", "error"),
    [
        ("utf-8", b"a", DataError),
        ("utf-8", 3.5, DataError),
        ("utf-8", None, DataError),
        ("utf-8", "\udc00", EncodeError),
        ("utf-8", "\u262efastscore.set|1", EncodeError),
        ("null", "a", DataError),
        ("null", 3.5, DataError),
        ("null", np.arange(3), DataError),
        ("null", b"\xfastscore.set", EncodeError),
    ],
)
def test_what_cannot_be_written_is_refused(encoding, value, error):
    with pytest.raises(error):
        open_codec(encoding).encode(value)


@pytest.mark.parametrize("value", [bytearray(b"a"), memoryview(b"a"), np.bytes_(b"a")])
def test_whatever_holds_bytes_is_written(value):
    assert open_codec("null").encode(value) == b"a"
