import json
import os

import pytest

from engine.errors import AssetNotFound, DescriptorError, SchemaInvalid
from engine.schema import parse_schema
from engine.streams import INHERIT, parse_descriptor, resolve_stream

SCHEMAS = {"double": parse_schema("double", "double")}


def schemas(name):
    try:
        return SCHEMAS[name]
    except KeyError as exc:
        raise AssetNotFound("schema", name) from exc


def resolve(**fields):
    return resolve_stream("prices", parse_descriptor({"Transport": "REST", "Encoding": "json", **fields}), schemas)


@pytest.mark.parametrize(
    ("fields", "schema", "own"),
    [
        ({}, INHERIT, None),
        ({"Schema": INHERIT}, INHERIT, None),
        ({"Schema": None}, None, None),
        ({"Schema": {"$ref": "double"}}, SCHEMAS["double"], SCHEMAS["double"]),
        ({"Schema": "double"}, SCHEMAS["double"], SCHEMAS["double"]),
    ],
)
def test_the_schema_is_found(fields, schema, own):
    stream = resolve(**fields)
    assert (stream.schema, stream.own_schema) == (schema, own)


def test_a_schema_that_is_not_there_is_named():
    with pytest.raises(AssetNotFound, match="Schema 'price' not found"):
        resolve(Schema={"$ref": "price"})


def test_a_schema_that_is_none_is_refused():
    with pytest.raises(SchemaInvalid):
        resolve(Schema={"type": "nonsense"})


def test_the_schema_that_was_found_must_fit_the_encoding():
    with pytest.raises(DescriptorError, match='needs the schema "string"'):
        resolve(Encoding="utf-8", Schema={"$ref": "double"})


def test_a_stream_says_what_the_manifold_asks():
    stream = resolve(Encoding={"Type": "JSON", "Unions": "tagged"})
    assert (stream.transport, stream.encoding, stream.tagged_unions) == ("REST", "json", True)
    plain = resolve(Encoding=None)
    assert (plain.encoding, plain.tagged_unions) == ("null", False)


def test_a_stream_says_whether_it_can_be_gone_on_with(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    found = {
        name: resolve(Transport={"Type": "file", "Path": name if name == "-" else str(tmp_path / name)}).is_resumable
        for name in ("file", "link", "not there yet", "pipe", ".", "-")
    }
    assert found == {"file": True, "link": True, "not there yet": True, "pipe": False, ".": False, "-": False}
    assert resolve(Transport={"Type": "inline", "Data": []}).is_resumable
    assert resolve().is_resumable


@pytest.mark.parametrize(
    ("fields", "is_synced"),
    [
        ({}, True),
        ({"Durable": "disk"}, True),
        ({"Durable": "Process"}, False),
        ({"Durable": False}, False),
        ({"Transport": "discard"}, False),
        ({"Transport": {"Type": "file", "Path": "x"}}, True),
    ],
)
def test_a_stream_says_whether_it_must_survive_a_power_loss(fields, is_synced):
    assert resolve(**fields).is_synced is is_synced


STORED = {
    "bad": {"Transport": {"Type": "file", "Path": "/data/bad.jsons"}, "Encoding": "json"},
    "rest": {"Transport": "REST", "Encoding": "json", "Schema": None},
    "http": {"Transport": {"Type": "HTTP", "Url": "http://host/"}, "Encoding": "json"},
    "discard": {"Transport": "discard", "Encoding": "json"},
    "kafka": {"Transport": {"Type": "Kafka", "BootstrapServers": ["b"], "Topic": "bad"}, "Encoding": "json"},
    "inline": {"Transport": {"Type": "inline", "Data": []}, "Encoding": "json"},
    "bytes": {"Transport": "REST"},
    "nested": {"Transport": "REST", "Encoding": "json", "Rejects": {"$ref": "bad"}},
    "prices": {"Transport": "REST", "Encoding": "json", "Rejects": {"$ref": "prices"}},
    "typed": {"Transport": "REST", "Encoding": "json", "Schema": "double"},
}


def stored(name):
    try:
        return json.dumps(STORED[name]).encode()
    except KeyError as exc:
        raise AssetNotFound("stream", name) from exc


def with_rejects(name, find=stored):
    fields = {"Transport": "REST", "Encoding": "json", "Rejects": {"$ref": name}}
    return resolve_stream("prices", parse_descriptor(fields), schemas, find)


@pytest.mark.parametrize("name", ["bad", "rest", "http", "discard", "kafka"])
def test_the_stream_of_rejects_is_found(name):
    rejects = with_rejects(name).rejects
    assert (rejects.name, rejects.descriptor) == (name, parse_descriptor(STORED[name]))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("inline", "stream 'inline', Transport: inline data can only be read"),
        ("bytes", "stream 'bytes' must have the encoding \"json\""),
        ("nested", "stream 'nested' has Rejects itself"),
        ("prices", "stream 'prices' has Rejects itself"),
        ("typed", "stream 'typed' must have no Schema"),
    ],
)
def test_a_stream_that_cannot_take_rejects_is_refused(name, reason):
    with pytest.raises(DescriptorError, match=reason):
        with_rejects(name)


def test_a_stream_of_rejects_that_is_not_there_is_named():
    with pytest.raises(AssetNotFound, match="Stream 'worse' not found"):
        with_rejects("worse")
    with pytest.raises(DescriptorError, match="Rejects: there is no library here in which 'bad' could be"):
        with_rejects("bad", None)
