"""Puts schemas that a schema names, and that stand somewhere else, into it: what comes out stands by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from engine.schema.types import PRIMITIVES

_NAMED = ("record", "error", "enum", "fixed")


class _Definition(NamedTuple):
    """A named type, and the namespace that it stands in."""

    node: dict[str, Any]
    namespace: str


def inline_schemas(source: Any, others: Iterable[Any]) -> Any:
    """Return a schema in which each named type that it takes from others is defined where it is used first.

    Parameters
    ----------
    source : Any
        The schema's JSON value.
    others : iterable of Any
        Schemas that define names for it, and for each other.

    Examples
    --------
    >>> price = {"type": "fixed", "name": "Price", "namespace": "shop", "size": 4}
    >>> inline_schemas({"type": "array", "items": "shop.Price"}, [price])["items"]["size"]
    4
    """
    definitions: dict[str, _Definition] = {}
    for other in others:
        _collect(other, "", definitions)
    return _Inliner(definitions).inline(source, "") if definitions else source


def _full_name(node: dict[str, Any], namespace: str) -> str:
    name = str(node.get("name", ""))
    space = node.get("namespace", namespace)
    return name if "." in name or not space else f"{space}.{name}"


def _children(node: Any, namespace: str) -> Iterable[tuple[Any, str]]:
    """Yield the schemas right inside of one, and the namespace they stand in."""
    if isinstance(node, list):
        yield from ((branch, namespace) for branch in node)
    elif isinstance(node, dict):
        if node.get("type") in _NAMED:
            namespace = _full_name(node, namespace).rpartition(".")[0]
        yield from ((field["type"], namespace) for field in node.get("fields", ()))
        yield from ((node[key], namespace) for key in ("items", "values") if key in node)


def _collect(node: Any, namespace: str, into: dict[str, _Definition]) -> None:
    if isinstance(node, dict) and node.get("type") in _NAMED:
        into.setdefault(_full_name(node, namespace), _Definition(node, namespace))
    for child, inner in _children(node, namespace):
        _collect(child, inner, into)


class _Inliner:
    def __init__(self, definitions: dict[str, _Definition]) -> None:
        self._definitions, self._written = definitions, set[str]()

    def inline(self, node: Any, namespace: str) -> Any:
        if isinstance(node, str):
            return self._name(node, namespace)
        if isinstance(node, list):
            return [self.inline(branch, namespace) for branch in node]
        if not isinstance(node, dict):
            return node
        if node.get("type") in _NAMED:
            return self._named(node, namespace)
        return node | {key: self.inline(node[key], namespace) for key in ("items", "values") if key in node}

    def _name(self, name: str, namespace: str) -> Any:
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        if name in PRIMITIVES or full in self._written or full not in self._definitions:
            return name if name in PRIMITIVES else full if full in self._written else name
        return self._named(*self._definitions[full])

    def _named(self, node: dict[str, Any], namespace: str) -> Any:
        full = _full_name(node, namespace)
        if full in self._written:
            return full  # it was used, and defined, before the place where it stands
        self._written.add(full)
        space, _, short = full.rpartition(".")
        # The namespace is said outright: what surrounds it now may have another one.
        written = node | {"name": short, "namespace": space}
        if "fields" in node:
            written["fields"] = [field | {"type": self.inline(field["type"], space)} for field in node["fields"]]
        return written
