"""What is committed as the sample library, without an engine around it."""

from __future__ import annotations

import json
import runpy
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.data import N_STEPS, read_packages
from engine.registry import unpack

ROOT = Path(__file__).parents[2]


def run_script(name: str, inputs: Iterable[float]) -> list[list[float]]:
    """Return what each input gave."""
    script: dict[str, Callable[..., Any]] = runpy.run_path(str(ROOT / "model_scripts" / f"{name}.py"))
    script["begin"]()
    return [list(script["action"](x)) for x in inputs]


@pytest.fixture
def attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory of the LSTM's jet."""
    unpack(ROOT / "attachments/tf_sp500_lstm/attachment.tar.gz", tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("attached")
def test_29_prices_give_nothing_and_each_from_the_30th_on_gives_a_score() -> None:
    outputs = run_script("tf_sp500_lstm", read_packages().test.iloc[:40])
    assert [len(output) for output in outputs] == [0] * (N_STEPS - 1) + [1] * 11
    assert all(type(output[0]) is float for output in outputs[N_STEPS - 1 :])


@pytest.mark.usefixtures("attached")
def test_the_committed_model_follows_the_prices_of_the_half_year_after_the_split() -> None:
    prices = read_packages().test.iloc[:150]
    outputs = run_script("tf_sp500_lstm", prices)
    scores = np.array([output[0] for output in outputs if output])
    assert np.mean((scores[:-1] - prices.to_numpy()[N_STEPS:]) ** 2) < 0.02  # a price moves by 0.08 a day


@pytest.mark.parametrize("model", ["tf_sp500_lstm", "tf_sp500_lstm_keras"])
def test_the_committed_attachments_are_small(model: str) -> None:
    assert (ROOT / "attachments" / model / "attachment.tar.gz").stat().st_size < 2_000_000


def test_the_keras_attachment_pins_what_trained_it() -> None:
    with tarfile.open(ROOT / "attachments/tf_sp500_lstm_keras/attachment.tar.gz") as archive:
        content = archive.extractfile("requirements.txt")
        assert content is not None
        assert content.read() == (ROOT / "demo/keras_requirements.txt").read_bytes()


def test_the_moving_average_begins_with_the_fifth_number() -> None:
    assert run_script("moving_average", [1, 2, 3, 4, 5, 6]) == [[], [], [], [], [3.0], [4.0]]


@pytest.mark.parametrize("path", [*ROOT.glob("schemas/*.avsc"), *ROOT.glob("streams/*.json")], ids=lambda p: p.name)
def test_every_schema_and_descriptor_is_json(path: Path) -> None:
    assert json.loads(path.read_text())
