"""How a type of value is written as JSON and read: what the types have in common."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from engine.errors import nearest


class Invalid(ValueError):
    """JSON that stands for no value; the text says why, without the final stop."""


class Kind(NamedTuple):
    """How one type is written as an object: its name, its other fields, and the way there and back."""

    tag: str
    type: type
    encode: Callable[[Any], dict[str, Any]]
    decode: Callable[[Any, Mapping[str, Any]], Any]
    fields: tuple[str, ...] = ()


_KINDS: dict[str, Kind] = {}
_ENCODERS: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    list: lambda value: [encode(item) for item in value],
}


def add_kinds(kinds: Iterable[Kind]) -> None:
    """Make types of values known to `encode` and `decode`."""
    for kind in kinds:
        _KINDS[kind.tag] = kind
        _ENCODERS[kind.type] = kind.encode


def encode(value: Any) -> Any:
    """Return a value as JSON."""
    return _ENCODERS[type(value)](value)


def decode(value: Any) -> Any:
    """Return the value that JSON stands for; raises `Invalid`, or what its type raises."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    tags = [name for name in value if name.startswith("$")]
    if not tags:
        return {name: decode(item) for name, item in value.items()}
    if len(tags) > 1:
        raise Invalid(f"an object has one name that begins with $, not {' and '.join(tags)}")
    kind = _KINDS.get(tags[0])
    if kind is None:
        near = nearest(tags[0], _KINDS)
        raise Invalid(f"{tags[0]!r} is no type of value{f', did you mean {near!r}?' if near else ''}".rstrip("?"))
    if unknown := value.keys() - {tags[0], *kind.fields}:
        raise Invalid(f"{tags[0]} has no field {sorted(unknown)[0]!r}")
    return kind.decode(value[tags[0]], value)


def base64_of(data: bytes) -> str:
    """Return bytes as a text."""
    return base64.b64encode(data).decode()


def bytes_of(text: Any) -> bytes:
    """Return the bytes of a text; raises `Invalid`."""
    try:
        return base64.b64decode(checked(str, text), validate=True)
    except binascii.Error as exc:
        raise Invalid(f"{text!r} is not base64") from exc


def checked(kind: type | tuple[type, ...], value: Any) -> Any:
    """Return a value that is an instance of a type; raises `Invalid`. A truth value is no number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        names = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise Invalid(f"{names} expected, got {type(value).__name__}")
    return value
