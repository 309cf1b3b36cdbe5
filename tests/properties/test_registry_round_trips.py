"""Any value of any schema comes back through the wire format of a registry, also under another schema that fits."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.channel import SchemaAnswer
from engine.codecs import open_codec
from engine.errors import DataError
from engine.schema import parse_schema

_PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(1 << 31), (1 << 31) - 1),
    "long": st.integers(-(1 << 63), (1 << 63) - 1),
    "double": st.floats(allow_nan=False),
    "string": st.text(st.characters(exclude_categories=["Cs"])),
    "bytes": st.binary(),
}
_WIDER = {
    "int": "long",
    "long": "double",
    "string": "bytes",
    "null": ["null", "string"],
    "boolean": ["boolean", "null"],
}

Field = tuple[Any, Any]
"""A schema, and a value of it."""


def _field(kind: str) -> st.SearchStrategy[Field]:
    return st.tuples(st.just(kind), _PLAIN[kind])


@st.composite
def _array(draw: st.DrawFn) -> Field:
    kind = draw(st.sampled_from(sorted(_PLAIN.keys() - {"null"})))
    return {"type": "array", "items": kind}, draw(st.lists(_PLAIN[kind], max_size=5))


@st.composite
def _optional(draw: st.DrawFn) -> Field:
    kind = draw(st.sampled_from(sorted(_PLAIN.keys() - {"null"})))
    return ["null", kind], draw(st.none() | _PLAIN[kind])


fields = st.lists(st.sampled_from(sorted(_PLAIN)).flatmap(_field) | _array() | _optional(), max_size=5)


def _record(types: list[Any]) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": f"f{n}", "type": t} for n, t in enumerate(types)]}


class _One:
    """A registry of one schema, whose answers go over the channel."""

    def __init__(self, number: int, source: Any) -> None:
        self._answer = SchemaAnswer(source, number).pack()
        self.number = number

    def written(self, key: object) -> Any:
        assert key == self.number
        return SchemaAnswer.unpack(self._answer).source

    def to_write(self) -> tuple[int, Any]:
        answer = SchemaAnswer.unpack(self._answer)
        return answer.number, answer.source


@given(fields, st.integers(0, (1 << 32) - 1))
def test_what_is_written_is_read_again(drawn: list[Field], number: int) -> None:
    source = _record([schema for schema, _ in drawn])
    value = {f"f{n}": value for n, (_, value) in enumerate(drawn)}
    codec = open_codec("avro-registry", parse_schema(source), schemas=_One(number, source))
    raw = codec.encode(value)
    assert raw[:5] == b"\0" + number.to_bytes(4)
    assert codec.decode(raw) == value


@given(fields)
def test_what_was_written_is_read_with_a_wider_schema_that_has_more_fields(drawn: list[Field]) -> None:
    source = _record([schema for schema, _ in drawn])
    wider = _record([_WIDER.get(schema, schema) if isinstance(schema, str) else schema for schema, _ in drawn])
    wider["fields"].insert(0, {"name": "new", "type": "string", "default": "x"})
    raw = open_codec("avro-registry", parse_schema(source), schemas=_One(1, source)).encode(
        {f"f{n}": value for n, (_, value) in enumerate(drawn)}
    )
    read = open_codec("avro-registry", parse_schema(wider), schemas=_One(1, source)).decode(raw)
    assert read.pop("new") == "x"
    for n, (schema, value) in enumerate(drawn):
        wide = {"string": str.encode, "long": float}.get(schema, lambda same: same) if isinstance(schema, str) else None
        assert read[f"f{n}"] == (value if wide is None else wide(value))


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda tail: bytes(5) + tail))
def test_bytes_that_are_no_record_are_a_fault_of_the_record_and_nothing_else(raw: bytes) -> None:
    source = ["null", "double", {"type": "array", "items": "string"}]
    number = int.from_bytes(raw[1:5])
    try:
        value = open_codec("avro-registry", schemas=_One(number, source)).decode(raw)
    except DataError:
        return
    assert value is None or isinstance(value, float | list)
