"""Avro data written one behind the other: the schema says where each ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any, TypeAlias

from engine.errors import StreamError
from engine.record import MAX_RECORD_BYTES, Joined

_Skip: TypeAlias = Callable[[bytes | bytearray, int], int]
"""From the place where a datum begins to the place behind it; IndexError when the bytes end before, ValueError when
they cannot be one."""

_LONGEST_VARINT = 10  # 64 bits, seven in a byte


class DatumEnvelope:
    """Avro data one behind the other, with nothing between them.

    Parameters
    ----------
    schema : Any
        The writer's schema, as `fastavro.parse_schema` returns it.
    max_record_bytes : int
        A longer record breaks the stream: what is behind it cannot be found without reading it.

    Notes
    -----
    The binary encoding that is walked over: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding.
    Bytes that are no such data break the stream for good, since nothing says where the next record begins; the
    records before them still come out.
    """

    def __init__(self, schema: Any, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        self._skip = _skip_of(schema, {})
        size = _size_of(schema)
        self._size = size if size is not None and 0 < size <= max_record_bytes else None
        self._max_record_bytes = max_record_bytes
        self._pending = bytearray()
        self._end = 0
        self._fault = ""
        self.ends: Sequence[int] = ()

    @property
    def pending_bytes(self) -> int:
        """Bytes of the record begun."""
        return len(self._pending)

    def feed(self, data: bytes) -> Sequence[bytes]:
        """Return the records that `data` completes.

        Raises
        ------
        StreamError
            The stream is broken, and every record before that place was returned.
        """
        if self._size is not None:
            return self._split(data, self._size)
        stops: list[int] = []
        whole = b""
        if not self._fault:
            whole = b"".join((self._pending, data)) if self._pending else data
            self._walk(whole, stops)
            self._pending = bytearray(whole[stops[-1] :] if stops else whole)
        if self._fault and not stops:
            raise StreamError(self._fault)
        self.ends = [self._end + stop for stop in stops]
        self._end += stops[-1] if stops else 0
        return [whole[start:stop] for start, stop in pairwise((0, *stops))]

    def _split(self, data: bytes, size: int) -> Joined:
        """Return the records where all are of one size, without a look at any of them."""
        whole = b"".join((self._pending, data)) if self._pending else data
        stop = len(whole) - len(whole) % size
        self._pending = bytearray(whole[stop:])
        self.ends = range(self._end + size, self._end + stop + 1, size)
        self._end += stop
        return Joined(whole[:stop], size)

    def finish(self) -> list[bytes]:
        """Return the datum that was begun and not ended: nothing can decode it, so that it is counted and rejected."""
        if self._fault:
            raise StreamError(self._fault)
        values = [bytes(self._pending)] if self._pending else []
        self._end += len(self._pending)
        self.ends = [self._end] * len(values)
        self._pending.clear()
        return values

    def wrap(self, values: Sequence[bytes]) -> bytes:
        """Return the data one behind the other."""
        return values.data if type(values) is Joined else b"".join(values)

    def save(self) -> bytes:
        """Return the datum begun, and what is behind a place where the stream broke."""
        return bytes(self._pending)

    def restore(self, saved: bytes) -> None:
        """Go on with the datum begun. A stream that is broken there is found out again."""
        self._pending, self._fault, self.ends = bytearray(saved), "", ()

    def _walk(self, data: bytes, stops: list[int]) -> None:
        """Add the place behind each datum, from the first byte on, up to one that is not whole or not there."""
        skip, add, start, size = self._skip, stops.append, 0, len(data)
        try:
            while start < size:
                stop = skip(data, start)
                if stop > size:
                    raise IndexError(stop)  # noqa: TRY301  as if it had been looked for there
                if stop == start:
                    self._break(start, "the schema's values take no bytes, so that nothing tells them apart")
                    return
                add(stop)
                start = stop
        except IndexError:
            if size - start > self._max_record_bytes:
                self._break(start, f"a record is longer than {self._max_record_bytes} bytes")
        except (ValueError, RecursionError) as exc:
            self._break(start, str(exc))

    def _break(self, start: int, reason: str) -> None:
        self._fault = f"The stream is not avro-binary from byte {self._end + start} on: {reason}."


def _skip_of(schema: Any, named: dict[str, _Skip]) -> _Skip:
    """Return how to skip a datum; `named` collects the named types, which may contain themselves."""
    if isinstance(schema, list):
        return _skip_union([_skip_of(branch, named) for branch in schema])
    if isinstance(schema, str):
        return _PRIMITIVES.get(schema) or (lambda data, at: named[schema](data, at))
    match schema["type"]:
        case "record" | "error":
            fields: list[_Skip] = []
            named[schema["name"]] = _skip_each(fields)
            types = [field["type"] for field in schema["fields"]]
            for is_sized, group in groupby(types, lambda type_: _size_of(type_) is not None):
                members = list(group)
                skips = [_skip_of(type_, named) for type_ in members]  # which names what the others refer to
                fields += [_skip_fixed(sum(_size_of(type_) or 0 for type_ in members))] if is_sized else skips
            return named[schema["name"]]
        case "enum":
            return named.setdefault(schema["name"], _skip_enum(len(schema["symbols"])))
        case "fixed":
            return named.setdefault(schema["name"], _skip_fixed(schema["size"]))
        case "array":
            return _skip_blocks(_skip_of(schema["items"], named))
        case "map":
            return _skip_blocks(_skip_each([_skip_bytes, _skip_of(schema["values"], named)]))
        case inner:
            return _skip_of(inner, named)


_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}


def _size_of(schema: Any) -> int | None:
    """Return how long every datum is, or None if that differs or is not seen at once."""
    if isinstance(schema, list):
        return None
    if isinstance(schema, str):
        return _SIZES.get(schema)
    match schema["type"]:
        case "fixed":
            size: int = schema["size"]
            return size
        case "record" | "error":
            sizes = [_size_of(field["type"]) for field in schema["fields"]]
            known = [size for size in sizes if size is not None]
            return sum(known) if len(known) == len(sizes) else None
        case "enum" | "array" | "map":
            return None
        case inner:
            return _size_of(inner)


def _read_long(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return a zig-zag number and the place behind it."""
    number = 0
    for nth in range(_LONGEST_VARINT):
        byte = data[at + nth]
        number |= (byte & 0x7F) << (7 * nth)
        if byte < 0x80:  # the top bit says that more follows
            return (number >> 1) ^ -(number & 1), at + nth + 1
    raise ValueError("a number has more than 64 bits")


