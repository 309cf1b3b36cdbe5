"""What docs/delivery.md promises, a test holds: every promise names one, and every one that is named is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_SECTION = re.compile(r"^## What happens when it crashes$(.*?)^## ", re.MULTILINE | re.DOTALL)
_BULLET = re.compile(r"^\* (.*(?:\n  .*)*)", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises() -> list[str]:
    """Return the bullets of the section, but for those of what is not promised."""
    (section,) = _SECTION.findall((ROOT / "docs" / "delivery.md").read_text())
    return _BULLET.findall(section.partition("\nNot promised:\n")[0])


def functions_of(path: Path) -> set[str]:
    """Return the names of the test functions in a file."""
    tree = ast.parse(path.read_text(), str(path)) if path.exists() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_promises() -> None:
    assert len(promises()) > 10


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise[:40])
def test_a_promise_names_a_test_that_is_there(promise: str) -> None:
    named = _TEST.findall(promise)
    assert named, "a promise without a test"
    assert [f"{file}::{test}" for file, test in named if test not in functions_of(ROOT / file)] == []
