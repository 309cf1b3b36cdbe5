from __future__ import annotations

import base64
import json
from io import BytesIO

import fastavro
import pytest

from engine.errors import RegistryUnreachable
from engine.streams import given_stream, sample
from engine.streams.decoding import readable
from tests.stub_registry import StubRegistry

PRICE = {
    "type": "record",
    "name": "Price",
    "fields": [{"name": "symbol", "type": "string"}, {"name": "raw", "type": "bytes"}, {"name": "p", "type": "double"}],
}


def stream_of(url: str, records: list[bytes]):
    data = [base64.b64encode(record).decode() for record in records]
    encoding = {"Type": "avro-registry", "Url": url, "Timeout": 500}
    descriptor = {"Transport": {"Type": "inline", "DataBinary": data}, "Encoding": encoding}
    return given_stream(descriptor, lambda name: None, lambda name: b"")  # type: ignore[arg-type,return-value]


def framed(number: int, value: dict) -> bytes:
    buffer = BytesIO(bytes([0]) + number.to_bytes(4))
    buffer.seek(5)
    fastavro.schemaless_writer(buffer, PRICE, value)
    return buffer.getvalue()


def test_a_sample_of_records_that_name_their_schemas_is_json() -> None:
    with StubRegistry() as registry:
        number = registry.add(PRICE)
        record = framed(number, {"symbol": "ÄBB", "raw": b"\xff\x00", "p": 0.5})
        other = framed(number + 7, {"symbol": "", "raw": b"", "p": 1})
        found = sample(stream_of(registry.url, [record, b"\x00\x00", other]))
    assert json.loads(found[0]) == {"symbol": "ÄBB", "raw": "ÿ\x00", "p": 0.5}
    damaged, unknown = map(json.loads, found[1:])
    assert base64.b64decode(damaged["undecoded"]) == b"\x00\x00"
    assert "ends before the number of its schema" in damaged["reason"]
    assert f"schema {number + 7} of the registry" in unknown["reason"]


def test_a_registry_that_does_not_answer_is_named() -> None:
    with pytest.raises(RegistryUnreachable, match=r"No schema registry answers at http://127\.0\.0\.1:1"):
        sample(stream_of("http://127.0.0.1:1", [framed(1, {"symbol": "", "raw": b"", "p": 1})]))


def test_records_of_every_other_encoding_stay_as_they_are(tmp_path) -> None:
    stream = given_stream("inline:1,2", lambda name: None, lambda name: b"")  # type: ignore[arg-type,return-value]
    assert readable(stream, [b"1", b"\xff"], tmp_path) == [b"1", b"\xff"]
