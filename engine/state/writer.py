"""Puts values into bytes, one after the other."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgpack

from engine.errors import StateTooLarge
from engine.state.form import DOUBLES, ITEMS, MAX_DEPTH, PLAIN, Form
from engine.state.refusal import Step, TooDeep, Unkept

LIMIT_BYTES = 16 << 20
"""The most that one value may take: what a changelog's record, the store and a recovery in seconds can bear."""

_FLOATS = {float}
_PLAIN_TYPES = {type(None), bool, int, float, str, bytes}


class Writer:
    """The packed form of one value, as it grows.

    Parameters
    ----------
    name : str
        Of the value, for the sentence of `StateTooLarge`.
    forms : mapping of type to Form
        How a value of exactly that type is written.
    other : callable
        Writes a value of any other type, or raises `Unkept`.
    """

    __slots__ = ("_depth", "_forms", "_n_reserved", "_name", "_other", "out")

    def __init__(self, name: str, forms: Mapping[type, Form], other: Callable[[Writer, Any], None]) -> None:
        self.out = bytearray()
        self._name, self._forms, self._other = name, forms, other
        self._depth = self._n_reserved = 0

    def write(self, value: Any) -> None:
        """Append a value and what it contains."""
        form = self._forms.get(type(value))
        if form is None:
            self._other(self, value)
            return
        self.out.append(form.tag)
        form.write(self, value)

    def number(self, number: int) -> None:
        """Append a length or another natural number."""
        while number > 0x7F:
            self.out.append(number & 0x7F | 0x80)
            number >>= 7
        self.out.append(number)

    def text(self, data: bytes) -> None:
        """Append bytes and, before them, how many."""
        self.number(len(data))
        self.out += data

    def part(self, owner: Any, value: Any, step: str) -> None:
        """Append a value that is a part of another."""
        self.items(owner, (value,), lambda _: step)

    def sequence(self, owner: Any, items: Any, step: Step) -> None:
        """Append the items of a sized iterable, in the most compact way that gives them back."""
        n = len(items)
        self.number(n)
        if not n:
            return
        types = set(map(type, items))
        if types == _FLOATS:
            self.out.append(DOUBLES)
            self.out += struct.pack(f"<{n}d", *items)
        elif types <= _PLAIN_TYPES and (packed := _pack_plain(items)) is not None:
            self.out.append(PLAIN)
            self.text(packed)
        else:
            self.out.append(ITEMS)
            self.items(owner, items, step)

    def items(self, owner: Any, items: Iterable[Any], step: Step) -> None:
        """Append values one by one; their number is the reader's to know."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooDeep(MAX_DEPTH)
        self.check_size()
        n_written = 0
        try:
            for item in items:
                self.write(item)
                n_written += 1
        except Unkept as exc:
            exc.within(owner, step(n_written))
            raise
        self._depth -= 1

    def reserve(self, n_bytes: int) -> None:
        """Count memory that reading will take beyond what is written."""
        self._n_reserved += n_bytes
        self.check_size()

    def check_size(self, n_more: int = 0) -> None:
        """Refuse to go on when the value has become too large, or would with so many bytes more.

        Raises
        ------
        StateTooLarge
            With the size that it has come to.
        """
        size_bytes = len(self.out) + self._n_reserved + n_more
        if size_bytes > LIMIT_BYTES:
            raise StateTooLarge(self._name, size_bytes, LIMIT_BYTES)


def _pack_plain(items: Any) -> bytes | None:
    """Return numbers and texts as msgpack writes them, without the head of an array; None if it cannot."""
    try:
        packed: bytes = msgpack.packb(list(items), unicode_errors="surrogatepass")
    except OverflowError:  # an integer of more than 64 bits
        return None
    n = len(items)
    return packed[1 if n < 16 else 3 if n < 1 << 16 else 5 :]  # heads of fixarray, array 16 and array 32
