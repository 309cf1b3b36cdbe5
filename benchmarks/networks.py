"""The same LSTM as a file of each framework: three layers over 30 steps and a linear layer, weights drawn by a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

N_STEPS, N_LAYERS = 30, 3
GATES = "ifco"  # input, forget, cell, output

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Layer:
    """Weights by gate: kernel [n_inputs, n_units], recurrent [n_units, n_units], bias [n_units]."""

    kernel: dict[str, Array]
    recurrent: dict[str, Array]
    bias: dict[str, Array]

    def joined(self, order: str) -> tuple[Array, Array, Array]:
        """Return the three with their gates side by side, in an order."""
        parts = (self.kernel, self.recurrent, self.bias)
        kernel, recurrent, bias = (np.concatenate([part[gate] for gate in order], axis=-1) for part in parts)
        return kernel, recurrent, bias


@dataclass(frozen=True)
class Network:
    """Layers, and what is on top of them."""

    n_units: int
    layers: list[Layer]
    kernel: Array
    bias: Array

    @classmethod
    def draw(cls, n_units: int) -> Network:
        """Return one whose scores neither vanish nor explode."""
        rng = np.random.default_rng(n_units)

        def some(*shape: int) -> Array:
            return (rng.uniform(-1, 1, shape) / np.sqrt(n_units)).astype(np.float32)

        def layer(n_inputs: int) -> Layer:
            return Layer(
                {gate: some(n_inputs, n_units) for gate in GATES},
                {gate: some(n_units, n_units) for gate in GATES},
                {gate: some(n_units) for gate in GATES},
            )

        layers = [layer(n_units if number else 1) for number in range(N_LAYERS)]
        return cls(n_units, layers, some(n_units, 1), some(1))

    def run(self, windows: Array) -> Array:
        """Return the scores of windows [n, 30, 1], in double precision and without a framework: [n, 30, 1]."""
        values = windows.astype(float)
        for layer in self.layers:
            values = _run_layer(layer, values)
        return values @ self.kernel + self.bias


def _run_layer(layer: Layer, values: Array) -> Array:
    kernel, recurrent, bias = layer.joined(GATES)
    n_units = recurrent.shape[0]
    hidden = cell = np.zeros((len(values), n_units))
    found = np.empty((*values.shape[:2], n_units))
    for step in range(values.shape[1]):
        gates = values[:, step] @ kernel + hidden @ recurrent + bias
        enter, forget, new, leave = np.split(gates, 4, axis=1)
        cell = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(new)
        hidden = found[:, step] = _sigmoid(leave) * np.tanh(cell)
    return found


def _sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def write_onnx(network: Network, folder: Path) -> Path:
    """Write it with fused nodes, as the engine exports it; needs the package onnx."""
    from engine.inference import DenseWeights, LSTMWeights, export_lstm

    path = folder / f"lstm_{network.n_units}.onnx"
    layers = [LSTMWeights(*layer.joined("iofc")) for layer in network.layers]
    dense = DenseWeights(network.kernel, network.bias)
    export_lstm(path, layers, dense, n_steps=N_STEPS, reference=network.run)
    return path


def write_keras(network: Network, folder: Path) -> Path:
    """Write it as a Keras model; needs TensorFlow."""
    import keras

    layers = [keras.layers.LSTM(network.n_units, return_sequences=True) for _ in network.layers]
    model = keras.Sequential([keras.Input((N_STEPS, 1)), *layers, keras.layers.Dense(1)])
    for layer, weights in zip(layers, network.layers, strict=True):
        layer.set_weights(weights.joined("ifco"))
    model.layers[-1].set_weights([network.kernel, network.bias])
    path = folder / f"lstm_{network.n_units}.keras"
    model.save(path)
    return path


def write_torch(network: Network, folder: Path) -> Path:
    """Write it as a program of torch.export; needs PyTorch."""
    import torch

    class Stack(torch.nn.Module):  # type: ignore[misc, name-defined]  # PyTorch is not among the tools here
        """What the program is made from."""

        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(1, network.n_units, N_LAYERS, batch_first=True)
            self.dense = torch.nn.Linear(network.n_units, 1)

        def forward(self, windows: Any) -> Any:
            """Return the prediction of each step."""
            return self.dense(self.lstm(windows)[0])

    stack = Stack().eval()
    with torch.no_grad():
        for number, layer in enumerate(network.layers):
            kernel, recurrent, bias = layer.joined("ifco")
            getattr(stack.lstm, f"weight_ih_l{number}").copy_(torch.from_numpy(kernel.T.copy()))
            getattr(stack.lstm, f"weight_hh_l{number}").copy_(torch.from_numpy(recurrent.T.copy()))
            getattr(stack.lstm, f"bias_ih_l{number}").copy_(torch.from_numpy(bias))
            getattr(stack.lstm, f"bias_hh_l{number}").zero_()
        stack.dense.weight.copy_(torch.from_numpy(network.kernel.T.copy()))
        stack.dense.bias.copy_(torch.from_numpy(network.bias))
    path = folder / f"lstm_{network.n_units}.pt2"
    shapes = {"windows": {0: torch.export.Dim("batch", min=1, max=1 << 20)}}
    program = torch.export.export(stack, (torch.zeros(4, N_STEPS, 1),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


WRITERS = {"ONNX": write_onnx, "Keras": write_keras, "torch": write_torch}
NEEDS = {"ONNX": ("onnx", "onnxruntime"), "Keras": ("tensorflow",), "torch": ("torch",)}
"""What must be installed for each: the frameworks that write and run it."""
