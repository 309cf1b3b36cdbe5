from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from demo.data import N_STEPS, cut_windows, read_packages, write_lines
from demo.plots import draw_predictions, draw_preparation
from demo.train import measure, predict
from engine import inference
from engine.inference import Predictor, Tensor
from engine.registry import unpack

ROOT = Path(__file__).parents[2]
# Where `make train` and `make test` put TensorFlow; it is in no environment that the engine itself runs in.
TENSORFLOW = Path(os.environ.get("ENGINE_TEST_TENSORFLOW", ROOT / ".venv-train/bin/python"))
TRAINING_TIMEOUT_S = 300  # 25 s on two quiet cores, most of it TensorFlow's import and compilation


def make_predictor(offset: float) -> Predictor:
    """A model that says the last price again, plus an offset."""
    tensor = Tensor("windows", np.dtype(np.float32), (None, N_STEPS, 1))
    return Predictor(lambda arrays: [arrays[0] + np.float32(offset)], [tensor], [tensor], "cpu")


def test_each_error_compares_with_the_day_that_its_name_says() -> None:
    prices = read_packages()
    exact = measure(make_predictor(0.0), prices)
    assert exact["test_mse_as_in_the_tutorial"] < 1e-12  # a model that repeats today's price is perfect, so measured
    assert exact["test_mse_next_day"] == pytest.approx(exact["test_mse_naive"], rel=1e-4)
    steps = np.diff(prices.test.to_numpy()[N_STEPS - 1 :])
    assert exact["test_mse_naive"] == pytest.approx(np.mean(steps**2))
    assert exact["n_test_days_in_range"] < len(prices.test) / 2  # from 2013 on, prices are higher than ever before
    assert exact["test_mse_next_day_in_range"] == pytest.approx(exact["test_mse_naive_in_range"], rel=1e-4)
    shifted = measure(make_predictor(0.5), prices)
    assert shifted["test_mse_as_in_the_tutorial"] == pytest.approx(0.25, rel=1e-4)
    assert shifted["test_mse_naive"] == exact["test_mse_naive"]


def test_a_prediction_is_dated_by_the_last_day_that_the_model_saw() -> None:
    prices = read_packages()
    predicted = predict(make_predictor(0.0), prices.test)
    assert predicted.index[0] == prices.test.index[N_STEPS - 1]
    assert predicted.to_numpy() == pytest.approx(prices.test.to_numpy()[N_STEPS - 1 :], abs=1e-5)


def test_the_pictures_are_small_and_the_same_each_time(tmp_path: Path) -> None:
    prices = read_packages()
    for folder in (tmp_path / "first", tmp_path / "again"):
        folder.mkdir()
        draw_preparation(prices, folder)
        draw_predictions(folder / "predicted.png", "Predicted", prices.test, prices.test + 0.1)
    first = sorted((tmp_path / "first").iterdir())
    assert [path.stem for path in first] == ["adjusted", "cpi", "normalised", "predicted", "price"]
    for path in first:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 100_000
        assert content == (tmp_path / "again" / path.name).read_bytes()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the attachments and the report of 20 steps."""
    if not TENSORFLOW.exists():
        pytest.skip(
            f"no TensorFlow at {TENSORFLOW}: run `make train`, or name an interpreter in ENGINE_TEST_TENSORFLOW"
        )
    folder = tmp_path_factory.mktemp("trained")
    options = ["--steps", "20", "--output", folder / "attachments", "--report", folder / "report"]
    subprocess.run([TENSORFLOW, "-m", "demo.train", *options], cwd=ROOT, check=True, timeout=TRAINING_TIMEOUT_S)
    for model in ("tf_sp500_lstm", "tf_sp500_lstm_keras"):
        (folder / model).mkdir()
        unpack(folder / "attachments" / model / "attachment.tar.gz", folder / model)
    return folder


@pytest.mark.integration
@pytest.mark.timeout(TRAINING_TIMEOUT_S)
class TestTwentySteps:
    def test_the_loss_falls_and_is_reported(self, trained: Path) -> None:
        measured = json.loads((trained / "report/measured.json").read_text())
        assert measured["n_steps"] == 20
        assert measured["training_mse"] < 0.5 * np.var(read_packages().training)
        assert measured["test_mse_naive"] == pytest.approx(0.00553, abs=1e-5)
        assert measured["onnx_to_keras_max_distance"] <= 1e-5  # at batch sizes 1 and 64, or nothing was written

    def test_every_picture_is_drawn(self, trained: Path) -> None:
        pictures = sorted(path.stem for path in (trained / "report").glob("*.png"))
        assert pictures == ["adjusted", "cpi", "normalised", "predicted", "predicted_close_up", "price"]

    def test_both_attachments_are_small_and_hold_what_their_scripts_open(self, trained: Path) -> None:
        assert [path.name for path in (trained / "tf_sp500_lstm").iterdir()] == ["lstm.onnx"]
        assert sorted(path.name for path in (trained / "tf_sp500_lstm_keras").iterdir()) == [
            "lstm.weights.h5",
            "requirements.txt",
        ]
        for path in (trained / "attachments").rglob("*.tar.gz"):
            assert path.stat().st_size < 2_000_000

    def test_the_sample_scripts_give_equal_scores(self, trained: Path) -> None:
        series = read_packages().test.iloc[:100]
        write_lines(trained / "prices.jsons", series)
        code = (
            "import json, runpy, sys\n"
            "script = runpy.run_path(sys.argv[1])\n"
            "script['begin']()\n"
            "scores = [score for line in open(sys.argv[2]) for score in script['action'](json.loads(line))]\n"
            "print(json.dumps(scores))\n"
        )
        output = subprocess.check_output(
            [TENSORFLOW, "-c", code, ROOT / "model_scripts/tf_sp500_lstm_keras.py", trained / "prices.jsons"],
            cwd=trained / "tf_sp500_lstm_keras",
            timeout=TRAINING_TIMEOUT_S,
        )
        scores = predict(inference.load(trained / "tf_sp500_lstm/lstm.onnx"), series)
        assert json.loads(output) == pytest.approx(scores.tolist(), abs=1e-5)
        assert len(scores) == 100 - N_STEPS + 1

    def test_scores_do_not_depend_on_the_batch(self, trained: Path) -> None:
        predictor = inference.load(trained / "tf_sp500_lstm/lstm.onnx")
        windows = cut_windows(read_packages().test.iloc[:93])
        alone = np.concatenate([predictor(window[None]) for window in windows])
        assert predictor(windows) == pytest.approx(alone, abs=1e-6)
