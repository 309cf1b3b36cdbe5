"""Labels tell of the model, and are read back as they were."""

from __future__ import annotations

import json
from collections.abc import Callable

from engine import __version__
from engine.image.dockerfile import environment, write_dockerfile
from engine.image.recipe import Recipe, read_labels
from engine.registry import Library, assemble

Make = Callable[..., Recipe]


def test_labels_are_read_back(recipe: Make, library: Library) -> None:
    model, made = assemble(library, "total"), recipe()
    own = read_labels(made.labels)
    assert own["model"] == "total"
    assert own["script.digest"] == model.script.digest
    assert own["model.digest"] == model.digest
    assert own["schemas"].keys() == {"double", "price"}
    assert own["schemas"]["double"] == library.schemas.get("double").sha256
    assert own["streams"].keys() == {"bad", "prices"}
    assert own["attachments"] == {"weights.tar.gz": library.attachments("total").get("weights.tar.gz").sha256}
    assert own["slots"] == {
        "0": {"schema": "double", "key": "$key", "stream": "prices"},
        "1": {"schema": "double", "stream": "rest:"},
    }
    assert own["state"] == ["total"]
    assert own["version"] == __version__
    assert made.labels["org.opencontainers.image.title"] == "total"
    assert made.labels["org.opencontainers.image.base.name"] == "localhost/base:1"


def test_nothing_in_a_label_is_replaced_by_a_builder(recipe: Make) -> None:
    text = write_dockerfile(recipe(streams={0: 'inline:"$HOME\\', 1: "rest:"}))
    assert r"ENGINE_STREAM_0=" + json.dumps('inline:"$HOME\\').replace("$", r"\$") in text
    assert r"\"key\": \"\$key\"" in text


def test_a_model_with_packages_of_its_own_finds_them_where_they_were_installed(recipe: Make) -> None:
    assert environment(recipe(brings_packages=True))["ENGINE_CACHE"] == "/opt/model/cache"
    assert "ENGINE_CACHE" not in environment(recipe())
    assert "--mount=type=secret" in write_dockerfile(recipe(brings_packages=True))
    assert "RUN" not in write_dockerfile(recipe())
