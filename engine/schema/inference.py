"""The schema that fits given values: the same values in the same order always give the same schema."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.errors import DataError, DecodeError, SchemaInvalid, SchemaMismatch
from engine.schema.json_text import parse_json
from engine.schema.mismatch import show, within
from engine.schema.scalars import INT_RANGES
from engine.schema.shape import is_avro_name
from engine.schema.types import PRIMITIVES

# More keys than this are data, not fields (FastScore's own limit).
MAX_FIELDS = 100
# FastScore's rule for what is an enum: few symbols, and each seen ten times on average.
MAX_SYMBOLS = 10


@dataclass(slots=True)
class _Shape:
    """What was seen at one place."""

    n_values: int = 0
    kinds: set[str] = field(default_factory=set)
    n_strings: int = 0
    texts: dict[str, None] | None = field(default_factory=dict)  # None once there are too many for an enum
    items: _Shape | None = None
    n_records: int = 0
    fields: dict[str, _Shape] = field(default_factory=dict)  # in the order of first appearance
    values: _Shape | None = None  # of a map

    def see(self, value: Any) -> None:
        self.n_values += 1
        if value is None:
            self.kinds.add("null")
        elif isinstance(value, bool):
            self.kinds.add("boolean")
        elif isinstance(value, int):
            self._see_int(value)
        elif isinstance(value, float):
            self.kinds.add("double")
        elif isinstance(value, str):
            self._see_text(value)
        elif isinstance(value, list | tuple):
            self._see_items(value)
        elif isinstance(value, dict):
            self._see_fields(value)
        else:
            raise SchemaMismatch("", "a JSON value", show(value))

    def _see_int(self, value: int) -> None:
        for kind, (low, high) in INT_RANGES.items():
            if low <= value <= high:
                self.kinds.add(kind)
                return
        raise SchemaMismatch("", "an integer of 64 bits", show(value))

    def _see_text(self, value: str) -> None:
        self.kinds.add("string")
        self.n_strings += 1
        if self.texts is not None:
            self.texts[value] = None
            if len(self.texts) > MAX_SYMBOLS or not is_avro_name(value):
                self.texts = None

    def _see_items(self, value: Iterable[Any]) -> None:
        self.kinds.add("array")
        self.items = self.items or _Shape()
        for index, item in enumerate(value):
            _see_inside(self.items, item, f"[{index}]")

    def _see_fields(self, value: dict[Any, Any]) -> None:
        self.kinds.add("record")
        self.n_records += 1
        for key, item in value.items():
            if not isinstance(key, str):
                raise SchemaMismatch("", "a string as key", show(key))
            is_map = self.values is not None
            if not is_map and key not in self.fields and (len(self.fields) == MAX_FIELDS or not is_avro_name(key)):
                self._become_map()
            shape = self.values or self.fields.setdefault(key, _Shape())
            _see_inside(shape, item, key)

    def _become_map(self) -> None:
        self.values = _Shape()
        for shape in self.fields.values():
            self.values.merge(shape)
        self.fields.clear()

    def merge(self, other: _Shape) -> None:
        """Take over what was seen at another place."""
        self.n_values += other.n_values
        self.kinds |= other.kinds
        self.n_strings += other.n_strings
        if self.texts is not None and other.texts is not None:
            self.texts |= other.texts
        if other.texts is None or len(self.texts or ()) > MAX_SYMBOLS:
            self.texts = None
        if other.items:
            self.items = self.items or _Shape()
            self.items.merge(other.items)
        self.n_records += other.n_records
        if other.values and not self.values:
            self._become_map()
        for name, shape in other.fields.items():
            if self.values is None and name not in self.fields and len(self.fields) == MAX_FIELDS:
                self._become_map()
            (self.values or self.fields.setdefault(name, _Shape())).merge(shape)
        if other.values and self.values:
            self.values.merge(other.values)


def _see_inside(shape: _Shape, value: Any, step: str) -> None:
    try:
        shape.see(value)
    except SchemaMismatch as error:
        raise within(step, error) from error.__cause__


class _Writer:
    """Writes what was seen as a schema, with names made from the path."""

    def __init__(self, *, has_enums: bool) -> None:
        self._has_enums = has_enums
        self._taken: set[str] = set()

    def schema(self, shape: _Shape, name: str) -> Any:
        kinds = set(shape.kinds)
        if "double" in kinds:
            kinds -= {"int", "long"}  # 100 and 100.5 are both prices
        if "long" in kinds:
            kinds.discard("int")
        branches: list[Any] = [kind for kind in ("null", "boolean", "int", "long", "double") if kind in kinds]
        if "string" in kinds:
            branches.append(self._text(shape, name))
        if "array" in kinds:
            items = self.schema(shape.items, f"{name}_item") if shape.items and shape.items.n_values else "null"
            branches.append({"type": "array", "items": items})
        if "record" in kinds:
            branches.append(self._object(shape, name))
        return branches[0] if len(branches) == 1 else branches

    def _text(self, shape: _Shape, name: str) -> Any:
        if self._has_enums and shape.texts and len(shape.texts) * 10 <= shape.n_strings:
            return {"type": "enum", "name": self._name(name), "symbols": list(shape.texts)}
        return "string"

    def _object(self, shape: _Shape, name: str) -> Any:
        if shape.values is not None or not shape.fields:
            values = self.schema(shape.values, f"{name}_value") if shape.values else "null"
            return {"type": "map", "values": values}
        record: dict[str, Any] = {"type": "record", "name": self._name(name)}
        record["fields"] = [
            self._field(key, item, shape.n_records, record["name"]) for key, item in shape.fields.items()
        ]
        return record

    def _field(self, key: str, shape: _Shape, n_records: int, record_name: str) -> dict[str, Any]:
        schema = self.schema(shape, f"{record_name}_{key}")
        if shape.n_values == n_records:
            return {"name": key, "type": schema}
        if "null" not in shape.kinds:
            schema = ["null", *(schema if isinstance(schema, list) else [schema])]
        return {"name": key, "type": schema, "default": None}

    def _name(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name


def _avro_name(name: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9_]", "_", name) or "value"
    cleaned = f"_{cleaned}" if cleaned[0].isdigit() else cleaned
    return f"{cleaned}_record" if cleaned in PRIMITIVES else cleaned


def infer_schema(values: Iterable[Any], name: str, *, enums: bool = False) -> Any:
    """Return the JSON value of a schema that all of the values fit; the values are read once and not kept.

    Whole numbers are ``int``, or ``long`` where one needs it; a place with a fraction anywhere is ``double``. Other
    kinds that come together are a union in the order null, boolean, number, string, array, object. A field that some
    records lack may be null, and is by default. An object is a record named by its path; a map when a key cannot be
    a field's name or when there are more than 100.

    Parameters
    ----------
    enums : bool
        Take at most 10 texts that can be symbols, each seen ten times on average, for an enum.

    Raises
    ------
    SchemaMismatch
        An integer of more than 64 bits.
    SchemaInvalid
        There are no values.

    Examples
    --------
    >>> infer_schema([{"price": 1}, {"price": 2.5, "note": "x"}], "tick")["fields"]
    [{'name': 'price', 'type': 'double'}, {'name': 'note', 'type': ['null', 'string'], 'default': None}]
    """
    seen = _Shape()
    for value in values:
        seen.see(value)
    return _finished(seen, name, enums=enums)


def infer_lines(lines: Iterable[bytes | str], name: str, *, enums: bool = False) -> Any:
    """Return `infer_schema` of JSON lines; empty lines are skipped.

    Raises
    ------
    DecodeError
        With the number of the line that is not JSON or holds an integer of more than 64 bits.
    """
    seen = _Shape()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            seen.see(parse_json(line))
        except DataError as exc:
            raise DecodeError("json", f"line {number}: {str(exc).rstrip('.')}") from exc
    return _finished(seen, name, enums=enums)


def _finished(seen: _Shape, name: str, *, enums: bool) -> Any:
    if not seen.n_values:
        raise SchemaInvalid(name, "there are no values to infer it from")
    return _Writer(has_enums=enums).schema(seen, _avro_name(name))
