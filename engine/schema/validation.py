"""Checks of values against a schema, compiled once: no look at the schema per record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from engine.errors import SchemaMismatch
from engine.schema.mismatch import show, within
from engine.schema.scalars import Check, Domain, check_scalar
from engine.schema.types import NO_DEFAULT, Type
from engine.schema.unions import Selector, select_branch


@dataclass(slots=True)
class Extras:
    """Counts the fields that values had and their schema has not."""

    count: int = 0


class CheckCompiler:
    """Compiles the checks of one schema for one domain.

    Parameters
    ----------
    domain : {"json", "native"}
        ``json``: values as ``json.loads`` gives them, turned into native ones. ``native``: values as a script yields
        them.
    is_finite : bool
        Refuse NaN and infinities. They have no form in JSON.
    extras : Extras, optional
        Where fields that are dropped are counted.
    """

    def __init__(self, domain: Domain, *, is_finite: bool, extras: Extras | None = None) -> None:
        self._domain, self._is_finite, self._extras = domain, is_finite, extras or Extras()
        self._records: dict[int, Check] = {}

    def check(self, type_: Type) -> Check:
        """Return the check of a type; it returns the checked value or raises SchemaMismatch."""
        match type_.kind:
            case "record":
                return self._record(type_)
            case "union":
                return self._union(type_)
            case "array":
                return self._array(type_)
            case "map":
                return self._map(type_)
        return check_scalar(type_, self._domain, is_finite=self._is_finite)

    def selector(self, union: Type) -> Selector:
        """Return what finds the branch of a union's value."""
        return select_branch(union, [self.check(part) for part in union.parts], self._domain)

    def _record(self, type_: Type) -> Check:
        if id(type_) in self._records:
            known = self._records
            return lambda value: known[id(type_)](value)  # a recursive schema: the check is not made yet
        self._records[id(type_)] = _not_yet
        checks = {field.name: self.check(field.type) for field in type_.fields}
        defaults = [(field.name, str(field.type), default_of(field.type, field.default)) for field in type_.fields]
        n_fields, extras = len(checks), self._extras

        def check(value: Any) -> dict[str, Any]:
            if type(value) is not dict and not isinstance(value, Mapping):
                raise SchemaMismatch("", str(type_), show(value))
            checked: dict[str, Any] = {}
            name = ""
            try:
                for name, item in value.items():
                    check_field = checks.get(name)
                    if check_field is not None:
                        checked[name] = check_field(item)
                    else:
                        extras.count += 1
            except SchemaMismatch as error:
                raise within(name, error) from error.__cause__
            if len(checked) != n_fields:
                for name, expected, default in defaults:
                    if name not in checked:
                        if default is None:
                            raise SchemaMismatch(name, expected, "nothing")
                        checked[name] = default()
            return checked

        self._records[id(type_)] = check
        return check

    def _union(self, type_: Type) -> Check:
        select = self.selector(type_)

        def check(value: Any) -> Any:
            return select(value)[1]

        if [part.kind for part in type_.parts].count("null") == 0 or len(type_.parts) != 2:
            return check
        # null and one other, as most unions are: no search
        check_other = self.check(type_.parts[1 if type_.parts[0].kind == "null" else 0])
        may_be_tagged = self._domain == "json"

        def check_optional(value: Any) -> Any:
            if value is None:
                return None
            return select(value)[1] if may_be_tagged and type(value) is dict else check_other(value)

        return check_optional

    def _array(self, type_: Type) -> Check:
        check_item, is_native = self.check(type_.parts[0]), self._domain == "native"
        is_doubles, is_finite = type_.parts[0].kind == "double", self._is_finite

        def check(value: Any) -> list[Any]:
            items = _items(value) if is_native and type(value) is not list else value
            if type(items) is not list:
                raise SchemaMismatch("", str(type_), show(value))
            # a window of floats, in C: a tenth of the time
            if is_doubles and set(map(type, items)) == {float} and (not is_finite or all(map(isfinite, items))):
                return items.copy()
            checked: list[Any] = []
            try:
                for item in items:
                    checked.append(check_item(item))  # noqa: PERF401  its length says which item failed
            except SchemaMismatch as error:
                raise within(f"[{len(checked)}]", error) from error.__cause__
            return checked

        return check

    def _map(self, type_: Type) -> Check:
        check_item = self.check(type_.parts[0])

        def check(value: Any) -> dict[str, Any]:
            if type(value) is not dict and not isinstance(value, Mapping):
                raise SchemaMismatch("", str(type_), show(value))
            checked: dict[str, Any] = {}
            key = ""
            try:
                for key, item in value.items():
                    checked[key if type(key) is str else _text_key(key)] = check_item(item)
            except SchemaMismatch as error:
                raise within(f"{{{key}}}", error) from error.__cause__
            return checked

        return check


def _not_yet(_value: Any) -> Any:
    raise AssertionError("a check ran while it was compiled")


def _items(value: Any) -> Any:
    """Return the list behind a numpy array, a pandas series, a tuple or a deque; anything else as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    is_text = isinstance(value, str | bytes | bytearray | memoryview)
    return list(value) if isinstance(value, Sequence) and not is_text else value


def _text_key(key: object) -> str:
    if not isinstance(key, str):
        raise SchemaMismatch("", "a string as key", show(key))
    return str.__str__(key)


def default_of(type_: Type, default: Any) -> Callable[[], Any] | None:
    """Return what makes a field's default, a new value each time; None for a field without one."""
    if default is NO_DEFAULT:
        return None
    made: list[Check] = []

    def make() -> Any:
        if not made:  # not before it is needed: the field's type may be still in the making
            made.append(CheckCompiler("json", is_finite=True).check(type_))
        return made[0](default)

    return make
