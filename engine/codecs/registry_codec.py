"""The ``avro-registry`` encoding: an Avro datum behind the number of the schema that it was written with.

Confluent's wire format: a zero byte and the number in four bytes, the highest first; or a one and the sixteen bytes of
the schema's GUID. Where the GUID came in a header, whoever read the header has put it in front: see `join_headers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from engine.codecs.avro_codec import batch_reader, batch_writer, datum_reader, datum_writer
from engine.codecs.compiled import SchemaPair, one_by_one, resolve_all
from engine.codecs.flat import ReadBatch, WriteBatch
from engine.errors import DecodeError, EngineError, SchemaInvalid, SchemaMismatch
from engine.record import Batch, Label, Labels, Oversized
from engine.schema import Extras, Resolver, Schema, parse_schema

NAME = "avro-registry"

HEADER = "__value_schema_id"
"""The header that holds the schema's number or GUID in the same form, where it is not in front of the value."""

_NUMBER, _GUID = 0, 1
_START = {_NUMBER: 5, _GUID: 17}
"""By a record's first byte, where its datum begins."""


class SchemaSource(Protocol):
    """Who knows the schemas of a slot; asked once for each."""

    def written(self, key: int | UUID) -> Any:
        """Return the schema that a record was written with, as a JSON value; raises `DataError`."""

    def to_write(self) -> tuple[int, Any]:
        """Return the number of the schema that outputs are written with, and the schema; raises `EngineError`."""


class RegistryCodec:
    """Reads records of any schema that fits the slot's, and writes them with one; see `engine.ports.Codec`.

    Parameters
    ----------
    source : SchemaSource
        Asked when a schema is met for the first time.
    stream, model : Schema or None
        The stream's own and that of the script's slot. What is read is resolved to the first and then to the second.
    """

    name = NAME

    def __init__(self, source: SchemaSource, stream: Schema | None, model: Schema | None) -> None:
        self._source, self._model = source, model
        self._targets = [schema for schema in (stream, model) if schema is not None]
        self._readers: dict[bytes, Callable[[bytes], Any]] = {}
        self._batch_readers: dict[bytes, ReadBatch] = {}
        self._extras = Extras()
        self._write: Callable[[Any], bytes] | None = None
        self._write_batch: WriteBatch = one_by_one

    @property
    def extra_fields(self) -> int:
        """How many fields without a place in the schema were dropped."""
        return self._extras.count

    def decode(self, raw: bytes) -> Any:
        """Return the value of a record; raises `DataError`."""
        read = self._readers.get(raw[:5])
        return read(raw) if read is not None else self._find_reader(raw)(raw)

    def encode(self, value: Any) -> bytes:
        """Return the record of an output; raises `DataError`."""
        if self._write is None:
            self._write = self._make_writer()
        return self._write(value)

    def decode_batch(self, raws: Sequence[bytes]) -> list[Any] | None:
        """Return the values of records that were all written with a schema that is known by now, or None."""
        read = self._batch_readers.get(raws[0][:5]) if raws else None
        return read(raws) if read is not None else None

    def encode_batch(self, values: Sequence[Any]) -> Sequence[bytes] | None:
        """Return the records of many outputs, or None."""
        return self._write_batch(values)

    def _find_reader(self, raw: bytes) -> Callable[[bytes], Any]:
        start = _START.get(raw[0]) if raw else None
        if start is None or len(raw) < start:
            raise DecodeError(NAME, _complaint(raw))
        prefix = raw[:start]
        if prefix not in self._readers:
            key = UUID(bytes=prefix[1:]) if raw[0] == _GUID else int.from_bytes(prefix[1:])
            self._readers[prefix] = self._make_reader(key, self._source.written(key), prefix)
        return self._readers[prefix]

    def _make_reader(self, key: int | UUID, source: Any, prefix: bytes) -> Callable[[bytes], Any]:
        """Return what reads the records of a schema as the slot asks for them."""
        try:
            schema = parse_schema(source)
            steps = [
                resolver
                for writer, reader in zip([schema, *self._targets], self._targets, strict=False)
                if not (resolver := Resolver(writer, reader)).is_identity
            ]
        except SchemaInvalid as exc:
            raise DecodeError(NAME, f"schema {key} is no valid Avro schema: {exc.reason}") from exc
        except SchemaMismatch as exc:
            fault = f"schema {key}, with which it was written, cannot be read as the slot asks. {exc}"
            raise DecodeError(NAME, fault.rstrip(".")) from exc
        read, read_batch = datum_reader(schema, NAME, len(prefix)), batch_reader(schema, prefix)
        self._batch_readers[prefix] = read_batch
        if not steps:
            return read

        def read_resolved(raw: bytes) -> Any:
            value = read(raw)
            for resolve in steps:
                value = resolve(value)
            return value

        def read_batch_resolved(raws: Sequence[bytes]) -> list[Any] | None:
            values = read_batch(raws)
            for resolve in steps:
                values = resolve_all(values, resolve)
            return values

        self._batch_readers[prefix] = read_batch_resolved
        return read_resolved

    def _make_writer(self) -> Callable[[Any], bytes]:
        number, source = self._source.to_write()
        schema = parse_schema(source)
        pair, prefix = SchemaPair.fit(schema, self._model or schema), bytes([_NUMBER]) + number.to_bytes(4)
        self._write_batch = batch_writer(pair, prefix)
        return datum_writer(pair, self._extras, NAME, prefix)


class NoSchemas:
    """Stands for a registry where there is nobody to ask."""

    def written(self, key: int | UUID) -> Any:
        """Raise `DecodeError`."""
        raise DecodeError(NAME, f"there is no engine to ask for schema {key}")

    def to_write(self) -> tuple[int, Any]:
        """Raise `EngineError`."""
        raise EngineError("There is no engine to ask for the number of the schema that outputs are written with.")


def join_headers(batch: Batch) -> Batch:
    """Return the batch with the number or GUID of a schema in front of each value for which it came in a header.

    It is of the value, and is taken off the label: what a script makes of the record was not written with it.

    >>> batch = Batch([b"datum"], [1], Labels.of([Label(headers=(("__value_schema_id", bytes(5)),))]))
    >>> join_headers(batch).values[0][5:], join_headers(batch).labels.headers
    (b'datum', [()])
    """
    if batch.labels is None or not any(batch.labels.headers):
        return batch
    joined = [_join(value, label) for value, label in zip(batch.values, batch.labels, strict=True)]
    return replace(batch, values=[value for value, _ in joined], labels=Labels.of(label for _, label in joined))


def _join(value: bytes, label: Label) -> tuple[bytes, Label]:
    if isinstance(value, Oversized):  # it is rejected, and not decoded
        return value, label
    for name, content in label.headers:
        if name == HEADER and content and len(content) == _START.get(content[0]):
            return content + value, label._replace(headers=tuple(one for one in label.headers if one[0] != HEADER))
    return value, label


def _complaint(raw: bytes) -> str:
    if not raw or raw[0] in _START:
        return "it ends before the number of its schema does"
    return f"it begins with the byte {raw[0]}, and not with 0 and the number of its schema, or with 1 and a GUID"
