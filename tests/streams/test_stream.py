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
