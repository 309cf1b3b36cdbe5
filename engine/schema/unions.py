"""Which branch of a union a value belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from engine.errors import SchemaMismatch
from engine.schema.mismatch import show
from engine.schema.scalars import Check, Domain, plain
from engine.schema.types import Type

# The lower, the better a branch suits. A record's unknown keys come on top of CONVERTIBLE, hence the distance to NEVER.
EXACT, CONVERTIBLE, NEVER = 0, 1, 1 << 30
Grade: TypeAlias = Callable[[Any], int]
Selector: TypeAlias = Callable[[Any], tuple[int, Any]]

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float,),
    "double": (float,),
    "string": (str,),
    "bytes": (bytes,),
    "fixed": (bytes,),
    "map": (Mapping,),
    "record": (Mapping,),
    "array": (Sequence,),
}


def select_branch(union: Type, checks: Sequence[Check], domain: Domain) -> Selector:
    """Return what finds the branch of a value, and the value checked by it.

    The rule, for a plain value: the first branch, in the schema's order, that the value fits *exactly*; if there is
    none, the first that it fits after a conversion. An int fits ``int`` and ``long`` exactly and ``float`` and
    ``double`` by conversion; a float fits both of these exactly, but a ``float`` beside a ``double`` is never taken; a
    text fits ``string`` and an ``enum`` that has it exactly, and (in JSON) ``bytes`` and ``fixed`` by conversion; an
    object fits a ``map`` exactly, and a ``record`` that has all of its keys, else the one that lacks the fewest; a date
    or decimal fits its logical type exactly, what stands for it (an int, bytes) by conversion.

    In JSON an object of one key that names a branch, ``{"double": 2.0}``, is that branch if what is inside fits.
    """
    has_double = any(part.kind == "double" for part in union.parts)
    grades = [_grade(part, domain, has_double) for part in union.parts]
    tags = {part.short_name: index for index, part in enumerate(union.parts)}
    tags |= {part.tag: index for index, part in enumerate(union.parts)}

    def select_plain(value: Any) -> tuple[int, Any]:
        if domain == "native":
            value = plain(value)
        failures = []
        for grade, index in sorted([(grade(value), index) for index, grade in enumerate(grades)]):
            if grade < NEVER:
                try:
                    return index, checks[index](value)
                except SchemaMismatch as error:
                    failures.append(error)
        # one candidate: its own complaint says more than that none of the union's branches fits
        raise failures[0] if len(failures) == 1 else SchemaMismatch("", str(union), show(value))

    def select(value: Any) -> tuple[int, Any]:
        if type(value) is dict and len(value) == 1:
            ((tag, inner),) = value.items()
            index = tags.get(tag)
            if index is not None:
                try:
                    return index, checks[index](inner)
                except SchemaMismatch as error:
                    try:
                        return select_plain(value)
                    except SchemaMismatch as plain_error:
                        raise (plain_error if plain_error.path else error) from error.__cause__
        return select_plain(value)

    return select if domain == "json" else select_plain


def _grade(part: Type, domain: Domain, has_double: bool) -> Grade:
    types = _PYTHON_TYPES.get(part.kind, ())
    logical = part.logical

    def by_type(value: Any) -> int:
        return EXACT if isinstance(value, types) and type(value) is not bool else NEVER

    def number(value: Any) -> int:
        if part.kind == "float" and has_double:
            return NEVER
        return EXACT if type(value) is float else CONVERTIBLE if type(value) is int else NEVER

    def binary(value: Any) -> int:
        return CONVERTIBLE if domain == "json" and type(value) is str else by_type(value)

    def record(value: Any) -> int:
        if not isinstance(value, Mapping):
            return NEVER
        n_unknown = len(value.keys() - field_names)
        return CONVERTIBLE + n_unknown if n_unknown else EXACT

    def array(value: Any) -> int:
        is_text = isinstance(value, str | bytes)
        return EXACT if (isinstance(value, list | Sequence) and not is_text) or hasattr(value, "tolist") else NEVER

    def logical_value(value: Any) -> int:
        assert logical is not None  # noqa: S101  for mypy: chosen only then
        return EXACT if logical.is_value(value) else min(base(value) + CONVERTIBLE, NEVER)

    field_names = {field.name for field in part.fields}
    special: dict[str, Grade] = {
        "boolean": lambda value: EXACT if type(value) is bool else NEVER,
        "float": number,
        "double": number,
        "bytes": binary,
        "fixed": binary,
        "enum": lambda value: EXACT if value.__class__ is str and value in part.symbols else NEVER,
        "record": record,
        "array": array,
    }
    base = special.get(part.kind, by_type)
    return logical_value if logical is not None and domain == "native" else base
