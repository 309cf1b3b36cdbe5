"""``engine image``: what it shows, what it refuses, and in which words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli import exits
from engine.cli.main import invoke
from engine.registry import Library

SCRIPT = b"# engine.schema.0: double\n# engine.schema.1: double\n\ndef action(x):\n    yield x\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library(tmp_path / "library")
    library.schemas.put("double", b'"double"')
    for name in ("same", "Größe", "_odd_"):
        library.models.put(name, SCRIPT)
    library.streams.put("prices", b'{"Transport": {"Type": "file", "Path": "/data/p"}, "Encoding": "json"}')
    monkeypatch.setenv("ENGINE_LIBRARY", str(library.root))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return library


def builder(folder: Path, script: str) -> str:
    """Write a program that stands in for podman, and return its path."""
    path = folder / "podman"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_dry_run_shows_the_folder_and_asks_no_builder(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    folder = tmp_path / "folder"
    words = ["image", "build", "same", "--dry-run", "--output", str(folder), "--stream", "0=prices"]
    assert invoke(words) == exits.OK
    shown = capsys.readouterr()
    assert shown.out == (folder / "Dockerfile").read_text()
    assert 'ENGINE_STREAM_0="prices"' in shown.out
    assert 'ENGINE_STREAM_1="rest:"' in shown.out
    assert "streams/prices.json" in shown.err


def test_an_image_is_built_and_its_name_is_the_output(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    podman = builder(tmp_path, 'case $1 in build) echo "STEP 1/9: FROM base";; *) echo "[{}]";; esac')
    assert invoke(["image", "build", "same", "--builder", podman]) == exits.OK
    shown = capsys.readouterr()
    assert shown.out.startswith("localhost/same:")
    assert "STEP 1/9: FROM base" in shown.err
    assert "podman run --rm --read-only --tmpfs /tmp -p 8000:8000 -e ENGINE_NO_AUTH=1" in shown.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["same", "--gpu"], exits.CONTRACT, "--gpu"),
        (["sane"], exits.FAILURE, "Did you mean 'same'?"),
        (["same", "--stream", "0=price"], exits.FAILURE, "Did you mean 'prices'?"),
        (["same", "--stream", "3=rest:"], exits.CONTRACT, "does not use slot 3. Its slots are 0, 1."),
        (["same", "--stream", "0=/tmp/p.json"], exits.CONTRACT, "engine stream add"),
        (["same", "--stream", "0=inline:1", "--stream", "1=inline:1"], exits.CONTRACT, "nline"),
        (["same", "--stream", "rest:"], exits.USAGE, "SLOT=STREAM"),
        (["same", "--stream", "0=rest:", "--stream", "0=rest:"], exits.USAGE, "named twice"),
        (["same", "--builder", "kaniko"], exits.CONTRACT, "docker, podman or buildah"),
        (["Größe"], exits.CONTRACT, "--tag"),
        (["_odd_"], exits.CONTRACT, "--tag"),
        (["/no/model_scripts/same.py"], exits.CONTRACT, "LIBRARY/model_scripts/NAME.py"),
        (["same", "--no-cache"], exits.USAGE, "--no-cache"),
    ],
)
def test_what_cannot_be_built_is_told_in_a_sentence(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    given = [] if "--builder" in words else ["--builder", builder(tmp_path, "exit 1")]
    assert invoke(["image", "build", *words, *given]) == code
    assert said in capsys.readouterr().err


def test_a_lock_for_a_model_without_packages_is_refused(
    library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lock").write_text("six==1.17.0\n")
    assert invoke(["image", "build", "same", "--dry-run", "--lock", str(tmp_path / "lock")]) == exits.CONTRACT
    assert "no requirements.txt" in capsys.readouterr().err


def test_a_time_that_is_none_is_refused(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert invoke(["image", "build", "same", "--dry-run"]) == exits.CONTRACT
    assert "SOURCE_DATE_EPOCH" in capsys.readouterr().err


def test_no_images_are_told_with_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    podman = builder(tmp_path, "exit 0")
    assert invoke(["image", "list", "--builder", podman]) == exits.OK
    assert "engine image build" in capsys.readouterr().err
    assert invoke(["image", "list", "--builder", podman, "-o", "json"]) == exits.OK
    assert json.loads(capsys.readouterr().out) == []
