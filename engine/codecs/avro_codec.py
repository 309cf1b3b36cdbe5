"""The ``avro-binary`` encoding: one bare Avro datum per record, without container or header."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from engine.codecs.avro_reader import ReaderCompiler, Unreadable
from engine.codecs.avro_writer import WriterCompiler
from engine.codecs.compiled import CompiledCodec, SchemaPair, one_by_one
from engine.codecs.direct import direct_writer
from engine.codecs.flat import Flat, ReadBatch, WriteBatch
from engine.errors import DecodeError, EncodeError
from engine.schema import Extras, Schema, validator

# How FastScore's control records begin: a string of 14 bytes, as in '$fastscore.set'
CONTROL_PREFIX = b"\x1c$fastscore."

_NAME = "avro-binary"


def open_avro(schemas: SchemaPair) -> CompiledCodec:
    """Return the codec. NaN and infinities are legal."""
    extras = Extras()
    return CompiledCodec(
        _NAME,
        schemas.resolve_input(datum_reader(schemas.stream, _NAME)),
        datum_writer(schemas, extras, _NAME),
        extras,
        schemas.resolve_batch(batch_reader(schemas.stream)),
        batch_writer(schemas),
    )


def datum_writer(schemas: SchemaPair, extras: Extras, encoding: str, prefix: bytes = b"") -> Callable[[Any], bytes]:
    """Return what writes values of the script behind a prefix; `encoding` is what its errors name."""
    check_output = schemas.resolve_output(validator(schemas.model, extras=extras))
    put = WriterCompiler().writer(schemas.stream.root)

    def write(value: Any) -> bytes:
        try:
            return prefix + put(check_output(value))
        except UnicodeEncodeError as exc:
            raise EncodeError(encoding, "a text holds half of a surrogate pair") from exc
        except RecursionError as exc:
            raise EncodeError(encoding, "it is nested too deeply") from exc

    if schemas.stream != schemas.model:
        return write
    if schemas.stream.root.kind == "double":
        return _write_double(write, prefix)
    flat = Flat.of(schemas.stream.root)
    return flat.writer(write, prefix) if flat is not None else direct_writer(schemas.stream.root, write, prefix)


def batch_writer(schemas: SchemaPair, prefix: bytes = b"") -> WriteBatch:
    """Return what writes many values of the script, each behind the prefix; see `engine.ports.Codec`."""
    flat = Flat.of(schemas.stream.root) if schemas.stream == schemas.model else None
    return (flat.batch_writer(prefix) if flat is not None else None) or one_by_one


def datum_reader(schema: Schema, encoding: str, start: int = 0) -> Callable[[bytes], Any]:
    """Return what reads records whose datum begins at `start` and ends with them."""
    if schema.root.kind == "double":
        return _read_double(encoding, start)
    get = ReaderCompiler().reader(schema.root)

    def read(raw: bytes) -> Any:
        if not start and raw.startswith(CONTROL_PREFIX):
            raise DecodeError(encoding, "control records are not supported yet")
        try:
            value, end = get(raw, start)
        except Unreadable as exc:
            where = f"field {exc.path!r}: " if exc.path else ""
            raise DecodeError(encoding, f"{where}{exc.reason}") from exc
        except IndexError as exc:
            raise DecodeError(encoding, "the bytes end too early") from exc
        except RecursionError as exc:
            raise DecodeError(encoding, "it is nested too deeply") from exc
        if end != len(raw):
            raise DecodeError(encoding, f"{len(raw) - end} bytes follow the value")
        return value

    flat = Flat.of(schema.root)
    if flat is None:
        return read
    return flat.reader(read, start, b"" if start else CONTROL_PREFIX)


def batch_reader(schema: Schema, prefix: bytes = b"") -> ReadBatch:
    """Return what reads many records that have the prefix in front of their datum; see `engine.ports.Codec`."""
    flat = Flat.of(schema.root)
    return one_by_one if flat is None else flat.batch_reader(prefix, b"" if prefix else CONTROL_PREFIX)


def _read_double(encoding: str, start: int) -> Callable[[bytes], Any]:
    unpack = struct.Struct(f"<{start}xd").unpack

    def read_double(raw: bytes) -> Any:
        try:
            return unpack(raw)[0]
        except struct.error as exc:
            raise DecodeError(encoding, f"a double has 8 bytes, this record {len(raw) - start}") from exc

    return read_double


def _write_double(write: Callable[[Any], bytes], prefix: bytes) -> Callable[[Any], bytes]:
    pack = struct.Struct("<d").pack

    def write_double(value: Any) -> bytes:
        return prefix + pack(value) if type(value) is float else write(value)

    return write_double
