"""Takes values out of bytes that may be damaged: every length is compared with what is left before it is believed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgpack

from engine.errors import StateCorrupt
from engine.state.form import DOUBLES, ITEMS, MAX_DEPTH, PLAIN
from engine.state.writer import LIMIT_BYTES

_MAX_NUMBER_BYTES = 9
"""Seven bits each: beyond any length that memory could hold."""


class Reader:
    """Packed bytes, and how far they are read.

    Parameters
    ----------
    data : bytes
        All of it.
    at : int
        Where the value begins.
    readers : mapping of int to callable
        What reads the value that follows a tag.
    resolve : callable
        Finds the class of an instance, by module and name.
    """

    __slots__ = ("_depth", "_n_reserved", "_readers", "at", "data", "resolve")

    def __init__(
        self,
        data: bytes,
        at: int,
        readers: Mapping[int, Callable[[Reader], Any]],
        resolve: Callable[[str, str], type],
    ) -> None:
        self.data, self.at, self.resolve = data, at, resolve
        self._readers = readers
        self._depth = self._n_reserved = 0

    def read(self) -> Any:
        """Return the next value."""
        tag = self.byte()
        read = self._readers.get(tag)
        if read is None:
            raise StateCorrupt(f"no value begins with byte {tag}")
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:
            raise StateCorrupt(f"it is nested more than {MAX_DEPTH} levels deep")
        value = read(self)
        self._depth -= 1
        return value

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def take(self, n: int) -> bytes:
        """Return the next so many bytes."""
        start, self.at = self.at, self.at + n
        if self.at > len(self.data):
            raise StateCorrupt("it is cut off")
        return self.data[start : self.at]

    def number(self) -> int:
        """Return a natural number."""
        number = 0
        for shift in range(0, 7 * _MAX_NUMBER_BYTES, 7):
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte <= 0x7F:
                return number
        raise StateCorrupt("a number is too long")

    def text(self) -> bytes:
        """Return bytes that their number precedes."""
        return self.take(self.number())

    def sequence(self) -> list[Any]:
        """Return the items of a sequence."""
        n = self.number()
        if not n:
            return []
        if n > len(self.data) - self.at:  # each takes a byte at least
            raise StateCorrupt("it is cut off")
        how = self.byte()
        if how == DOUBLES:
            return list(struct.unpack(f"<{n}d", self.take(8 * n)))
        if how == PLAIN:
            return _unpack_plain(self.text(), n)
        if how != ITEMS:
            raise StateCorrupt(f"no sequence begins with byte {how}")
        return [self.read() for _ in range(n)]

    def reserve(self, n_bytes: int) -> None:
        """Refuse to take more memory, beyond what was written, than a value may take."""
        self._n_reserved += n_bytes
        if self._n_reserved > LIMIT_BYTES:
            raise StateCorrupt("it asks for more memory than a value may take")


def _unpack_plain(packed: bytes, n: int) -> list[Any]:
    # One by one: an array's head would have msgpack allocate what a damaged one claims. No containers are let in.
    unpacker = msgpack.Unpacker(
        max_buffer_size=len(packed), max_array_len=0, max_map_len=0, max_ext_len=0, unicode_errors="surrogatepass"
    )
    unpacker.feed(packed)
    items = list(unpacker)
    if len(items) != n or unpacker.tell() != len(packed):
        raise StateCorrupt(f"{n} items were written, and {len(items)} can be read")
    return items
