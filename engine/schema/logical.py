"""Logical types: what a script sees (a date, a decimal) and what stands for it in Avro (an int, bytes)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any
from uuid import UUID

from fastavro.read import LOGICAL_READERS
from fastavro.write import LOGICAL_WRITERS

_VALUE_TYPES: dict[str, type] = {
    "date": date,
    "time-millis": time,
    "time-micros": time,
    "timestamp-millis": datetime,
    "timestamp-micros": datetime,
    "local-timestamp-millis": datetime,
    "local-timestamp-micros": datetime,
    "decimal": Decimal,
    "uuid": UUID,
}

# What Python's own types hold, 0001-01-01 to 9999-12-31. fastavro's readers wrap around or round outside of it.
_DAY_MS = 86_400_000
_FIRST_DAY, _LAST_DAY = date.min.toordinal() - 719_163, date.max.toordinal() - 719_163  # 719,163 is 1970-01-01
_FIRST_MS, _LAST_MS = _FIRST_DAY * _DAY_MS, (_LAST_DAY + 1) * _DAY_MS - 1
_RANGES: dict[str, tuple[int, int]] = {
    "date": (_FIRST_DAY, _LAST_DAY),
    "time-millis": (0, _DAY_MS - 1),
    "time-micros": (0, _DAY_MS * 1000 - 1),
    "timestamp-millis": (_FIRST_MS, _LAST_MS),
    "timestamp-micros": (_FIRST_MS * 1000, _LAST_MS * 1000 + 999),
    "local-timestamp-millis": (_FIRST_MS, _LAST_MS),
    "local-timestamp-micros": (_FIRST_MS * 1000, _LAST_MS * 1000 + 999),
}


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical type: `from_base` and `to_base` convert, and raise ValueError for what has no counterpart.

    Parameters
    ----------
    name : str
        As in ``logicalType``.
    value_type : type
        What the script sees.
    parameters : tuple
        What must be equal for two of them to mean the same: precision and scale of a decimal.
    """

    name: str
    value_type: type
    from_base: Callable[[Any], Any]
    to_base: Callable[[Any], Any]
    parameters: tuple[int, ...] = ()

    def is_value(self, value: object) -> bool:
        """Tell whether `value` is one that the script would see (a datetime is not a date: its time would be lost)."""
        return isinstance(value, self.value_type) and not (self.value_type is date and isinstance(value, datetime))


def logical_of(kind: str, node: dict[str, Any]) -> Logical | None:
    """Return the logical type that a schema's JSON object asks for; None for one unknown, as Avro says.

    Raises
    ------
    ValueError
        A decimal without a precision.
    """
    name = node.get("logicalType")
    key = f"{kind}-{name}"
    if not isinstance(name, str) or key not in LOGICAL_READERS or name not in _VALUE_TYPES:
        return None
    if name == "decimal":
        return _decimal(key, node)
    read, write, limits = LOGICAL_READERS[key], LOGICAL_WRITERS[key], _RANGES.get(name)

    def from_base(base: Any) -> Any:
        if limits is not None and not limits[0] <= base <= limits[1]:
            raise ValueError(f"{name} out of range")
        return read(base, node, None)

    def to_base(value: Any) -> Any:
        # A time stamp without a zone is taken as UTC: fastavro would take this machine's own zone.
        if name.startswith("timestamp") and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return write(value, node)

    return Logical(name, _VALUE_TYPES[name], from_base, to_base)


def _decimal(key: str, node: dict[str, Any]) -> Logical:
    precision, scale = node.get("precision"), node.get("scale", 0)
    if not isinstance(precision, int):
        raise ValueError("a decimal needs a 'precision'")  # noqa: TRY004  the schema is wrong, not the call
    write, quantum = LOGICAL_WRITERS[key], Decimal(1).scaleb(-scale)
    exact = Context(prec=precision, traps=[Inexact, InvalidOperation])

    def from_base(base: bytes) -> Decimal:
        unscaled = int.from_bytes(base, "big", signed=True)
        if abs(unscaled) >= 10**precision:
            raise ValueError(f"more than {precision} digits")  # fastavro would round it
        return Decimal(unscaled).scaleb(-scale, exact)

    def to_base(value: Decimal) -> bytes:
        try:
            base: bytes = write(value.quantize(quantum, context=exact), node)
        except (Inexact, InvalidOperation) as exc:
            raise ValueError(f"more than {precision} digits, or more than {scale} after the point") from exc
        return base

    return Logical("decimal", Decimal, from_base, to_base, (precision, scale))
