"""Avro data whose values all have the same length, numbers and flat records of them, read and written in C.

Whatever is not as usual, such as a record of another length, is left to those that look at each value by itself, so
that values and errors are the same either way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import countOf, itemgetter
from typing import Any, Self, TypeAlias

from engine.record import Joined
from engine.schema.types import Type

ReadBatch: TypeAlias = Callable[[Sequence[bytes]], list[Any] | None]
WriteBatch: TypeAlias = Callable[[Sequence[Any]], Sequence[bytes] | None]

_CODES = {"float": "f", "double": "d", "boolean": "?"}
_PYTHON_TYPES: dict[str, type] = {"float": float, "double": float, "boolean": bool, "fixed": bytes}

# A literal takes half the time of dict(zip(names, row)), and there is one for each number of fields.
_RECORDS: dict[int, Callable[..., Callable[[Iterable[Any]], list[Any]]]] = {
    1: lambda a: lambda rows: [{a: s} for (s,) in rows],
    2: lambda a, b: lambda rows: [{a: s, b: t} for s, t in rows],
    3: lambda a, b, c: lambda rows: [{a: s, b: t, c: u} for s, t, u in rows],
    4: lambda a, b, c, d: lambda rows: [{a: s, b: t, c: u, d: v} for s, t, u, v in rows],
    5: lambda a, b, c, d, e: lambda rows: [{a: s, b: t, c: u, d: v, e: w} for s, t, u, v, w in rows],
    6: lambda a, b, c, d, e, f: lambda rows: [{a: s, b: t, c: u, d: v, e: w, f: x} for s, t, u, v, w, x in rows],
}


@dataclass(frozen=True, slots=True)
class Flat:
    """How the values of a type lie in their bytes, where all of them have the same length.

    Parameters
    ----------
    parts : tuple of Type
        Of a record its fields' types, else the type itself.
    names : tuple of str
        Of a record its fields' names; empty for another type.
    """

    parts: tuple[Type, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, type_: Type) -> Self | None:
        """Return how the values lie; None where their lengths differ, or are 0."""
        is_record = type_.kind == "record"
        parts = tuple(field.type for field in type_.fields) if is_record else (type_,)
        if not parts or not all(map(_is_flat, parts)):
            return None
        return cls(parts, tuple(field.name for field in type_.fields))

    @property
    def layout(self) -> str:
        """The format of a value for `struct`, without the sign of its byte order."""
        return "".join(map(_code, self.parts))

    def reader(self, otherwise: Callable[[bytes], Any], start: int = 0, unlike: bytes = b"") -> Callable[[bytes], Any]:
        """Return what reads a value behind so many bytes; what it cannot read is read by `otherwise`.

        So is what begins with `unlike`.
        """
        packed = struct.Struct(f"<{start}x{self.layout}")
        unpack, size, names, flags = packed.unpack, packed.size, self.names, self._flags(start)
        first = unlike[0] if 0 < len(unlike) <= size else None

        def read(raw: bytes) -> Any:
            if len(raw) != size or (raw[0] == first and raw.startswith(unlike)):
                return otherwise(raw)
            for at in flags:
                if raw[at] > 1:
                    return otherwise(raw)
            row = unpack(raw)
            return dict(zip(names, row)) if names else row[0]  # noqa: B905  to be strict takes 100 ns

        return read

    def batch_reader(self, prefix: bytes = b"", unlike: bytes = b"") -> ReadBatch:
        """Return what reads values that all have the prefix in front; None for a batch with one that it cannot read.

        A batch with `unlike` in it is one of those.
        """
        packed = struct.Struct(f"<{len(prefix)}x{self.layout}")
        iter_unpack, size, names, flags = packed.iter_unpack, packed.size, self.names, self._flags(len(prefix))
        make = _RECORDS[len(names)](*names) if len(names) in _RECORDS else None
        unlike = unlike if len(unlike) <= size else b""
        number = self.layout if self.layout in ("d", "f") and not names and not prefix else ""

        def read_batch(raws: Sequence[bytes]) -> list[Any] | None:
            data = _joined(raws, size)
            if data is None or (unlike and unlike in data):
                return None
            for at in flags:
                if max(data[at::size], default=0) > 1:
                    return None
            for at, byte in enumerate(prefix):
                if data[at::size].count(byte) != len(raws):
                    return None
            if number:
                return list(struct.unpack(f"<{len(raws)}{number}", data))
            rows = iter_unpack(data)
            if make is not None:
                return make(rows)
            return [dict(zip(names, row, strict=True)) for row in rows] if names else [value for (value,) in rows]

        return read_batch

    def writer(self, otherwise: Callable[[Any], bytes], prefix: bytes = b"") -> Callable[[Any], bytes]:
        """Return what writes a value behind the prefix; what it cannot write is written by `otherwise`."""
        pack, names, n_parts = struct.Struct(f"<{self.layout}").pack, self.names, len(self.parts)
        kinds = tuple(_PYTHON_TYPES[part.kind] for part in self.parts)
        only = kinds[0] if len(set(kinds)) == 1 else None
        sizes = [(index, part.size) for index, part in enumerate(self.parts) if part.kind == "fixed"]
        pick = itemgetter(*names) if len(names) > 1 else lambda value: (value[names[0]],)

        def write(value: Any) -> bytes:
            try:
                if not names:
                    row = (value,)
                elif type(value) is dict and len(value) == n_parts:
                    row = pick(value)
                else:
                    return otherwise(value)
                if countOf(map(type, row), only) != n_parts if only is not None else tuple(map(type, row)) != kinds:
                    return otherwise(value)
                for index, size in sizes:
                    if len(row[index]) != size:
                        return otherwise(value)
                data = pack(*row)
            except (KeyError, OverflowError):  # a field is missing; too large for 32 bits
                return otherwise(value)
            return prefix + data

        return write

    def batch_writer(self, prefix: bytes = b"") -> WriteBatch | None:
        """Return what writes many numbers, or None for a batch with something else.

        There is none for types whose values a script may change when it has given them.
        """
        if self.names or self.layout not in ("d", "f"):
            return None
        code, size = self.layout, len(prefix) + struct.calcsize(f"<{self.layout}")

        def write_batch(values: Sequence[Any]) -> Sequence[bytes] | None:
            n = len(values)
            if countOf(map(type, values), float) != n:
                return None
            try:
                if prefix:
                    pairs = zip(repeat(prefix), values)
                    return Joined(struct.pack("<" + f"{len(prefix)}s{code}" * n, *chain.from_iterable(pairs)), size)
                return Joined(struct.pack(f"<{n}{code}", *values), size)
            except OverflowError:
                return None

        return write_batch

    def _flags(self, start: int) -> tuple[int, ...]:
        """Return where the booleans are, of which a byte is 0 or 1 and nothing else."""
        codes = [_code(part) for part in self.parts]
        places = [start + struct.calcsize("<" + "".join(codes[:index])) for index in range(len(codes))]
        return tuple(at for at, part in zip(places, self.parts, strict=True) if part.kind == "boolean")


def _joined(raws: Sequence[bytes], size: int) -> bytes | None:
    """Return records one behind the other, or None if one of them is not of that size."""
    if type(raws) is Joined:
        return raws.data if raws.size == size else None
    return b"".join(raws) if countOf(map(len, raws), size) == len(raws) else None


def _code(part: Type) -> str:
    return _CODES.get(part.kind) or f"{part.size}s"


def _is_flat(type_: Type) -> bool:
    return type_.logical is None and (type_.kind in _CODES or (type_.kind == "fixed" and type_.size > 0))