def _skip_long(data: bytes | bytearray, at: int) -> int:
    return at + 1 if data[at] < 128 else _read_long(data, at)[1]


def _skip_bytes(data: bytes | bytearray, at: int) -> int:
    byte = data[at]
    if byte < 128 and not byte & 1:  # a length below 64
        return at + 1 + (byte >> 1)  # whoever goes on there finds out whether there is so much
    size, at = _read_long(data, at)
    if size < 0:
        raise ValueError(f"a length is {size}")
    return _past(data, at + size)


def _past(data: bytes | bytearray, stop: int) -> int:
    if stop > len(data):
        raise IndexError(stop)
    return stop


def _skip_fixed(size: int) -> _Skip:
    def skip(data: bytes | bytearray, at: int) -> int:
        stop = at + size
        if stop > len(data):
            raise IndexError(stop)
        return stop

    return skip


def _skip_enum(n_symbols: int) -> _Skip:
    def skip(data: bytes | bytearray, at: int) -> int:
        index, at = _read_long(data, at)
        if not 0 <= index < n_symbols:
            raise ValueError(f"an enum's symbol has number {index} of {n_symbols}")
        return at

    return skip


def _skip_union(branches: list[_Skip]) -> _Skip:
    def skip(data: bytes | bytearray, at: int) -> int:
        index, at = _read_long(data, at)
        if not 0 <= index < len(branches):
            raise ValueError(f"a union's branch has number {index} of {len(branches)}")
        return branches[index](data, at)

    return skip


def _skip_each(parts: list[_Skip]) -> _Skip:
    def skip(data: bytes | bytearray, at: int) -> int:
        for part in parts:
            at = part(data, at)
        return at

    return skip


def _skip_blocks(item: _Skip) -> _Skip:
    """Return how to skip an array or map: blocks of a count and items, the last one empty."""

    def skip(data: bytes | bytearray, at: int) -> int:
        while True:
            count, at = _read_long(data, at)
            if not count:
                return at
            if count < 0:  # then the block's size in bytes follows
                at = _skip_bytes(data, at)
                continue
            for _ in range(count):
                before, at = at, item(data, at)
                if at == before:  # items that take no bytes: any number of them takes none
                    break

    return skip


_PRIMITIVES: dict[str, _Skip] = {
    "null": _skip_fixed(0),
    "boolean": _skip_fixed(1),
    "int": _skip_long,
    "long": _skip_long,
    "float": _skip_fixed(4),
    "double": _skip_fixed(8),
    "bytes": _skip_bytes,
    "string": _skip_bytes,
}
