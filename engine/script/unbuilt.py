"""Imports of what scripts will be able to ask the engine for, and cannot yet: refused by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.errors import NotBuilt

_LATER = ("batched", "Slot", "cells", "pools", "now")
"""Names of the package `engine` that later versions have."""


def refuse_unbuilt_imports(tree: ast.Module, script: str) -> None:
    """Raise NotBuilt for the first use of a part of the engine's own interface that does not exist yet."""
    places = [place for node in ast.walk(tree) for place in _asked_for(node)]
    for line, feature in sorted(places)[:1]:
        raise NotBuilt(feature, f"{script}, line {line}")


def _asked_for(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Import(names=aliases):
            for alias in aliases:
                if alias.name.partition(".")[0] == "fastscore":
                    yield node.lineno, f"import {alias.name}"
        case ast.ImportFrom(module=str(module), names=aliases, level=0):
            for alias in aliases:
                if module.partition(".")[0] == "fastscore" or (module == "engine" and alias.name in _LATER):
                    yield node.lineno, f"from {module} import {alias.name}"
        case ast.Attribute(value=ast.Name(id="engine"), attr=name) if name in _LATER:
            yield node.lineno, f"engine.{name}"
