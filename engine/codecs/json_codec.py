"""The ``json`` encoding: one JSON text per record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from operator import countOf
from typing import Any

from engine.codecs.compiled import CompiledCodec, SchemaPair
from engine.errors import DecodeError, EncodeError
from engine.schema import Extras, parse_json, validator, write_json
from engine.schema.json_form import JsonFormCompiler
from engine.schema.json_text import scan_json
from engine.schema.mismatch import show

CONTROL_KEY = "$fastscore"
"""The key that makes an object a control record (FastScore)."""


def open_json(schemas: SchemaPair | None, *, is_tagged: bool) -> CompiledCodec:
    """Return the codec; without schemas any JSON value passes, and floats only if they are finite."""
    if schemas is None:
        return CompiledCodec("json", _read_any, _write_any)
    extras = Extras()
    check_input = validator(schemas.stream, domain="json", extras=extras)
    check_output = validator(schemas.model, finite=True, extras=extras)
    form = JsonFormCompiler(is_tagged=is_tagged).form(schemas.stream.root)

    def read(raw: bytes) -> Any:
        return check_input(_refuse_control(parse_json(raw, is_checked_later=True)))

    resolved = schemas.resolve_output(check_output)

    def write(value: Any) -> bytes:
        return _write_any(resolved(value))

    def write_form(value: Any) -> bytes:
        assert form is not None  # noqa: S101  for mypy: chosen only then
        try:
            return _write_any(form(resolved(value)))
        except RecursionError as exc:
            raise EncodeError("json", "it is nested too deeply") from exc

    decode = schemas.resolve_input(read)
    encode: Callable[[Any], bytes] = write if form is None else write_form
    if schemas.stream == schemas.model and schemas.stream.root.kind == "double":
        decode, encode = _read_double(decode), _write_double(encode)
        return CompiledCodec("json", decode, encode, extras, _read_doubles, _write_doubles)
    return CompiledCodec("json", decode, encode, extras)


def _refuse_control(value: Any) -> Any:
    if type(value) is dict and CONTROL_KEY in value:
        raise DecodeError("json", f"control records, such as {show(value[CONTROL_KEY])}, are not supported yet")
    return value


def _read_any(raw: bytes) -> Any:
    return _refuse_control(parse_json(raw))


def _write_any(value: Any) -> bytes:
    if type(value) is dict and CONTROL_KEY in value:
        raise EncodeError("json", f"an object with the key {CONTROL_KEY!r} would be a control record")
    return write_json(value)


def _read_double(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return a reader of plain doubles that leaves everything else, and every complaint, to `read`."""
    scan = scan_json

    def read_double(raw: bytes) -> Any:
        try:
            value, end = scan(str(raw, "utf-8"), 0)
        except (StopIteration, ValueError, RecursionError):
            return read(raw)
        return value if type(value) is float and end == len(raw) and isfinite(value) else read(raw)

    return read_double


def _write_double(write: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    def write_double(value: Any) -> bytes:
        return repr(value).encode() if type(value) is float and isfinite(value) else write(value)

    return write_double


def _read_doubles(raws: Sequence[bytes]) -> list[Any] | None:
    """Read many numbers as one array: as many numbers as records, so that none holds more or less than one."""
    try:
        text = f"[{str(b','.join(raws), 'utf-8')}]"
        values, end = scan_json(text, 0)
    except (StopIteration, ValueError, RecursionError):
        return None
    n = len(raws)
    n_floats = countOf(map(type, values), float)
    if end != len(text) or len(values) != n or n_floats + countOf(map(type, values), int) != n:
        return None
    try:
        numbers = values if n_floats == n else list(map(float, values))
    except OverflowError:
        return None
    return numbers if all(map(isfinite, numbers)) else None


def _write_doubles(values: Sequence[Any]) -> Sequence[bytes] | None:
    if not values or countOf(map(type, values), float) != len(values) or not all(map(isfinite, values)):
        return None
    return "\n".join(map(repr, values)).encode().split(b"\n")
