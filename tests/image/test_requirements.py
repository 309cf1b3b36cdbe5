"""What an image installs is locked: the model's packages, or those of the engine."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from engine.errors import EnvironmentFailed
from engine.image.requirements import engine_versions, lock_of
from engine.registry import Library, assemble
from tests.image.conftest import packed

LOCK = "six==1.16.0 \\\n    --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\n"


def test_a_model_without_requirements_has_no_lock(library: Library) -> None:
    assert lock_of(assemble(library, "total"), []) is None


def test_the_engines_packages_are_told_with_their_versions() -> None:
    lines = engine_versions().splitlines()
    assert f"numpy=={version('numpy')}" in lines
    names = [line.partition("==")[0] for line in lines[1:]]
    assert names == sorted(names)
    assert not {"scoring-engine", "pytest", "tensorflow"} & set(names)


def test_requirements_with_hashes_are_a_lock_already(library: Library) -> None:
    library.attachments("total").put("more.tar.gz", packed(requirements__txt=LOCK))
    assert lock_of(assemble(library, "total"), []) == LOCK


def test_a_lock_that_is_given_is_taken(library: Library, tmp_path: Path) -> None:
    library.attachments("total").put("more.tar.gz", packed(requirements__txt="six\n"))
    (tmp_path / "lock").write_text(LOCK)
    assert lock_of(assemble(library, "total"), [], tmp_path / "lock") == LOCK


def test_requirements_that_cannot_be_locked_are_told_in_uvs_words(library: Library) -> None:
    library.attachments("total").put("more.tar.gz", packed(requirements__txt="six==1.0 and more\n"))
    with pytest.raises(EnvironmentFailed, match=r"(?s)six==1\.0.*--lock FILE"):
        lock_of(assemble(library, "total"), [])
