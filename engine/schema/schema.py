"""An Avro schema: parsed, checked, and comparable by what it means."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from engine.errors import SchemaInvalid, SchemaMismatch, nearest
from engine.schema.shape import check_shape
from engine.schema.types import NO_DEFAULT, PRIMITIVES, Type, build_type
from engine.schema.validation import CheckCompiler

_HINTS = {"__fastavro_parsed", "__named_schemas", "doc"}


@dataclass(frozen=True, slots=True)
class Schema:
    """An Avro schema. Two are equal when they mean the same: names, documentation and layout do not count.

    Parameters
    ----------
    name : str
        Its name in the library, or empty.
    source : Any
        The JSON value as it was given.
    parsed : Any
        What ``fastavro.parse_schema`` returned.
    root : Type
        The tree that checks and codecs are compiled from.
    meaning : str
        The canonical text that comparison goes by.
    """

    name: str = field(compare=False)
    source: Any = field(compare=False, repr=False)
    parsed: Any = field(compare=False, repr=False)
    root: Type = field(compare=False, repr=False)
    meaning: str

    def __str__(self) -> str:
        return str(self.root)


def parse_schema(source: Any, name: str = "") -> Schema:
    """Return the schema of a JSON text (``str`` or ``bytes``) or of a JSON value.

    A primitive may be named without quotes.

    >>> str(parse_schema("double"))
    'double'

    Raises
    ------
    SchemaInvalid
        Not JSON (with line and column), or not Avro.
    """
    value = _load(source, name) if isinstance(source, str | bytes) else source
    names: dict[str, Type] = {}
    try:
        check_shape(value)
        parsed = fastavro.parse_schema(value)
        root = build_type(parsed, names)
        meaning = json.dumps(_bare(parsed), sort_keys=True)
    except UnknownType as exc:
        word = str(exc.name["type"] if isinstance(exc.name, dict) else exc.name)
        near = nearest(word, [*PRIMITIVES, "record", "array", "map", "enum", "fixed", *names])
        hint = f", did you mean {near!r}" if near else ""
        raise SchemaInvalid(name, f"unknown type {word[:80]!r}{hint}") from exc
    except RecursionError as exc:
        raise SchemaInvalid(name, "it is nested too deeply") from exc
    except (SchemaParseException, TypeError, ValueError, KeyError, AttributeError, OverflowError) as exc:
        raise SchemaInvalid(name, str(exc)[:300]) from exc
    _check_defaults(names, name)
    return Schema(name, value, parsed, root, meaning)


def _load(source: str | bytes, name: str) -> Any:
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
        word = text.strip()
        return word if word.isidentifier() else json.loads(text)
    except UnicodeDecodeError as exc:
        raise SchemaInvalid(name, f"it is not UTF-8 at byte {exc.start}") from exc
    except json.JSONDecodeError as exc:
        raise SchemaInvalid(name, f"line {exc.lineno}, column {exc.colno}: {exc.msg}") from exc
    except (RecursionError, ValueError) as exc:
        raise SchemaInvalid(name, str(exc)) from exc


def _bare(node: Any) -> Any:
    """Return a parsed schema without documentation and fastavro's hints, ``{"type": "int"}`` as ``"int"``."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    bare = {key: value if key == "default" else _bare(value) for key, value in node.items() if key not in _HINTS}
    return bare["type"] if set(bare) == {"type"} else bare


def _check_defaults(names: dict[str, Type], schema_name: str) -> None:
    compiler = CheckCompiler("json", is_finite=True)
    for type_ in names.values():
        for item in type_.fields:
            if item.default is NO_DEFAULT:
                continue
            try:
                compiler.check(item.type)(item.default)
            except (SchemaMismatch, RecursionError) as exc:
                raise SchemaInvalid(
                    schema_name, f"the default of field {item.name!r} in {type_}: {str(exc).rstrip('.')}"
                ) from exc
