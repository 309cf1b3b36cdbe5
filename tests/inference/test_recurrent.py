from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from engine import inference
from engine.errors import AssetInvalid
from engine.inference import DenseWeights, LSTMWeights

pytest.importorskip("onnx")

Array = npt.NDArray[np.float64]

N_STEPS, N_INPUTS, N_UNITS = 7, 2, 5


def draw(*shape: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def run_lstm(windows: Array, cells: Sequence[Callable[[Array, Array], Sequence[Array]]], dense: DenseWeights) -> Array:
    """The textbook's network in float64; a cell gives the sums of its input, forget, cell and output gates."""
    values = np.asarray(windows, np.float64)
    for cell in cells:
        h = c = np.zeros((len(values), N_UNITS))
        steps = []
        for n in range(values.shape[1]):
            i, f, g, o = cell(values[:, n], h)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            steps.append(h)
        values = np.stack(steps, 1)
    return values @ dense.kernel + dense.bias


class Keras:
    """Two layers as Keras keeps them: two kernels, gates input, forget, cell, output."""

    def __init__(self, has_bias: bool = True) -> None:
        self.weights = [
            (
                draw(n_inputs, 4 * N_UNITS, seed=n),
                draw(N_UNITS, 4 * N_UNITS, seed=10 + n),
                draw(4 * N_UNITS, seed=20 + n) if has_bias else None,
            )
            for n, n_inputs in enumerate((N_INPUTS, N_UNITS))
        ]
        self.dense = DenseWeights(draw(N_UNITS, 1, seed=30), draw(1, seed=31))
        self.layers = [LSTMWeights.from_keras(*weights) for weights in self.weights]

    def __call__(self, windows: Array) -> Array:
        def cell(kernel: Array, recurrent: Array, bias: Array | None) -> Callable[[Array, Array], Sequence[Array]]:
            return lambda x, h: np.split(x @ kernel + h @ recurrent + (0 if bias is None else bias), 4, -1)

        return run_lstm(windows, [cell(*weights) for weights in self.weights], self.dense)


class TensorFlow1:
    """One layer as TensorFlow 1 kept it: one kernel, gates input, cell, forget, output, and a forget bias besides."""

    def __init__(self) -> None:
        self.kernel, self.bias = draw(N_INPUTS + N_UNITS, 4 * N_UNITS, seed=1), draw(4 * N_UNITS, seed=2)
        self.dense = DenseWeights(draw(N_UNITS, 1, seed=3), draw(1, seed=4))
        self.layers = [LSTMWeights.from_tensorflow1(self.kernel, self.bias)]

    def __call__(self, windows: Array) -> Array:
        def cell(x: Array, h: Array) -> Sequence[Array]:
            i, j, f, o = np.split(np.concatenate([x, h], -1) @ self.kernel + self.bias, 4, -1)
            return i, f + 1.0, j, o

        return run_lstm(windows, [cell], self.dense)


@pytest.mark.parametrize(
    "network", [Keras(), Keras(has_bias=False), TensorFlow1()], ids=["keras", "no bias", "tensorflow 1"]
)
def test_the_graph_gives_what_the_network_gives(tmp_path: Path, network: Any) -> None:
    path = tmp_path / "lstm.onnx"
    distance = inference.export_lstm(path, network.layers, network.dense, n_steps=N_STEPS, reference=network)
    assert distance < 1e-5
    windows = draw(3, N_STEPS, N_INPUTS, seed=5)
    assert inference.load(path)(windows) == pytest.approx(network(windows), abs=1e-5)


def test_a_window_scores_the_same_whatever_batch_it_is_in(tmp_path: Path) -> None:
    network = Keras()
    inference.export_lstm(tmp_path / "lstm.onnx", network.layers, network.dense, n_steps=N_STEPS, reference=network)
    predictor = inference.load(tmp_path / "lstm.onnx")
    windows = draw(64, N_STEPS, N_INPUTS, seed=6)
    alone = np.concatenate([predictor(window[None]) for window in windows])
    for batch_size in (2, 3, 8, 17, 64):
        batches = [predictor(windows[n : n + batch_size]) for n in range(0, 64, batch_size)]
        assert np.concatenate(batches) == pytest.approx(alone, abs=1e-6)


def test_a_graph_that_is_not_its_source_is_not_written(tmp_path: Path) -> None:
    network = Keras()
    wrong = [LSTMWeights(layer.kernel, layer.recurrent, layer.bias + 0.01) for layer in network.layers]
    with pytest.raises(AssetInvalid, match="from its source at batch size 1"):
        inference.export_lstm(tmp_path / "lstm.onnx", wrong, network.dense, n_steps=N_STEPS, reference=network)
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_right_for_one_record_and_wrong_for_a_batch_is_found_out(tmp_path: Path) -> None:
    network = Keras()
    with pytest.raises(AssetInvalid, match="at batch size 64"):
        inference.export_lstm(
            tmp_path / "lstm.onnx",
            network.layers,
            network.dense,
            n_steps=N_STEPS,
            reference=lambda windows: network(windows) + (len(windows) > 1),
        )


def test_a_source_that_gives_nan_is_refused(tmp_path: Path) -> None:
    network = Keras()
    with pytest.raises(AssetInvalid, match="nan from its source"):
        inference.export_lstm(
            tmp_path / "lstm.onnx",
            network.layers,
            network.dense,
            n_steps=N_STEPS,
            reference=lambda windows: network(windows) * np.nan,
        )


def test_the_last_step_alone_is_not_taken_for_all_of_them(tmp_path: Path) -> None:
    network = Keras()
    with pytest.raises(AssetInvalid, match=r"gives \(1, 7, 1\), and its source \(1, 1\)"):
        inference.export_lstm(
            tmp_path / "lstm.onnx",
            network.layers,
            network.dense,
            n_steps=N_STEPS,
            reference=lambda windows: network(windows)[:, -1],
        )


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    network = Keras()
    for name in ("a.onnx", "b.onnx"):
        inference.export_lstm(tmp_path / name, network.layers, network.dense, n_steps=N_STEPS, reference=network)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
