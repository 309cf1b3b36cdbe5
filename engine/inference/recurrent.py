"""Stacked LSTM layers as ONNX ``LSTM`` nodes, straight from TensorFlow's weights.

Converters unroll the loop of a Keras LSTM into a ``Scan``, which onnxruntime steps through node by node: 0.5 to 1.0 ms
for three layers of 100 units over 30 steps. The fused node takes 0.23 ms, and its results do not depend on the batch.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from engine.errors import AssetInvalid
from engine.inference.onnx_file import open_onnx

Array = npt.NDArray[Any]

_OPSET = 17  # the first with everything used here in its present form, from 2022; onnxruntime 1.12 and later read it
_IR_VERSION = 8  # what opset 17 was released with
_BATCH_SIZES = (1, 64)  # a single record, and a batch with a remainder for every vector width but a divisor of 64


@dataclass(frozen=True, slots=True)
class LSTMWeights:
    """One layer, its gates in ONNX's order: input, output, forget, cell.

    Parameters
    ----------
    kernel : array [n_inputs, 4 n_units]
    recurrent : array [n_units, 4 n_units]
    bias : array [4 n_units]
    """

    kernel: Array
    recurrent: Array
    bias: Array

    @classmethod
    def from_keras(cls, kernel: Array, recurrent: Array, bias: Array | None) -> Self:
        """Take ``keras.layers.LSTM.get_weights()``: gates input, forget, cell, output."""
        order = (0, 3, 1, 2)
        if bias is None:
            bias = np.zeros(kernel.shape[1])
        return cls(_reorder(kernel, order), _reorder(recurrent, order), _reorder(bias, order))

    @classmethod
    def from_tensorflow1(cls, kernel: Array, bias: Array, forget_bias: float = 1.0) -> Self:
        """Take a ``BasicLSTMCell``: one kernel [n_inputs + n_units, 4 n_units], gates input, cell, forget, output.

        `forget_bias` is not in the weights: the cell adds it in every step.
        """
        n_units = kernel.shape[1] // 4
        bias = np.array(bias, np.float64)
        bias[2 * n_units : 3 * n_units] += forget_bias
        order = (0, 3, 2, 1)
        return cls(_reorder(kernel[:-n_units], order), _reorder(kernel[-n_units:], order), _reorder(bias, order))


@dataclass(frozen=True, slots=True)
class DenseWeights:
    """The linear layer on top: kernel [n_units, n_outputs] and bias [n_outputs]."""

    kernel: Array
    bias: Array


def export_lstm(
    path: str | os.PathLike[str],
    layers: Sequence[LSTMWeights],
    dense: DenseWeights,
    *,
    n_steps: int,
    reference: Callable[[Array], npt.ArrayLike],
    tolerance: float = 1e-5,
) -> float:
    """Write the network as ONNX: float32 [batch, n_steps, n_inputs] in, float32 [batch, n_steps, n_outputs] out.

    Parameters
    ----------
    path : path
        The file to write; it appears whole or not at all.
    layers : sequence of LSTMWeights
        From the input upwards.
    dense : DenseWeights
        Applied to every step of the last layer.
    n_steps : int
        Length of the window.
    reference : callable
        The network as its own framework runs it, on the same arrays.
    tolerance : float
        How far the two may be apart, relative to results above 1. Float32 sums in another order differ by some 1e-7.

    Returns
    -------
    float
        How far they were apart.

    Raises
    ------
    AssetInvalid
        If they are further apart, or the batch is not of any length; nothing is written then.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        written = Path(folder) / path.name
        written.write_bytes(_graph(layers, dense, n_steps))
        distance = _compare(written, reference, n_steps, tolerance)
        written.replace(path)
    return distance


def _compare(path: Path, reference: Callable[[Array], npt.ArrayLike], n_steps: int, tolerance: float) -> float:
    predictor = open_onnx(path, threads=1)
    (tensor,) = predictor.inputs
    if tensor.shape[0] is not None:
        raise AssetInvalid("exported model", path.name, f"takes batches of {tensor.shape[0]} only")
    distances = []
    for batch_size in _BATCH_SIZES:
        windows = np.random.default_rng(batch_size).normal(size=(batch_size, n_steps, tensor.shape[2] or 1))
        windows = windows.astype(np.float32)
        expected, got = np.asarray(reference(windows)), predictor(windows)
        if expected.shape != got.shape:
            raise AssetInvalid("exported model", path.name, f"gives {got.shape}, and its source {expected.shape}")
        distance = float(np.max(np.abs(got - expected) / np.maximum(1.0, np.abs(expected))))
        if not distance <= tolerance:  # this way round, so that NaN is refused
            reason = f"is {distance:.2g} from its source at batch size {batch_size}, and {tolerance:g} is allowed"
            raise AssetInvalid("exported model", path.name, reason)
        distances.append(distance)
    return max(distances)


def _graph(layers: Sequence[LSTMWeights], dense: DenseWeights, n_steps: int) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper  # needed for exporting only

    constants: list[Any] = []
    nodes: list[Any] = []

    def constant(name: str, array: Array, dtype: npt.DTypeLike = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array, dtype), name))
        return name

    def apply(op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    direction = constant("direction", np.array([1]), np.int64)  # the node's axis of directions, of which there is one
    values = apply("Transpose", "windows", perm=[1, 0, 2])  # the node wants the steps first
    for number, layer in enumerate(layers):
        n_units = layer.recurrent.shape[0]
        values = apply(
            "LSTM",
            values,
            constant(f"kernel_{number}", layer.kernel.T[None]),
            constant(f"recurrent_{number}", layer.recurrent.T[None]),
            # The node has a second bias, for the recurrent part; TensorFlow has one for both.
            constant(f"bias_{number}", np.concatenate([layer.bias, np.zeros(4 * n_units)])[None]),
            hidden_size=n_units,
        )
        values = apply("Squeeze", values, direction)
    values = apply("MatMul", values, constant("dense_kernel", dense.kernel))
    values = apply("Add", values, constant("dense_bias", dense.bias))
    nodes.append(helper.make_node("Transpose", [values], ["predictions"], perm=[1, 0, 2]))

    def face(name: str, width: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n_steps, width])

    graph = helper.make_graph(
        nodes,
        "lstm",
        [face("windows", layers[0].kernel.shape[0])],
        [face("predictions", dense.kernel.shape[1])],
        constants,
    )
    model = helper.make_model(
        graph,
        producer_name="scoring-engine",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _reorder(gates: Array, order: Sequence[int]) -> Array:
    parts = np.split(gates, 4, axis=-1)
    return np.concatenate([parts[n] for n in order], axis=-1)
