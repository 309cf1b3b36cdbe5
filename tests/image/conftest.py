"""A library with a model, and recipes of its image."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.image.recipe import Recipe, collect
from engine.registry import Library

SCRIPT = """# engine.schema.0: double
# engine.schema.1: double
# engine.key.0: $key

def begin():
    global total
    total = 0.0

def action(x):
    global total
    total += x
    yield total
"""
KAFKA = """{"Transport": {"Type": "Kafka", "BootstrapServers": ["b:9092"], "Topic": "prices"}, "Encoding": "json",
 "Schema": {"$ref": "price"}, "Rejects": {"$ref": "bad"}}"""


def packed(**files: str) -> bytes:
    """Return an archive with files at its root; two underscores of a name are a dot."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("__", "."))
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)  # the same bytes each time: layers are found again


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path / "library")
    library.schemas.put("double", b'"double"')
    library.schemas.put("price", b'"double"')
    library.schemas.put("unused", b'"string"')
    library.models.put("total", SCRIPT.encode())
    library.streams.put("rest", b'{"Transport": "REST", "Encoding": "json"}')
    library.streams.put("prices", KAFKA.encode())
    library.streams.put("bad", b'{"Transport": {"Type": "file", "Path": "/tmp/bad"}, "Encoding": "json"}')
    library.attachments("total").put("weights.tar.gz", packed(weights__txt="0.5"))
    return library


@pytest.fixture
def recipe(library: Library) -> Callable[..., Recipe]:
    def make(**given: Any) -> Recipe:
        chosen = {
            "base": "localhost/base:1",
            "streams": {0: "prices", 1: "rest:"},
            "requirements": "numpy==2.0.0\n",
            "brings_packages": False,
        } | given
        return collect(library, "total", **chosen)

    return make
