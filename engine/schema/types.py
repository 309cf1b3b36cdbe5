"""A schema as a tree of objects, which the compilers walk once; a recursive schema is a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.schema.logical import Logical, logical_of

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
NO_DEFAULT: Any = object()


@dataclass(slots=True, eq=False)
class Field:
    """A field of a record. `default` is the JSON value of the schema, or `NO_DEFAULT`."""

    name: str
    type: Type
    default: Any
    aliases: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Type:
    """One node of a schema.

    Parameters
    ----------
    kind : str
        A primitive's name, or ``fixed``, ``enum``, ``array``, ``map``, ``record``, ``union``.
    name : str
        A named type's full name.
    parts : tuple of Type
        The branches of a union; the one item type of an array or a map.
    """

    kind: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    parts: tuple[Type, ...] = ()
    fields: tuple[Field, ...] = ()
    symbols: tuple[str, ...] = ()
    symbol_default: str | None = None
    size: int = 0
    logical: Logical | None = None

    @property
    def short_name(self) -> str:
        """The name without its namespace."""
        return self.name.rpartition(".")[2]

    @property
    def tag(self) -> str:
        """What names this type as a branch of a union in JSON."""
        return self.name or self.kind

    @property
    def is_container(self) -> bool:
        """Whether it holds values of other types."""
        return self.kind in {"record", "array", "map", "union"}

    def __str__(self) -> str:
        if self.kind == "union":
            return " or ".join(str(part) for part in self.parts)
        if self.kind in {"array", "map"}:
            return f"{self.kind} of {self.parts[0]}"
        words = f"{self.kind} {self.short_name}" if self.name else self.kind
        return f"{words} ({self.logical.name})" if self.logical else words


def build_type(parsed: Any, names: dict[str, Type]) -> Type:
    """Return the tree of what ``fastavro.parse_schema`` returned; `names` collects the named types.

    Raises
    ------
    ValueError
        What fastavro lets pass: a union in a union or with two branches alike, a field twice, a bad size.
    """
    if isinstance(parsed, list):
        return _union(parsed, names)
    if isinstance(parsed, str):
        return names[parsed] if parsed in names else Type(parsed)
    kind = parsed["type"]
    if kind in {"array", "map"}:
        return Type(kind, parts=(build_type(parsed["items" if kind == "array" else "values"], names),))
    if kind not in {"record", "error", "enum", "fixed"}:
        return Type(kind, logical=logical_of(kind, parsed))
    return _named(parsed, names)


def _union(parsed: list[Any], names: dict[str, Type]) -> Type:
    parts = tuple(build_type(branch, names) for branch in parsed)
    tags = [part.tag for part in parts]
    if not parts:
        raise ValueError("a union needs a branch")
    if "union" in tags:
        raise ValueError("a union may not hold a union")
    if twice := next((tag for tag in tags if tags.count(tag) > 1), None):
        raise ValueError(f"a union holds {twice!r} twice")
    return Type("union", parts=parts)


def _named(parsed: dict[str, Any], names: dict[str, Type]) -> Type:
    kind = "record" if parsed["type"] == "error" else parsed["type"]
    named = names[parsed["name"]] = Type(kind, parsed["name"], tuple(parsed.get("aliases", ())))
    if named.short_name in PRIMITIVES:
        raise ValueError(f"{named.short_name!r} is the name of a primitive type")
    if kind == "record":
        named.fields = tuple(
            Field(
                field["name"],
                build_type(field["type"], names),
                field.get("default", NO_DEFAULT),
                tuple(field.get("aliases", ())),
            )
            for field in parsed["fields"]
        )
        field_names = [field.name for field in named.fields]
        if twice := next((name for name in field_names if field_names.count(name) > 1), None):
            raise ValueError(f"record {named.short_name} has two fields {twice!r}")
    elif kind == "enum":
        named.symbols, named.symbol_default = tuple(parsed["symbols"]), parsed.get("default")
    else:
        named.size = parsed["size"]
        if type(named.size) is not int or named.size < 0:
            raise ValueError(f"the size of fixed {named.short_name} is {named.size!r}")
        named.logical = logical_of(kind, parsed)
    return named
