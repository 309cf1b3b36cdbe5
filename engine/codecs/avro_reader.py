"""Reads bare Avro binary data (Avro 1.12, "Binary Encoding"), by functions compiled from the schema.

Not fastavro's reader, for what it does with bytes that are not Avro: an int out of range is taken modulo 2**64, a
negative union index or enum symbol counts from the end, bytes of a recursive schema can overflow the C stack and kill
the process, and an array of nulls loops as often as a few bytes tell it to. Compiled closures are about as fast on
small records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from struct import Struct, unpack
from typing import Any, TypeAlias

from engine.schema.scalars import INT_RANGES
from engine.schema.types import Field, Type

Read: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""Takes the bytes and where the value begins; returns the value and where it ends."""

# Items that take no bytes, such as nulls, could be claimed by the trillion in a few bytes. Nobody means so many.
MAX_EMPTY_ITEMS = 1000
_FLOATS = {"float": Struct("<f"), "double": Struct("<d")}


class Unreadable(ValueError):
    """The bytes are not Avro; `path` says in which field."""

    def __init__(self, reason: str) -> None:
        self.reason, self.path = reason, ""
        super().__init__(reason)


def read_long(raw: bytes, at: int) -> tuple[int, int]:
    """Read a zig-zag number of at most 64 bits. IndexError where the bytes end."""
    byte = raw[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    number, shift = byte & 127, 7
    while True:
        at += 1
        byte = raw[at]
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:  # ten bytes of seven bits hold 64
            raise Unreadable("a number of more than 64 bits")
    if number >> 64:
        raise Unreadable("a number of more than 64 bits")
    return (number >> 1) ^ -(number & 1), at + 1


class ReaderCompiler:
    """Compiles the readers of one schema."""

    def __init__(self) -> None:
        self._records: dict[int, Read] = {}

    def reader(self, type_: Type) -> Read:
        """Return the reader of a type. It raises Unreadable, or IndexError where the bytes end."""
        match type_.kind:
            case "record":
                return self._record(type_)
            case "union":
                return _union([self.reader(part) for part in type_.parts], [part.kind for part in type_.parts])
            case "array":
                return self._array(type_.parts[0])
            case "map":
                return _map(self.reader(type_.parts[0]))
        read = _scalar(type_)
        return read if type_.logical is None else _logical(read, type_.logical.from_base)

    def _record(self, type_: Type) -> Read:
        known, key = self._records, id(type_)
        if key in known:
            return lambda raw, at: known[key](raw, at)  # a recursive schema: the reader is not made yet
        known[key] = _not_yet
        steps = [
            (fields[0].name, self.reader(fields[0].type), None)
            if layout is None
            else ("", _no_value, _Run(layout, [(field.name, self.reader(field.type)) for field in fields]))
            for layout, fields in runs_of(type_.fields)
        ]

        def read_record(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
            record: dict[str, Any] = {}
            name = ""
            try:
                for name, read, run in steps:
                    if run is None:
                        record[name], at = read(raw, at)
                        continue
                    end = at + run.size
                    if end > len(raw):  # one of its fields finds out
                        for name, read in run.fields:
                            record[name], at = read(raw, at)
                    record.update(zip(run.names, run.unpack_from(raw, at), strict=True))
                    at = end
            except (Unreadable, IndexError) as exc:
                raise _inside(name, exc) from exc.__cause__
            return record, at

        known[key] = read_record
        return read_record

    def _array(self, item: Type) -> Read:
        read, check_count = self.reader(item), _check_empty if takes_no_bytes(item) else _accept
        packed = _FLOATS.get(item.kind)

        def read_array(raw: bytes, at: int) -> tuple[list[Any], int]:
            items: list[Any] = []
            try:
                count, at = _block(raw, at)
                while count:
                    if packed is not None:
                        numbers, at = _cut(raw, at, count * packed.size)
                        items += unpack(f"<{count}{packed.format[-1]}", numbers)
                    else:
                        check_count(count)
                        for _ in range(count):
                            value, at = read(raw, at)
                            items.append(value)
                    count, at = _block(raw, at)
            except (Unreadable, IndexError) as exc:
                raise _inside(f"[{len(items)}]", exc) from exc.__cause__
            return items, at

        return read_array


def _check_empty(count: int) -> None:
    if count > MAX_EMPTY_ITEMS:
        raise Unreadable(f"{count} items that take no bytes, more than {MAX_EMPTY_ITEMS}")


def _accept(_count: int) -> None:
    """Any count will do: the items take bytes, and their reader finds the end."""


def _map(read: Read) -> Read:
    def read_map(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        key = ""
        try:
            count, at = _block(raw, at)
            while count:
                for _ in range(count):
                    key, at = _read_string(raw, at)
                    values[key], at = read(raw, at)
                count, at = _block(raw, at)
        except (Unreadable, IndexError) as exc:
            raise _inside(f"{{{key}}}", exc) from exc.__cause__
        return values, at

    return read_map


class _Run:
    """Fields of a record that lie one behind the other in a known number of bytes."""

    __slots__ = ("fields", "names", "size", "unpack_from")

    def __init__(self, layout: str, fields: list[tuple[str, Read]]) -> None:
        packed = Struct(f"<{layout}")
        self.fields, self.names = fields, [name for name, _ in fields]
        self.size, self.unpack_from = packed.size, packed.unpack_from


def runs_of(fields: Sequence[Field]) -> list[tuple[str | None, list[Field]]]:
    """Return the fields of a record in groups: those that `struct` can take at once with its format, others alone."""
    groups: list[tuple[str | None, list[Field]]] = []
    for is_packed, group in groupby(fields, lambda field: _code_of(field.type) is not None):
        members = list(group)
        if is_packed and len(members) > 1:
            groups.append(("".join(_code_of(field.type) or "" for field in members), members))
        else:
            groups += [(None, [field]) for field in members]
    return groups


def _code_of(type_: Type) -> str | None:
    if type_.logical is not None:
        return None
    return f"{type_.size}s" if type_.kind == "fixed" and type_.size else {"float": "f", "double": "d"}.get(type_.kind)


def _union(readers: list[Read], kinds: list[str]) -> Read:
    read_union = _any_branch(readers)
    if len(kinds) != 2 or "null" not in kinds:
        return read_union
    # null and one other, as most unions are: a byte says which
    null = kinds.index("null")
    read, null_byte, other_byte = readers[1 - null], 2 * null, 2 - 2 * null

    def read_optional(raw: bytes, at: int) -> tuple[Any, int]:
        byte = raw[at]
        if byte == other_byte:
            return read(raw, at + 1)
        return (None, at + 1) if byte == null_byte else read_union(raw, at)

    return read_optional


def _any_branch(readers: list[Read]) -> Read:
    n_branches = len(readers)

    def read_union(raw: bytes, at: int) -> tuple[Any, int]:
        index, at = read_long(raw, at)
        if not 0 <= index < n_branches:
            raise Unreadable(f"branch {index} of a union that has {n_branches}")
        return readers[index](raw, at)

    return read_union


def takes_no_bytes(type_: Type, within: tuple[Type, ...] = ()) -> bool:
    """Tell whether every value of the type is written as nothing at all."""
    if type_.kind == "record":
        # a record that is inside itself without a union or array between has no values: what is told of it is not used
        return type_ in within or all(takes_no_bytes(field.type, (*within, type_)) for field in type_.fields)
    return type_.kind == "null" or (type_.kind == "fixed" and type_.size == 0)


def _inside(step: str, exc: Unreadable | IndexError) -> Unreadable:
    fault = exc if isinstance(exc, Unreadable) else Unreadable("the bytes end too early")
    dot = "." if fault.path and not fault.path.startswith(("[", "{")) else ""
    fault.path = f"{step}{dot}{fault.path}"
    return fault


def _block(raw: bytes, at: int) -> tuple[int, int]:
    count, at = read_long(raw, at)
    if count < 0:  # then the size of the block in bytes follows, for whoever wants to skip it
        _, at = read_long(raw, at)
        count = -count
    return count, at


def _scalar(type_: Type) -> Read:
    match type_.kind:
        case "null":
            return lambda _raw, at: (None, at)
        case "boolean":
            return _read_boolean
        case "int":
            return _read_int
        case "long":
            return read_long
        case "float" | "double":
            return _floating(_FLOATS[type_.kind])
        case "string":
            return _read_string
        case "bytes":
            return _read_bytes
        case "fixed":
            return lambda raw, at: _cut(raw, at, type_.size)
    return _enum(type_.symbols)


def _read_boolean(raw: bytes, at: int) -> tuple[bool, int]:
    byte = raw[at]
    if byte > 1:
        raise Unreadable(f"a boolean of {byte}, neither 0 nor 1")
    return byte == 1, at + 1


def _read_int(raw: bytes, at: int) -> tuple[int, int]:
    byte = raw[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, at = read_long(raw, at)
    low, high = INT_RANGES["int"]
    if not low <= value <= high:
        raise Unreadable(f"{value} is not an int of 32 bits")
    return value, at


def _floating(packed: Struct) -> Read:
    unpack, size = packed.unpack_from, packed.size

    def read_floating(raw: bytes, at: int) -> tuple[float, int]:
        end = at + size
        if end > len(raw):
            raise IndexError
        return unpack(raw, at)[0], end

    return read_floating


def _cut(raw: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(raw):
        raise IndexError
    return raw[at:end], end


def _read_bytes(raw: bytes, at: int) -> tuple[bytes, int]:
    size, at = read_long(raw, at)
    if size < 0:
        raise Unreadable(f"a length of {size}")
    return _cut(raw, at, size)


def _read_string(raw: bytes, at: int) -> tuple[str, int]:
    byte = raw[at]
    if byte < 128 and not byte & 1:  # shorter than 64 bytes
        start, at = at + 1, at + 1 + (byte >> 1)
        if at > len(raw):
            raise IndexError
        data = raw[start:at]
    else:
        data, at = _read_bytes(raw, at)
    try:
        return data.decode(), at
    except UnicodeDecodeError as exc:
        raise Unreadable(f"a string that is not UTF-8 at its byte {exc.start}") from exc


def _enum(symbols: tuple[str, ...]) -> Read:
    n_symbols = len(symbols)

    def read_enum(raw: bytes, at: int) -> tuple[str, int]:
        index, at = read_long(raw, at)
        if not 0 <= index < n_symbols:
            raise Unreadable(f"symbol {index} of an enum that has {n_symbols}")
        return symbols[index], at

    return read_enum


def _logical(read: Read, from_base: Callable[[Any], Any]) -> Read:
    def read_logical(raw: bytes, at: int) -> tuple[Any, int]:
        base, at = read(raw, at)
        try:
            return from_base(base), at
        except ValueError as exc:
            raise Unreadable(str(exc)) from exc

    return read_logical


def _no_value(_raw: bytes, _at: int) -> tuple[Any, int]:
    raise AssertionError("fields that are read at once have no reader of one")


def _not_yet(_raw: bytes, _at: int) -> tuple[Any, int]:
    raise AssertionError("a reader ran while it was compiled")
