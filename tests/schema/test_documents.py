"""The examples in the document on schemas and in docstrings are what the engine does."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import engine.codecs
import engine.schema

DOCUMENT = Path(__file__).parents[2] / "docs" / "schemas.md"
MODULES = [
    f"{room.__name__}.{module.name}"
    for room in (engine.schema, engine.codecs)
    for module in pkgutil.iter_modules(room.__path__)
]


def test_the_examples_of_the_document_hold():
    result = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
