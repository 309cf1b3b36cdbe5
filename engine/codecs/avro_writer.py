"""Writes values as bare Avro binary data, by functions compiled from the schema, for values that passed their check."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from struct import Struct, pack
from typing import Any, TypeAlias

from engine.codecs.avro_reader import MAX_EMPTY_ITEMS, runs_of, takes_no_bytes
from engine.errors import EncodeError
from engine.schema.types import Type
from engine.schema.validation import CheckCompiler

Write: TypeAlias = Callable[[Any], bytes]

_ONE_BYTE = [bytes([(value << 1) ^ (value >> 7)]) for value in [*range(64), *range(-64, 0)]]  # index -1 is the last
_FLOATS = {"float": Struct("<f"), "double": Struct("<d")}


def write_long(value: int) -> bytes:
    """Return the zig-zag form of a number of at most 64 bits.

    >>> write_long(-65).hex()
    '8101'
    """
    if -64 <= value < 64:
        return _ONE_BYTE[value]
    number = (value << 1) ^ (value >> 63)
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)


class WriterCompiler:
    """Compiles the writers of one schema."""

    def __init__(self) -> None:
        self._records: dict[int, Write] = {}
        self._checks = CheckCompiler("native", is_finite=False)

    def writer(self, type_: Type) -> Write:
        """Return the writer of a type."""
        match type_.kind:
            case "record":
                return self._record(type_)
            case "union":
                return self._union(type_)
            case "array":
                return self._array(type_.parts[0])
            case "map":
                return _map(self.writer(type_.parts[0]))
        write = _scalar(type_)
        return write if type_.logical is None else _logical(write, type_.logical.to_base)

    def _record(self, type_: Type) -> Write:
        known, key = self._records, id(type_)
        if key in known:
            return lambda value: known[key](value)  # a recursive schema: the writer is not made yet
        known[key] = _not_yet
        steps = [
            (fields[0].name, self.writer(fields[0].type))
            if layout is None
            else (None, _write_run(layout, [field.name for field in fields]))
            for layout, fields in runs_of(type_.fields)
        ]

        def write_record(value: dict[str, Any]) -> bytes:
            return b"".join([write(value if name is None else value[name]) for name, write in steps])

        known[key] = write_record
        return write_record

    def _union(self, type_: Type) -> Write:
        writers = [self.writer(part) for part in type_.parts]
        select = self._checks.selector(type_)
        kinds = [part.kind for part in type_.parts]
        null = kinds.index("null") if "null" in kinds else None
        null_bytes, marks = write_long(null or 0), [write_long(index) for index in range(len(writers))]
        only = 1 - null if null is not None and len(writers) == 2 else None

        def write_union(value: Any) -> bytes:
            if value is None and null is not None:
                return null_bytes
            index = select(value)[0] if only is None else only
            return marks[index] + writers[index](value)

        return write_union

    def _array(self, item: Type) -> Write:
        write, code = self.writer(item), {"float": "f", "double": "d"}.get(item.kind)
        is_empty = takes_no_bytes(item)

        def write_array(value: list[Any]) -> bytes:
            if not value:
                return b"\0"
            if is_empty and len(value) > MAX_EMPTY_ITEMS:
                raise EncodeError("avro-binary", f"{len(value)} items that take no bytes, more than {MAX_EMPTY_ITEMS}")
            if code is not None:
                return b"".join((write_long(len(value)), pack(f"<{len(value)}{code}", *value), b"\0"))
            return b"".join([write_long(len(value)), *map(write, value), b"\0"])

        return write_array


def _write_run(layout: str, names: list[str]) -> Write:
    """Return what writes some fields of a record at once."""
    pack, pick = Struct(f"<{layout}").pack, itemgetter(*names)
    return lambda record: pack(*pick(record))


def _map(write: Write) -> Write:
    def write_map(value: dict[str, Any]) -> bytes:
        if not value:
            return b"\0"
        pairs = [_write_string(key) + write(item) for key, item in value.items()]
        return b"".join([write_long(len(value)), *pairs, b"\0"])

    return write_map


def _scalar(type_: Type) -> Write:
    match type_.kind:
        case "null":
            return lambda _value: b""
        case "boolean":
            return lambda value: b"\1" if value else b"\0"
        case "int" | "long":
            return write_long
        case "float" | "double":
            return _FLOATS[type_.kind].pack
        case "string":
            return _write_string
        case "bytes":
            return lambda value: write_long(len(value)) + value
        case "fixed":
            return bytes
    marks = {symbol: write_long(index) for index, symbol in enumerate(type_.symbols)}
    return marks.__getitem__


def _write_string(value: str) -> bytes:
    data = value.encode()
    size = len(data)
    return (_ONE_BYTE[size] if size < 64 else write_long(size)) + data


def _logical(write: Write, to_base: Callable[[Any], Any]) -> Write:
    return lambda value: write(to_base(value))


def _not_yet(_value: Any) -> bytes:
    raise AssertionError("a writer ran while it was compiled")
