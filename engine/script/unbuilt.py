"""What scripts will be able to ask the engine for, and cannot yet: refused by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.errors import NotBuilt
from engine.script.sharing import OFFERED, SharedUse

_LATER = ("Slot",)
"""Names of the package `engine` that later versions have."""


def refuse_unbuilt_imports(tree: ast.Module, script: str, shared: SharedUse) -> None:
    """Raise NotBuilt for the first use of a part of the engine's own interface that does not exist yet."""
    places = [place for node in ast.walk(tree) for place in _asked_for(node, shared)]
    for line, feature in sorted(places)[:1]:
        raise NotBuilt(feature, f"{script}, line {line}")


def _asked_for(node: ast.AST, shared: SharedUse) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Import(names=aliases):
            for alias in aliases:
                if alias.name.startswith("fastscore."):
                    yield node.lineno, f"import {alias.name}"
        case ast.ImportFrom(module=str(module), names=aliases, level=0):
            for alias in aliases:
                if module.startswith("fastscore.") or not _is_there(module, alias.name):
                    yield node.lineno, f"from {module} import {alias.name}"
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            package = shared.packages.get(name, name if name == "engine" else "")
            if not _is_there(package, attribute):
                yield node.lineno, f"{package}.{attribute}"


def _is_there(package: str, name: str) -> bool:
    if package == "fastscore":
        return name in OFFERED or name == "*" or name.startswith("__")
    return package != "engine" or name not in _LATER
