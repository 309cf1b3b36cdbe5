"""Native values as JSON can hold them (Avro 1.12, "JSON Encoding"), for values that passed their check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.schema.scalars import Check
from engine.schema.types import Type
from engine.schema.validation import CheckCompiler


def each_item(convert: Check | None) -> Check | None:
    """Return the conversion of a list, given that of an item."""
    return None if convert is None else lambda value: [convert(item) for item in value]


def each_value(convert: Check | None) -> Check | None:
    """Return the conversion of a map, given that of a value."""
    return None if convert is None else lambda value: {key: convert(item) for key, item in value.items()}


class JsonFormCompiler:
    """Compiles what turns native values into ones that ``json.dumps`` can write.

    Parameters
    ----------
    is_tagged : bool
        Write a union's value as ``{"double": 2.0}``; else plain.
    """

    def __init__(self, *, is_tagged: bool) -> None:
        self._is_tagged = is_tagged
        self._records: dict[int, Check | None] = {}
        self._late: dict[int, Check] = {}

    def form(self, type_: Type) -> Check | None:
        """Return the conversion; None where values stay as they are, which is most often."""
        match type_.kind:
            case "record":
                return self._record(type_)
            case "union":
                return self._union(type_)
            case "array":
                return each_item(self.form(type_.parts[0]))
            case "map":
                return each_value(self.form(type_.parts[0]))
        to_base = type_.logical.to_base if type_.logical else bytes
        if type_.kind in {"bytes", "fixed"}:
            return lambda value: to_base(value).decode("latin-1")
        return to_base if type_.logical else None

    def _record(self, type_: Type) -> Check | None:
        if id(type_) in self._records:
            late = self._late  # a recursive schema: the conversion is not made yet
            return lambda value: late[id(type_)](value)
        self._records[id(type_)] = None
        forms = {field.name: form for field in type_.fields if (form := self.form(field.type)) is not None}
        del self._records[id(type_)]

        def convert(value: dict[str, Any]) -> dict[str, Any]:
            return value | {name: form(value[name]) for name, form in forms.items()}

        self._late[id(type_)] = convert
        return convert if forms else None

    def _union(self, type_: Type) -> Check | None:
        forms = [self.form(part) for part in type_.parts]
        if not self._is_tagged and not any(forms):
            return None
        select = CheckCompiler("native", is_finite=False).selector(type_)
        tags = [None if part.kind == "null" or not self._is_tagged else part.tag for part in type_.parts]
        steps: list[tuple[Callable[[Any], Any] | None, str | None]] = list(zip(forms, tags, strict=True))

        def convert(value: Any) -> Any:
            form, tag = steps[select(value)[0]]
            plain = form(value) if form else value
            return plain if tag is None else {tag: plain}

        return convert
