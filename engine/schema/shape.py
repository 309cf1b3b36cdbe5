"""The outer shape of a schema's JSON, checked before it is parsed, so that what is wrong is named by its place."""

from __future__ import annotations

import re
from typing import Any

from engine.schema.mismatch import show

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FULL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_NEEDED: dict[str, dict[str, type]] = {
    "record": {"name": str, "fields": list},
    "error": {"name": str, "fields": list},
    "enum": {"name": str, "symbols": list},
    "fixed": {"name": str, "size": int},
    "array": {"items": object},
    "map": {"values": object},
}
_WORDS = {str: "a string", list: "an array", int: "an integer", object: "a schema"}


def is_avro_name(text: object) -> bool:
    """Tell whether `text` can name a field or an enum's symbol."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _fault(path: str, reason: str) -> ValueError:
    return ValueError(f"{path}: {reason}" if path else reason)


def check_shape(node: Any, path: str = "") -> None:
    """Check that a JSON value is built as a schema is.

    Raises
    ------
    ValueError
        With the place and what is wrong there.
    """
    if isinstance(node, str):
        return
    if isinstance(node, list):
        for index, branch in enumerate(node):
            check_shape(branch, f"{path}[{index}]")
        return
    if not isinstance(node, dict):
        raise _fault(path, f"a type's name, an object or an array expected, got {show(node)}")
    kind = node.get("type")
    if not isinstance(kind, str):
        fault = "'type' is missing" if kind is None else f"'type' must be the name of a type, not {show(kind)}"
        raise _fault(path, fault)
    for key, wanted in _NEEDED.get(kind, {}).items():
        if key not in node:
            raise _fault(path, f"{kind} without {key!r}")
        if not isinstance(node[key], wanted) or isinstance(node[key], bool):
            raise _fault(path, f"{key!r} must be {_WORDS[wanted]}, not {show(node[key])}")
    _check_names(node, kind, path)
    for key in ("items", "values"):
        if key in node:
            check_shape(node[key], f"{path}.{key}" if path else key)
    if kind in {"record", "error"}:
        _check_fields(node["fields"], path)


def _check_names(node: dict[str, Any], kind: str, path: str) -> None:
    if "name" in _NEEDED.get(kind, {}) and not _FULL_NAME.fullmatch(node["name"]):
        raise _fault(path, f"{show(node['name'])} is not a name in Avro")
    aliases = node.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise _fault(path, f"'aliases' must be an array of strings, not {show(aliases)}")


def _check_fields(fields: list[Any], path: str) -> None:
    for index, field in enumerate(fields):
        place = f"{path}.fields[{index}]" if path else f"fields[{index}]"
        if not isinstance(field, dict):
            raise _fault(place, f"an object expected, got {show(field)}")
        for key in ("name", "type"):
            if key not in field:
                raise _fault(place, f"{key!r} is missing")
        if not is_avro_name(field["name"]):
            raise _fault(place, f"{show(field['name'])} is not a field's name in Avro")
        _check_names(field, "", place)
        check_shape(field["type"], f"{path}.{field['name']}" if path else field["name"])
