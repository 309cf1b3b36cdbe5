"""A build folder holds what the image needs and nothing else, and the same bytes for the same model."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import AssetError, AssetNotFound, ConfigError
from engine.image.folder import write_folder
from engine.image.recipe import Recipe
from engine.registry import Library

Make = Callable[..., Recipe]


def bytes_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mode,
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


def test_it_holds_what_the_model_and_its_streams_name(recipe: Make, library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    files = [str(path.relative_to(folder)) for path in write_folder(recipe(), folder)]
    sha256 = library.attachments("total").get("weights.tar.gz").sha256
    assert files == [
        ".dockerignore",
        "Dockerfile",
        f"attachments/{sha256}/weights.tar.gz",
        "model_scripts/total.py",
        "requirements.txt",
        "schemas/double.avsc",
        "schemas/price.avsc",
        "streams/bad.json",
        "streams/prices.json",
    ]
    content = (folder / "attachments" / sha256 / "weights.tar.gz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256


def test_the_same_model_gives_the_same_bytes_modes_and_times(recipe: Make, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_folder(recipe(), tmp_path / "one", 7)
    finally:
        os.umask(before)
    write_folder(recipe(), tmp_path / "two", 7)
    one = bytes_of(tmp_path / "one")
    assert one == bytes_of(tmp_path / "two")
    assert {mtime_ns for _, _, mtime_ns in one.values()} == {7_000_000_000}
    assert {mode & 0o777 for _, mode, _ in one.values()} == {0o644, 0o755}


def test_a_folder_is_written_over_and_nothing_of_before_stays(recipe: Make, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write_folder(recipe(), folder)
    files = write_folder(recipe(streams={0: "rest:", 1: "rest:"}), folder)
    assert not (folder / "streams").exists()
    assert folder / "Dockerfile" in files


def test_a_folder_with_other_things_is_left_alone(recipe: Make, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.tex"):
        write_folder(recipe(), work)
    assert (work / "thesis.tex").read_text() == "years of work"


def test_a_folder_that_cannot_be_written_is_named(recipe: Make) -> None:
    with pytest.raises(AssetError, match="/dev/null/folder"):
        write_folder(recipe(), Path("/dev/null/folder"))


def test_a_stream_that_is_not_there_is_named(recipe: Make) -> None:
    with pytest.raises(AssetNotFound, match="prices"):
        recipe(streams={0: "price"})


@pytest.mark.parametrize("brings_packages", [False, True])
def test_the_dockerfile_has_no_findings(recipe: Make, tmp_path: Path, brings_packages: bool) -> None:
    write_folder(recipe(brings_packages=brings_packages), tmp_path / "folder")
    hadolint = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run([hadolint, tmp_path / "folder" / "Dockerfile"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_script_is_the_last_file_that_is_copied(recipe: Make, tmp_path: Path) -> None:
    write_folder(recipe(brings_packages=True), tmp_path / "folder")
    lines = (tmp_path / "folder" / "Dockerfile").read_text().splitlines()
    copied = [line.split()[-1] for line in lines if line.startswith("COPY ")]
    assert copied[-1] == "/opt/model/model_scripts/total.py"
    assert [line.split()[0] for line in lines if line.startswith(("RUN", "USER", "COPY"))][-1] == "USER"
    assert lines[-1] == "USER 10001:10001"
