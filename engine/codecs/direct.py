"""Writes records without others inside as bare Avro, the check of a field and its bytes in one.

It knows the values that most scripts give, of exactly the type that a field asks for. Any other record goes the usual
way, whole, by which numpy's numbers are converted and errors are told.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import countOf, itemgetter
from struct import Struct
from typing import Any

from engine.codecs.avro_writer import Write, write_long
from engine.schema.scalars import INT_RANGES
from engine.schema.types import Field, Type

_CODES = {"float": "f", "double": "d"}


class _UnusualError(Exception):
    """A value that is not of exactly the right type."""


def direct_writer(type_: Type, otherwise: Write, prefix: bytes = b"") -> Write:
    """Return what writes a record behind a prefix; what it does not know is written by `otherwise`.

    That is all there is for a type that is no record, or has others inside.
    """
    steps: list[tuple[str | None, Write]] = []
    for is_number, group in groupby(type_.fields, lambda field: field.type.kind in _CODES):
        fields = list(group)
        if is_number and len(fields) > 1:
            steps.append((None, _numbers(fields)))
            continue
        for field in fields:
            write = _writer(field.type)
            if write is None:
                return otherwise
            steps.append((field.name, write))
    n_fields = len(type_.fields)
    if not n_fields:
        return otherwise

    def write_record(value: Any) -> bytes:
        if type(value) is dict and len(value) == n_fields:
            try:
                return prefix + b"".join([write(value if name is None else value[name]) for name, write in steps])
            except (_UnusualError, KeyError, OverflowError, UnicodeEncodeError):
                pass
        return otherwise(value)

    return write_record


def _numbers(fields: list[Field]) -> Write:
    pick, n_fields = itemgetter(*[field.name for field in fields]), len(fields)
    pack = Struct("<" + "".join(_CODES[field.type.kind] for field in fields)).pack

    def write(record: dict[str, Any]) -> bytes:
        row = pick(record)
        if countOf(map(type, row), float) != n_fields:
            raise _UnusualError
        return pack(*row)

    return write


def _writer(type_: Type) -> Write | None:
    if type_.logical is not None:
        return None
    if type_.kind == "union":
        return _optional(type_)
    if type_.kind in INT_RANGES:
        return _integer(*INT_RANGES[type_.kind])
    if type_.kind in _CODES:
        return _exactly(float, Struct(f"<{_CODES[type_.kind]}").pack)
    if type_.kind == "enum":
        marks = {symbol: write_long(index) for index, symbol in enumerate(type_.symbols)}
        return _exactly(str, marks.__getitem__)
    return {"boolean": _boolean, "string": _string, "bytes": _bytes}.get(type_.kind)


def _optional(union: Type) -> Write | None:
    kinds = [part.kind for part in union.parts]
    if len(kinds) != 2 or "null" not in kinds:
        return None
    null = kinds.index("null")
    write, null_mark, mark = _writer(union.parts[1 - null]), write_long(null), write_long(1 - null)
    return None if write is None else lambda value: null_mark if value is None else mark + write(value)


def _exactly(kind: type, write_value: Callable[[Any], bytes]) -> Write:
    def write(value: Any) -> bytes:
        if type(value) is not kind:
            raise _UnusualError
        return write_value(value)

    return write


def _integer(low: int, high: int) -> Write:
    def write(value: Any) -> bytes:
        if type(value) is not int or not low <= value <= high:
            raise _UnusualError
        return write_long(value)

    return write


def _boolean(value: Any) -> bytes:
    if value is True:
        return b"\1"
    if value is False:
        return b"\0"
    raise _UnusualError


def _string(value: Any) -> bytes:
    if type(value) is not str:
        raise _UnusualError
    data = value.encode()
    return write_long(len(data)) + data


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise _UnusualError
    return write_long(len(value)) + value
