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
