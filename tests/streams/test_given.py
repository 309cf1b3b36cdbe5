import pytest

from engine.errors import AssetNotFound, DescriptorError, NotBuilt
from engine.schema import Schema, parse_schema
from engine.streams import given_stream

REST = {"Transport": "REST", "Encoding": "json"}


def find_schema(name: str) -> Schema:
    if name != "price":
        raise AssetNotFound("schema", name)
    return parse_schema("double", name)


@pytest.mark.parametrize(
    ("source", "name", "transport"),
    [
        (" rest:\n", "rest:", "rest"),
        ("inline:1,2", "inline:1,2", "inline"),
        (REST, "", "rest"),
        ('\n{"Transport": "discard"}', "", "discard"),
    ],
)
def test_a_literal_a_descriptor_and_its_text_are_streams(source: object, name: str, transport: str) -> None:
    stream = given_stream(source, find_schema)
    assert (stream.name, stream.transport.lower()) == (name, transport)


def test_its_schema_is_looked_up() -> None:
    schema = {"Schema": {"$ref": "price"}}
    assert given_stream(REST | schema, find_schema).own_schema == parse_schema("double")
    with pytest.raises(AssetNotFound):
        given_stream(REST | {"Schema": {"$ref": "prices"}}, find_schema)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("ret:", "rest:"),
        ("rest", "rest:"),
        ("fiel:/data/x.json", "file:"),
        ("inline_chunked:1", "inline-chunked:"),
        ("null", None),
        ("zzz:1", None),
    ],
)
def test_what_is_no_literal_is_told_with_those_there_are_and_the_nearest(text: str, near: str | None) -> None:
    with pytest.raises(DescriptorError, match="rest:, rest-chunked:, discard:, file:, inline:") as caught:
        given_stream(text, find_schema)
    assert (repr(text) in str(caught.value), caught.value.near) == (True, near)


@pytest.mark.parametrize("text", ["", "[]", '{"Transport": ', '"rest:"', "7"])
def test_json_that_is_no_descriptor_is_told_as_such(text: str) -> None:
    with pytest.raises(DescriptorError, match=r"JSON|object expected"):
        given_stream(text, find_schema)


def test_a_literal_that_is_not_built_is_refused_by_name() -> None:
    with pytest.raises(NotBuilt, match="tcp:"):
        given_stream("tcp:host:1", find_schema)
