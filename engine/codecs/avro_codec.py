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
    write = datum_writer(schemas, extras, _NAME)
    decode = schemas.resolve_input(datum_reader(schemas.stream, _NAME))
    encode: Callable[[Any], bytes] = write
    if schemas.stream == schemas.model and schemas.stream.root.kind == "double":
        decode, encode = _read_double, _write_double(write)
    return CompiledCodec(_NAME, decode, encode, extras)


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

    return write


def datum_reader(schema: Schema, encoding: str, start: int = 0) -> Callable[[bytes], Any]:
    """Return what reads records whose datum begins at `start` and ends with them."""
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


_DOUBLE = struct.Struct("<d")


def _read_double(raw: bytes, _unpack: Callable[[bytes], tuple[Any, ...]] = _DOUBLE.unpack) -> Any:
    try:
        return _unpack(raw)[0]
    except struct.error as exc:
        raise DecodeError(_NAME, f"a double has 8 bytes, this record {len(raw)}") from exc


def _write_double(write: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    pack = _DOUBLE.pack

    def write_double(value: Any) -> bytes:
        return pack(value) if type(value) is float else write(value)

    return write_double
