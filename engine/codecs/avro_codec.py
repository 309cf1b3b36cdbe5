"""The ``avro-binary`` encoding: one bare Avro datum per record, without container or header."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from engine.codecs.avro_reader import ReaderCompiler, Unreadable
from engine.codecs.avro_writer import WriterCompiler
from engine.codecs.compiled import CompiledCodec, SchemaPair
from engine.errors import DecodeError, EncodeError
from engine.schema import Extras, Schema, validator

# How FastScore's control records begin: a string of 14 bytes, as in '$fastscore.set'
CONTROL_PREFIX = b"\x1c$fastscore."

_NAME = "avro-binary"


def open_avro(schemas: SchemaPair) -> CompiledCodec:
    """Return the codec. NaN and infinities are legal."""
    extras = Extras()
    decode = schemas.resolve_input(datum_reader(schemas.stream, _NAME))
    return CompiledCodec(_NAME, decode, datum_writer(schemas, extras, _NAME), extras)


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

    is_double = schemas.stream == schemas.model and schemas.stream.root.kind == "double"
    return _write_double(write, prefix) if is_double else write


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

    return read


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
