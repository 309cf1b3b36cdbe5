"""Records that Python's and Java's serialisers have written are scored, and they read what the engine has written."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import (
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    header_schema_id_serializer,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from engine.codecs import join_headers
from engine.errors import RegistryRefused
from engine.record import Batch, Label, Labels
from engine.runtime import EngineState
from engine.schema import parse_schema
from engine.streams import Stream, parse_descriptor, resolve_stream
from testbed.errors import TestbedError
from testbed.registry import SchemaRegistry
from testbed.serde import JavaSerde
from tests.runtime.conftest import END, Rig
from tests.stub_registry import StubRegistry

PRICE = {
    "type": "record",
    "name": "Price",
    "namespace": "shop",
    "fields": [{"name": "symbol", "type": "string"}, {"name": "cents", "type": "int"}],
}
NEWER = PRICE | {
    "fields": [
        {"name": "venue", "type": ["null", "string"], "default": None},
        {"name": "cents", "type": "long"},
        {"name": "symbol", "type": "string"},
    ]
}
NARROWER = PRICE | {"fields": [*PRICE["fields"], {"name": "venue", "type": "string"}]}
ACME, UMBRELLA = {"symbol": "ACME", "cents": 150}, {"symbol": "Umbrella ☂", "cents": -1}
SCRIPT = "def action(x):\n    yield x\n"


@pytest.fixture
def client(registry: SchemaRegistry) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry.url, "timeout": 10}) as client:
        yield client


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def encoded(transport: Any, url: str, schema: object = "$inherit", **fields: Any) -> Stream:
    encoding = {"Type": "avro-registry", "Url": url} | fields
    descriptor = parse_descriptor({"Transport": transport, "Encoding": encoding, "Schema": schema})
    return resolve_stream("stream", descriptor, parse_schema)


def inline(records: Sequence[bytes], url: str, schema: object = "$inherit", **fields: Any) -> Stream:
    data = [base64.b64encode(record).decode() for record in records]
    return encoded({"Type": "inline", "DataBinary": data}, url, schema, **fields)


def score(rig: Rig, source: Stream, sink: Stream) -> tuple[list[bytes], list[str]]:
    """Return what an engine makes of an input, and the reasons for what it rejects."""

    async def run() -> tuple[list[bytes], list[str]]:
        engine = rig.engine()
        try:
            await engine.attach(0, source)
            await engine.attach(1, sink)
            await engine.load(rig.model(SCRIPT))
            await asyncio.wait_for(engine.wait(*END), 100)
            if engine.error is not None:
                raise engine.error
            values = (await engine.outputs(1, wait_s=10)).values
            return values, [reject.reason for reject in engine.rejected()]
        finally:
            await engine.close()

    return asyncio.run(run())


def as_json() -> Stream:
    return resolve_stream(
        "out", parse_descriptor({"Transport": "REST", "Encoding": "json", "Schema": None}), parse_schema
    )


def context(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


def serialise(
    client: SchemaRegistryClient, topic: str, schema: object, records: Sequence[object], **conf: Any
) -> list[bytes]:
    writer = AvroSerializer(client, json.dumps(schema), conf=conf)
    return [writer(record, context(topic)) for record in records]


def test_what_python_and_java_have_written_with_several_schemas_is_read_as_the_slot_asks(
    rig: Rig, registry: SchemaRegistry, client: SchemaRegistryClient, name: str
) -> None:
    try:
        java = JavaSerde(registry, name).write(PRICE, [UMBRELLA, ACME])
    except TestbedError as missing:
        pytest.skip(str(missing))
    python = serialise(client, name, PRICE, [ACME])
    later = serialise(client, f"{name}-later", NEWER, [ACME | {"venue": "XETR"}])
    assert java[1] == python[0]
    values, rejected = score(rig, inline([*java, *python, *later], registry.url, NEWER), as_json())
    assert rejected == []
    assert list(map(json.loads, values)) == [
        {"venue": venue, **record} for record, venue in ((UMBRELLA, None), (ACME, None), (ACME, None), (ACME, "XETR"))
    ]


def test_what_the_engine_has_written_is_read_by_python_and_java(
    rig: Rig, registry: SchemaRegistry, client: SchemaRegistryClient, name: str
) -> None:
    source = inline(serialise(client, f"{name}-in", PRICE, [ACME, UMBRELLA]), registry.url)
    values, rejected = score(rig, source, encoded("REST", registry.url, NEWER, Subject=f"{name}-value"))
    assert rejected == []
    assert client.get_versions(f"{name}-value") == [1]
    number = client.get_latest_version(f"{name}-value").schema_id
    assert [value[:5] for value in values] == [b"\0" + number.to_bytes(4)] * 2
    reader = AvroDeserializer(client)
    expected = [{"venue": None, **record} for record in (ACME, UMBRELLA)]
    assert [reader(value, context(name)) for value in values] == expected
    try:
        assert JavaSerde(registry, name).read(values) == expected
    except TestbedError as missing:
        pytest.skip(str(missing))


def test_the_bytes_of_engine_and_serialiser_are_the_same(
    rig: Rig, registry: SchemaRegistry, client: SchemaRegistryClient, name: str
) -> None:
    written = serialise(client, name, PRICE, [ACME, UMBRELLA])
    values, _ = score(rig, inline(written, registry.url), encoded("REST", registry.url, PRICE, Subject=f"{name}-value"))
    assert values == written
    assert client.get_versions(f"{name}-value") == [1]


def test_a_schema_that_refers_to_others_is_put_together(
    rig: Rig, registry: SchemaRegistry, client: SchemaRegistryClient, name: str
) -> None:
    client.register_schema(f"{name}-price", Schema(json.dumps(PRICE), "AVRO"))
    basket = {
        "type": "record",
        "name": f"Basket_{name.rpartition('-')[2]}",
        "fields": [{"name": "prices", "type": {"type": "array", "items": "shop.Price"}}],
    }
    reference = SchemaReference("shop.Price", f"{name}-price", 1)
    writer = AvroSerializer(client, Schema(json.dumps(basket), "AVRO", [reference]))
    record = writer({"prices": [ACME, UMBRELLA]}, context(name))
    values, rejected = score(rig, inline([record], registry.url), as_json())
    assert rejected == []
    assert json.loads(values[0]) == {"prices": [ACME, UMBRELLA]}


def test_a_subject_that_does_not_take_the_schema_of_an_output_is_refused_with_both_named_and_stays_as_it_is(
    rig: Rig, registry: SchemaRegistry, client: SchemaRegistryClient, name: str
) -> None:
    subject = f"{name}-value"
    client.register_schema(subject, Schema(json.dumps(PRICE), "AVRO"))
    client.set_compatibility(subject, "BACKWARD")
    source = inline(serialise(client, f"{name}-in", PRICE, [ACME]), registry.url)
    with pytest.raises(RegistryRefused, match=f"'{subject}' does not take the schema 'record Price'.*venue"):
        score(rig, source, encoded("REST", registry.url, NARROWER, Subject=subject))
    assert client.get_versions(subject) == [1]
    score(rig, source, encoded("REST", registry.url, NEWER, Subject=subject))
    assert client.get_versions(subject) == [1, 2]


def test_without_auto_register_only_what_is_registered_is_written(
    rig: Rig, registry: SchemaRegistry, client: SchemaRegistryClient, name: str
) -> None:
    subject = f"{name}-value"
    source = inline(serialise(client, f"{name}-in", PRICE, [ACME]), registry.url)
    sink = encoded("REST", registry.url, PRICE, Subject=subject, AutoRegister=False)
    with pytest.raises(RegistryRefused, match=f"'{subject}' does not have the schema"):
        score(rig, source, sink)
    assert subject not in client.get_subjects()
    client.register_schema(subject, Schema(json.dumps(PRICE), "AVRO"))
    values, _ = score(rig, source, sink)
    assert len(values) == 1


def test_a_number_that_the_registry_does_not_have_is_rejected_with_the_reason(
    rig: Rig, registry: SchemaRegistry, client: SchemaRegistryClient, name: str
) -> None:
    [record] = serialise(client, name, PRICE, [ACME])
    unknown = b"\0\x7f\xff\xff\xff" + record[5:]
    values, rejected = score(rig, inline([record, unknown, record], registry.url), as_json())
    assert len(values) == 2
    [reason] = rejected
    assert "schema 2147483647" in reason
    assert registry.url in reason


def test_a_guid_that_a_registry_does_not_serve_stops_the_engine_and_says_so(rig: Rig, registry: SchemaRegistry) -> None:
    with pytest.raises(RegistryRefused, match="nothing that it serves"):
        score(rig, inline([b"\x01" + bytes(16) + b"\0"], registry.url), as_json())


def test_a_registry_that_does_not_answer_for_a_while_holds_records_up_and_loses_none(
    rig: Rig, registry: SchemaRegistry, client: SchemaRegistryClient, name: str
) -> None:
    records = serialise(client, name, PRICE, [ACME, UMBRELLA])
    source = f"# engine.timeout: 100ms\n# engine.on_error.0: reject\n{SCRIPT}"

    async def run() -> list[bytes]:
        engine = rig.engine()
        try:
            await engine.attach(0, encoded("REST", registry.url, Timeout=200))
            await engine.attach(1, as_json())
            await engine.load(rig.model(source))
            [jet] = engine.manifold.crew.jets
            pid = jet.pid
            registry.process.suspend()
            try:
                await engine.accept(0, records)
                while not engine.manifold.schemas.waits_for:
                    await asyncio.sleep(0.01)
            finally:
                registry.process.resume()
            values: list[bytes] = []
            while len(values) < 2:
                values = (await engine.outputs(1, wait_s=1)).values
            assert (jet.pid, engine.rejected(), engine.state) == (pid, [], EngineState.RUNNING)
            return values
        finally:
            await engine.close()

    assert list(map(json.loads, asyncio.run(run()))) == [ACME, UMBRELLA]


@pytest.fixture
def modern() -> Iterator[StubRegistry]:
    """A registry that gives schemas a GUID, as Apicurio does not."""
    with StubRegistry() as modern:
        yield modern


def test_what_python_has_written_with_the_guid_of_its_schema_in_a_header_is_read(
    rig: Rig, modern: StubRegistry
) -> None:
    headers: list[tuple[str, bytes]] = []
    with SchemaRegistryClient({"url": modern.url, "timeout": 10}) as client:
        conf = {"schema.id.serializer": header_schema_id_serializer}
        writer = AvroSerializer(client, json.dumps(PRICE), conf=conf)
        datum = writer(ACME, SerializationContext("prices", MessageField.VALUE, headers))
    assert len(headers[0][1]) == 17
    [record] = join_headers(Batch([datum], [1], Labels.of([Label(headers=tuple(headers))]))).values
    values, rejected = score(rig, inline([record], modern.url), as_json())
    assert rejected == []
    assert json.loads(values[0]) == ACME
