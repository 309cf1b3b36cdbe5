"""Checks of single values: numbers, texts, bytes, symbols, and the logical types on top of them."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any, Literal, TypeAlias

from engine.errors import SchemaMismatch
from engine.schema.mismatch import show
from engine.schema.types import Type

Domain: TypeAlias = Literal["json", "native"]
Check: TypeAlias = Callable[[Any], Any]

INT_RANGES = {"int": (-(1 << 31), (1 << 31) - 1), "long": (-(1 << 63), (1 << 63) - 1)}
# The first double that rounds to infinity as a 32-bit float: halfway between the largest float and 2**128.
FLOAT_LIMIT = 2.0**128 - 2.0**103
# The same for an int as a double; float() refuses it and whatever is above.
INT_LIMIT = (1 << 1024) - (1 << 970)


def plain(value: Any) -> Any:
    """Return the built-in value behind a numpy scalar, a 0-dimensional array or a subclass of a built-in type.

    Anything else is returned as it is. Nothing is imported: a numpy scalar is known by its attributes.
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        if getattr(value.dtype, "kind", "") in {"M", "m"}:  # item() of nanoseconds is an int, else a datetime
            value = value.astype(f"{value.dtype.kind}8[us]")
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return value


def check_scalar(type_: Type, domain: Domain, *, is_finite: bool) -> Check:
    """Return the check of a type that holds no other types."""
    base = _CHECKS[type_.kind](type_, domain, is_finite)
    return base if type_.logical is None else _logical(type_, base, domain)


def _refusal(check: Check, domain: Domain, expected: str) -> Check:
    """Return what a check does with a value that is not at once right: look behind a script's scalar, or refuse it."""

    def refuse(value: Any) -> Any:
        if domain == "native":
            unwrapped = plain(value)
            if type(unwrapped) is not type(value):
                return check(unwrapped)
        raise SchemaMismatch("", expected, show(value))

    return refuse


def _null(_type: Type, domain: Domain, _is_finite: bool) -> Check:
    def check(value: Any) -> Any:
        return None if value is None else refuse(value)

    refuse = _refusal(check, domain, "null")
    return check


def _boolean(_type: Type, domain: Domain, _is_finite: bool) -> Check:
    def check(value: Any) -> Any:
        return value if value is True or value is False else refuse(value)

    refuse = _refusal(check, domain, "boolean")
    return check


def _integer(type_: Type, domain: Domain, _is_finite: bool) -> Check:
    low, high = INT_RANGES[type_.kind]

    def check(value: Any) -> Any:
        return value if type(value) is int and low <= value <= high else refuse(value)

    refuse = _refusal(check, domain, type_.kind)
    return check


def _floating(type_: Type, domain: Domain, is_finite: bool) -> Check:
    limit = FLOAT_LIMIT if type_.kind == "float" else float("inf")

    def check(value: Any) -> Any:
        # `abs(nan) < limit` is false, as is that of infinity for a double
        if type(value) is float and abs(value) < limit:
            return value
        if type(value) is int and abs(value) < INT_LIMIT:
            return check(float(value))
        if type(value) is float and not isfinite(value):
            return refuse_infinite(value) if is_finite else value
        return refuse(value)

    refuse, refuse_infinite = _refusal(check, domain, type_.kind), _refusal(check, domain, f"finite {type_.kind}")
    return check


def _string(_type: Type, domain: Domain, _is_finite: bool) -> Check:
    def check(value: Any) -> Any:
        return value if type(value) is str else refuse(value)

    refuse = _refusal(check, domain, "string")
    return check


def _bytes(type_: Type, domain: Domain, _is_finite: bool) -> Check:
    """Check ``bytes`` or ``fixed``; in JSON they are a string of code points 0 to 255 (Avro 1.12, JSON encoding)."""
    size = type_.size if type_.kind == "fixed" else None
    of_size = "" if size is None else f" of {size} bytes"

    def check(value: Any) -> Any:
        return value if type(value) is bytes and (size is None or len(value) == size) else refuse(value)

    def check_text(value: Any) -> Any:
        try:
            data = value.encode("latin-1") if type(value) is str else None
        except UnicodeEncodeError:
            data = None
        return data if data is not None and (size is None or len(data) == size) else refuse(value)

    in_json = " as a string of code points 0 to 255" if domain == "json" else ""
    refuse = _refusal(check, domain, f"{type_}{of_size}{in_json}")
    return check_text if domain == "json" else check


def _enum(type_: Type, domain: Domain, _is_finite: bool) -> Check:
    symbols = frozenset(type_.symbols)

    def check(value: Any) -> Any:
        return value if type(value) is str and value in symbols else refuse(value)

    refuse = _refusal(check, domain, f"{type_}, one of {', '.join(type_.symbols)},")
    return check


_CHECKS: dict[str, Callable[[Type, Domain, bool], Check]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _integer,
    "long": _integer,
    "float": _floating,
    "double": _floating,
    "string": _string,
    "bytes": _bytes,
    "fixed": _bytes,
    "enum": _enum,
}


def _logical(type_: Type, base: Check, domain: Domain) -> Check:
    """Check a logical type. A script may also yield what stands for it, such as the int of a time stamp."""
    logical = type_.logical
    assert logical is not None  # noqa: S101  for mypy: the caller asked
    from_base, to_base, is_value = logical.from_base, logical.to_base, logical.is_value

    def check(value: Any) -> Any:
        try:
            if domain == "native" and is_value(value := _unwrapped_time(value)):
                # there and back, so that what is written is what a reader will see
                return from_base(base(to_base(value)))
            return from_base(base(value))
        except SchemaMismatch as error:
            raise SchemaMismatch("", str(type_), error.got) from error
        except (ValueError, ArithmeticError, TypeError, AttributeError) as exc:  # Decimal("NaN"), pandas.NaT
            raise SchemaMismatch("", str(type_), f"{show(value)}: {exc}") from exc

    return check


def _unwrapped_time(value: Any) -> Any:
    return plain(value) if hasattr(value, "ndim") else value
