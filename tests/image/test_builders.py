"""Builders are found, run and explained; a script stands in for each of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import BuilderMissing, BuildFailed, ConfigError, ImageNotFound
from engine.image.builders import BuildahBuilder, build, find_builder, find_images, inspect
from engine.image.recipe import MODEL_LABEL


def stand_in(folder: Path, name: str, script: str) -> str:
    """Write a program and return its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_first_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuilderMissing, match=r"None of docker, podman, buildah.*apt-get install buildah"):
        find_builder(None)
    stand_in(tmp_path, "buildah", "")
    assert find_builder(None).name == "buildah"
    stand_in(tmp_path, "podman", "")
    assert find_builder(None).name == "podman"


def test_a_builder_is_named_with_options_of_its_own(tmp_path: Path) -> None:
    program = stand_in(tmp_path, "podman", "")
    builder = find_builder(f"{program} --root '{tmp_path}/a b'")
    assert builder.command == (program, "--root", f"{tmp_path}/a b")
    assert builder.name == "podman"


@pytest.mark.parametrize(
    ("text", "error"), [("kaniko", ConfigError), ("", ConfigError), ("/no/docker", BuilderMissing)]
)
def test_another_program_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="docker"):
        find_builder(text)


@pytest.mark.parametrize("name", ["docker", "podman", "buildah"])
def test_layers_get_a_fixed_time_and_a_secret_is_mounted(tmp_path: Path, name: str) -> None:
    said = tmp_path / "said"
    builder = find_builder(stand_in(tmp_path, name, f'echo "$@" > {said}'))
    build(builder, tmp_path, "model:1", epoch_s=7, secret=Path("/netrc"), options=["--no-cache"])
    command = said.read_text().split()
    assert command[-2:] == ["--no-cache", str(tmp_path)]
    assert "id=netrc,src=/netrc" in command
    assert {"docker": "SOURCE_DATE_EPOCH=7", "podman": "--timestamp", "buildah": "--timestamp"}[name] in command
    assert command[command.index("-t") + 1] == "model:1"
    assert name == "docker" or "--force-rm" in command  # else buildah keeps what failed, and the secret in it


def test_steps_are_told_as_they_begin(tmp_path: Path) -> None:
    lines = "STEP 1/2: FROM base\nnoise\n[1/2] STEP 2/2: RUN x\n#7 [3/9] COPY a b\n#8 [build 2/4] RUN y\n#7 DONE 0.1s"
    steps: list[str] = []
    build(find_builder(stand_in(tmp_path, "podman", f"cat <<X\n{lines}\nX")), tmp_path, "m", on_step=steps.append)
    assert steps == ["STEP 1/2: FROM base", "[1/2] STEP 2/2: RUN x", "#7 [3/9] COPY a b", "#8 [build 2/4] RUN y"]


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "daemon does not run"),
        ("unknown flag: --progress", "buildx is missing"),
        ("error setting rlimit: operation not permitted", "isolation chroot"),
        ("ssl.SSLError: CERTIFICATE_VERIFY_FAILED", "mount yours"),
        ("no space left", ""),
    ],
)
def test_a_build_that_fails_is_told_with_its_last_words_and_what_helps(tmp_path: Path, said: str, fix: str) -> None:
    builder = find_builder(stand_in(tmp_path, "docker", f"seq 100; echo '{said}' >&2; exit 3"))
    with pytest.raises(BuildFailed) as failed:
        build(builder, tmp_path, "model:1")
    assert failed.value.lines[-1] == said
    assert "1" not in failed.value.lines
    assert fix in failed.value.fix


def test_an_image_is_read_back_in_every_builders_form(tmp_path: Path) -> None:
    labels = {MODEL_LABEL: "lstm"}
    docker = [{"Id": "sha256:a", "RepoTags": ["lstm:1"], "Config": {"Labels": labels}, "Size": 5, "Created": "now"}]
    buildah = {"FromImage": "lstm:1", "FromImageID": "a", "Docker": {"config": {"Labels": labels}, "created": "now"}}
    for name, value, size in (("docker", docker, 5), ("buildah", buildah, None)):
        script = f"case $1 in images) echo a;; *) cat <<'X'\n{json.dumps(value)}\nX\nesac"
        (found,) = find_images(find_builder(stand_in(tmp_path, name, script)))
        assert (found.tags, found.labels, found.size_bytes) == (("lstm:1",), labels, size)


def test_an_image_of_something_else_is_no_image_of_a_model(tmp_path: Path) -> None:
    builder = BuildahBuilder((stand_in(tmp_path, "buildah", "echo '{}'"),))
    with pytest.raises(ImageNotFound, match="no label"):
        inspect(builder, "debian")


def test_an_image_that_is_not_there_is_told_with_the_builders_words(tmp_path: Path) -> None:
    builder = BuildahBuilder((stand_in(tmp_path, "buildah", "echo 'debian: image not known.' >&2; exit 125"),))
    with pytest.raises(ImageNotFound, match=r"image not known\. See"):
        inspect(builder, "debian")
