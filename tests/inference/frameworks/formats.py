"""One LSTM in every format, and files that are none: prints what became of each as JSON."""

from __future__ import annotations

import io
import json
import os
import sys
import warnings
import zipfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
import torch
from keras import layers

from engine import inference

N_STEPS, N_INPUTS, N_UNITS = 9, 2, 6


class Network(torch.nn.Module):
    """The same network in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(N_INPUTS, N_UNITS, 2, batch_first=True)
        self.head = torch.nn.Linear(N_UNITS, 1)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(windows)[0])


def copy(model: keras.Model) -> Network:
    network = Network().eval()
    *lstms, dense = (layer.get_weights() for layer in model.layers)
    weights = {"head.weight": dense[0].T, "head.bias": dense[1]}
    for number, (kernel, recurrent, bias) in enumerate(lstms):
        weights[f"lstm.weight_ih_l{number}"] = kernel.T
        weights[f"lstm.weight_hh_l{number}"] = recurrent.T
        weights[f"lstm.bias_ih_l{number}"] = bias
        weights[f"lstm.bias_hh_l{number}"] = np.zeros_like(bias)
    network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    return network


class Trap:
    """A pickled object that leaves a trace where it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def set_trap(source: Path, trapped: Path) -> None:
    """Copy a program, its example replaced by a trap: the one thing in it that may be pickled."""
    pickled = io.BytesIO()
    torch.save(Trap(trapped.with_name("trace")), pickled)
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(trapped, "w") as copied:
        for name in whole.namelist():
            copied.writestr(name, pickled.getvalue() if "sample_inputs" in name else whole.read(name))


def attempt(path: Path, **options: object) -> str:
    try:
        return repr(inference.load(path, **options))
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"


def main(folder: Path) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(7)
    recurrent = [layers.LSTM(N_UNITS, return_sequences=True, bias_initializer="normal") for _ in range(2)]
    model = keras.Sequential([layers.Input((N_STEPS, N_INPUTS)), *recurrent, layers.Dense(1)])
    network = copy(model)
    example = torch.zeros(2, N_STEPS, N_INPUTS)
    model.save(folder / "lstm.keras")
    model.export(folder / "lstm_folder", verbose=False)
    inference.export_keras(model, folder / "from_keras.onnx")
    inference.export_torch(network, folder / "from_torch.onnx", example)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, folder / "lstm.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old formats' own
        model.save(folder / "lstm.h5")
        torch.jit.save(torch.jit.trace(network, example), folder / "lstm.pt")

    names = ["lstm.keras", "lstm.h5", "lstm_folder", "from_keras.onnx", "from_torch.onnx", "lstm.pt2", "lstm.pt"]
    windows = np.random.default_rng(1).normal(size=(5, N_STEPS, N_INPUTS))
    expected = model.predict_on_batch(windows)
    told = {}
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            predictor = inference.load(folder / name, device="cpu", threads=1)
            batch, alone = predictor(windows), predictor(windows[2:3])
        told[name] = {
            "distance": float(np.abs(batch - expected).max()),
            "alone": float(np.abs(alone - expected[2:3]).max()),
            "dtype": str(batch.dtype),
            "device": predictor.device,
            "backend": predictor.backend,
            "is_batchable": predictor.is_batchable,
            "shape": str(predictor.inputs[0]),
            "n_rows": predictor.statistics.n_rows,
            "n_threads": torch.get_num_threads() if predictor.backend.startswith("torch") else None,
            "on a gpu": attempt(folder / name, device="gpu:0"),
        }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        os.environ["ENGINE_THREADS"] = "2"
        inference.load(folder / "lstm.h5")
        del os.environ["ENGINE_THREADS"]
        told["fallback"] = [str(inference.load(folder / name, "gpu:0,cpu").device) for name in ("lstm.h5", "lstm.pt")]
        told["warnings"] = [str(warning.message) for warning in caught if warning.category is RuntimeWarning]

    model.save_weights(folder / "only.weights.h5")
    stateful = layers.LSTM(3, stateful=True)
    keras.Sequential([layers.Input((4, 2), batch_size=1), stateful]).save(folder / "stateful.keras")
    (folder / "damaged.keras").write_bytes((folder / "lstm.keras").read_bytes()[:-100])
    (folder / "damaged.pt").write_bytes((folder / "lstm.pt").read_bytes()[:-100])
    (folder / "damaged_folder").mkdir()
    (folder / "damaged_folder/saved_model.pb").write_bytes(b"not a graph")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unsafe = keras.Sequential([layers.Input((2,)), layers.Lambda(lambda values: values * 2)])
        unsafe.save(folder / "lambda.keras")
    set_trap(folder / "lstm.pt2", folder / "trap.pt2")
    refused = [
        "trap.pt2",
        "only.weights.h5",
        "stateful.keras",
        "damaged.keras",
        "damaged.pt",
        "damaged_folder",
        "lambda.keras",
    ]
    told["refused"] = {name: attempt(folder / name) for name in refused}
    told["other threads"] = attempt(folder / "lstm.keras", threads=2)
    print(json.dumps(told))


main(Path(sys.argv[1]))
