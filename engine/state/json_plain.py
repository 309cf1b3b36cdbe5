"""Numbers, texts, containers and times as JSON."""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from engine.state.json_kinds import Invalid, Kind, base64_of, bytes_of, checked, decode, encode

_PLAIN_BITS = 64  # an integer of more is no number to most programs that read JSON
_NAN_BITS = struct.pack(">d", math.nan)


def _encode_int(value: int) -> Any:
    return value if value.bit_length() <= _PLAIN_BITS else {"$int": hex(value)}


def _encode_float(value: float) -> Any:
    if math.isfinite(value):
        return value
    bits = struct.pack(">d", value)
    return {"$float": f"nan:{bits.hex()}" if math.isnan(value) and bits != _NAN_BITS else repr(value)}


def _decode_float(text: Any, _: Mapping[str, Any]) -> float:
    kind, _, bits = checked(str, text).partition(":")
    if kind not in ("nan", "inf", "-inf") or (bits and kind != "nan"):
        raise Invalid(f"{text!r} is neither nan nor inf nor -inf")
    (value,) = struct.unpack(">d", bytes.fromhex(bits)) if bits else (float(kind),)
    if bits and not math.isnan(value):
        raise Invalid(f"{text!r} is not a nan")
    return float(value)


def _is_clean(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def encode_text(value: str) -> Any:
    """Return a text; one with half a surrogate pair, which no file of JSON holds, with that escaped."""
    text = str(value)
    return text if _is_clean(text) else {"$str": text.encode("unicode_escape").decode("ascii")}


def _decode_text(text: Any, _: Mapping[str, Any]) -> str:
    return str(checked(str, text).encode("ascii").decode("unicode_escape"))


def _encode_dict(value: dict[Any, Any]) -> Any:
    if all(type(key) is str and not key.startswith("$") and _is_clean(key) for key in value):
        return {key: encode(item) for key, item in value.items()}
    return {"$dict": [[encode(key), encode(item)] for key, item in value.items()]}


def _decode_dict(items: Any, _: Mapping[str, Any]) -> dict[Any, Any]:
    decoded = {}
    for pair in checked(list, items):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Invalid("$dict takes pairs of a key and a value")
        key = decode(pair[0])
        if key in decoded:
            raise Invalid(f"the key {pair[0]!r} is given twice")
        decoded[key] = decode(pair[1])
    return decoded


def _items(tag: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {tag: [encode(item) for item in value]}


def _of_items(kind: Callable[[list[Any]], Any]) -> Callable[[Any, Mapping[str, Any]], Any]:
    return lambda items, _: kind([decode(item) for item in checked(list, items)])


def _encode_deque(value: deque[Any]) -> dict[str, Any]:
    limit = {} if value.maxlen is None else {"maxlen": value.maxlen}
    return {"$deque": [encode(item) for item in value], **limit}


def _decode_deque(items: Any, fields: Mapping[str, Any]) -> deque[Any]:
    maxlen = None if fields.get("maxlen") is None else checked(int, fields["maxlen"])
    if maxlen is not None and len(checked(list, items)) > maxlen:
        raise Invalid(f"a deque of maxlen {maxlen} holds {len(items)}")
    return deque([decode(item) for item in checked(list, items)], maxlen)


def _encode_zone(value: time | datetime) -> dict[str, Any]:
    zone = {} if value.tzinfo is None else {"zone": encode(value.tzinfo)}
    return zone | ({"fold": value.fold} if value.fold else {})


def _clock(kind: Any) -> Callable[[Any, Mapping[str, Any]], Any]:
    def decoded(text: Any, fields: Mapping[str, Any]) -> Any:
        value = kind.fromisoformat(checked(str, text))
        if value.tzinfo is not None:
            raise Invalid(f"{text!r} holds a zone: give it as the field 'zone'")
        return value.replace(tzinfo=decode(fields.get("zone")), fold=fields.get("fold", 0))

    return decoded


def _encode_span(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _decode_span(parts: Any, _: Mapping[str, Any]) -> timedelta:
    if not isinstance(parts, list) or len(parts) != 3:
        raise Invalid("a span of time is [days, seconds, microseconds]")
    return timedelta(*(checked(int, part) for part in parts))


def _encode_offset(value: timezone) -> dict[str, Any]:
    offset, name = value.utcoffset(None), value.tzname(None)
    own = {} if name == timezone(offset).tzname(None) else {"name": encode_text(name)}
    return {"$timezone": _encode_span(offset), **own}


def _decode_offset(parts: Any, fields: Mapping[str, Any]) -> timezone:
    offset = _decode_span(parts, {})
    return timezone(offset, decode(fields["name"])) if "name" in fields else timezone(offset)


def _decode_place(key: Any, _: Mapping[str, Any]) -> ZoneInfo:
    try:
        return ZoneInfo(checked(str, key))
    except ZoneInfoNotFoundError as exc:
        raise Invalid(f"the time zone {key!r} is not known on this machine") from exc


def _decode_decimal(text: Any, _: Mapping[str, Any]) -> Decimal:
    try:
        return Decimal(checked(str, text))
    except InvalidOperation as exc:
        raise Invalid(f"{text!r} is not a decimal number") from exc


def _decode_complex(parts: Any, _: Mapping[str, Any]) -> complex:
    return complex(*(checked((int, float), decode(part)) for part in checked(list, parts)))


def _encode_clock(tag: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {tag: value.replace(tzinfo=None).isoformat(), **_encode_zone(value)}


KINDS = (
    Kind("$int", int, _encode_int, lambda text, _: int(checked(str, text), 16)),
    Kind("$float", float, _encode_float, _decode_float),
    Kind("$str", str, encode_text, _decode_text),
    Kind("$complex", complex, lambda value: {"$complex": [encode(value.real), encode(value.imag)]}, _decode_complex),
    Kind("$bytes", bytes, lambda value: {"$bytes": base64_of(value)}, lambda text, _: bytes_of(text)),
    Kind(
        "$bytearray",
        bytearray,
        lambda value: {"$bytearray": base64_of(value)},
        lambda text, _: bytearray(bytes_of(text)),
    ),
    Kind("$decimal", Decimal, lambda value: {"$decimal": str(value)}, _decode_decimal),
    Kind("$dict", dict, _encode_dict, _decode_dict),
    Kind("$tuple", tuple, _items("$tuple"), _of_items(tuple)),
    Kind("$set", set, _items("$set"), _of_items(set)),
    Kind("$frozenset", frozenset, _items("$frozenset"), _of_items(frozenset)),
    Kind("$deque", deque, _encode_deque, _decode_deque, ("maxlen",)),
    Kind(
        "$date",
        date,
        lambda value: {"$date": value.isoformat()},
        lambda text, _: date.fromisoformat(checked(str, text)),
    ),
    Kind("$time", time, _encode_clock("$time"), _clock(time), ("zone", "fold")),
    Kind("$datetime", datetime, _encode_clock("$datetime"), _clock(datetime), ("zone", "fold")),
    Kind("$timedelta", timedelta, lambda value: {"$timedelta": _encode_span(value)}, _decode_span),
    Kind("$timezone", timezone, _encode_offset, _decode_offset, ("name",)),
    Kind("$zone", ZoneInfo, lambda value: {"$zone": value.key}, _decode_place),
    Kind(
        "$numpy.str",
        np.str_,
        lambda value: {"$numpy.str": encode_text("".join(value))},
        lambda text, _: np.str_(checked(str, decode(text))),
    ),
    Kind(
        "$numpy.bytes",
        np.bytes_,
        lambda value: {"$numpy.bytes": base64_of(bytes(value))},
        lambda text, _: np.bytes_(bytes_of(text)),
    ),
)
