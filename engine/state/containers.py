"""Lists, tuples, dictionaries, sets and deques."""

from __future__ import annotations

import reprlib
from collections import deque
from collections.abc import Iterable
from typing import Any

from engine.state.form import Form
from engine.state.reader import Reader
from engine.state.writer import Writer


def _index(index: int) -> str:
    return f"[{index}]"


def _member(_: int) -> str:
    return ", a member"  # it has no place


def _key(_: int) -> str:
    return ", a key"


def _write_ordered(writer: Writer, value: list[Any] | tuple[Any, ...]) -> None:
    writer.sequence(value, value, _index)


def _write_set(writer: Writer, value: set[Any] | frozenset[Any]) -> None:
    writer.sequence(value, value, _member)


def _write_dict(writer: Writer, value: dict[Any, Any]) -> None:
    """Append the keys and then the values: each of the two is often of one type."""
    writer.sequence(value, value.keys(), _key)
    writer.sequence(value, value.values(), lambda index: f"[{reprlib.repr(_nth(value, index))}]")


def _nth(items: Iterable[Any], index: int) -> Any:
    return next(item for at, item in enumerate(items) if at == index)


def _read_dict(reader: Reader) -> dict[Any, Any]:
    keys = reader.sequence()
    return dict(zip(keys, reader.sequence(), strict=True))


def _write_deque(writer: Writer, value: deque[Any]) -> None:
    writer.number(0 if value.maxlen is None else value.maxlen + 1)
    writer.sequence(value, value, _index)


def _read_deque(reader: Reader) -> deque[Any]:
    maxlen = reader.number()
    return deque(reader.sequence(), maxlen - 1 if maxlen else None)


FORMS = (
    Form(ord("l"), list, _write_ordered, Reader.sequence),
    Form(ord("t"), tuple, _write_ordered, lambda reader: tuple(reader.sequence())),
    Form(ord("d"), dict, _write_dict, _read_dict),
    Form(ord("S"), set, _write_set, lambda reader: set(reader.sequence())),
    Form(ord("Z"), frozenset, _write_set, lambda reader: frozenset(reader.sequence())),
    Form(ord("q"), deque, _write_deque, _read_deque),
)
