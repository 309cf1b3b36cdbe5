"""ONNX graphs written node by node, and the check that a written one is what it was written from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import AssetInvalid
from engine.inference.onnx_file import open_onnx
from engine.inference.predictor import Array

_OPSET = 17  # the first with everything used here in its present form, from 2022; onnxruntime 1.12 and later read it
_IR_VERSION = 8  # what opset 17 was released with
BATCH_SIZES = (1, 64)  # a single record, and a batch with a remainder for every vector width but a divisor of 64

_ACTIVATIONS = {
    "elu": "Elu",
    "exp": "Exp",
    "exponential": "Exp",
    "hard_sigmoid": "HardSigmoid",
    "leaky_relu": "LeakyRelu",
    "log_softmax": "LogSoftmax",
    "relu": "Relu",
    "selu": "Selu",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "tanh": "Tanh",
}

Shape = Sequence[int | str]
Reference = Callable[[Sequence[Array]], npt.ArrayLike | Sequence[npt.ArrayLike]]
"""The network as its own framework runs it: arrays in, its output or outputs out."""


@dataclass(frozen=True, slots=True)
class Gates:
    """One direction of a recurrent layer, its gates in ONNX's order.

    Parameters
    ----------
    kernel : array [n_inputs, n_gates n_units]
    recurrent : array [n_units, n_gates n_units]
    bias : array [n_gates n_units]
    recurrent_bias : array [n_gates n_units], optional
        Where the part of the layer's own output has a bias of its own.
    """

    kernel: Array
    recurrent: Array
    bias: Array
    recurrent_bias: Array | None = None

    @property
    def biases(self) -> Array:
        """Both, as the node wants them."""
        second = np.zeros_like(self.bias) if self.recurrent_bias is None else self.recurrent_bias
        return np.concatenate([self.bias, second])


@dataclass
class Graph:
    """A graph in the making: each method adds nodes, and returns the name of what they give."""

    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    _steps_first: dict[str, str] = field(default_factory=dict)

    def constant(self, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add weights."""
        from onnx import numpy_helper  # needed for exporting only

        name = f"constant_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.asarray(array, dtype, order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        """Add a list of whole numbers, such as axes."""
        return self.constant(np.array(values), np.int64)

    def apply(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add one node of one output."""
        return self.apply_many(op, 1, *inputs, **attributes)[0]

    def apply_many(self, op: str, n_outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add one node of several outputs."""
        from onnx import helper

        names = [f"{op.lower()}_{len(self.nodes)}" + (f"_{n}" if n else "") for n in range(n_outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, **attributes))
        return names

    def dense(self, values: str, kernel: Array, bias: Array | None = None) -> str:
        """Multiply the last axis by a kernel [n_inputs, n_outputs]."""
        steps_first = self._steps_first.get(values)
        product = self.apply("MatMul", steps_first or values, self.constant(kernel))
        if bias is not None:
            product = self.apply("Add", product, self.constant(bias))
        return self._turned(product) if steps_first else product

    def activation(self, name: str, values: str, **attributes: Any) -> str | None:
        """Apply a function by the name that Keras and PyTorch have for it; return None if it is not known here."""
        match name:
            case "linear" | "identity":
                return values
            case "silu" | "swish":
                return self.apply("Mul", values, self.apply("Sigmoid", values))
            case "gelu":
                half = self.apply("Erf", self.apply("Mul", values, self.constant(np.sqrt(0.5))))
                grown = self.apply("Add", half, self.constant(1.0))
                return self.apply("Mul", self.apply("Mul", values, self.constant(0.5)), grown)
        return self.apply(_ACTIVATIONS[name], values, **attributes) if name in _ACTIVATIONS else None

    def recurrent(self, op: str, values: str, directions: Sequence[Gates], **attributes: Any) -> tuple[str, list[str]]:
        """Add one fused layer, of one direction or of both.

        Parameters
        ----------
        op : str
            ``LSTM``, ``GRU`` or ``RNN``.
        values : str
            [batch, steps, inputs].
        directions : sequence of Gates
            Forward, or forward and backward.
        attributes
            Of the node.

        Returns
        -------
        str
            [batch, steps, directions units].
        list of str
            The last values [directions, batch, units], and those of the cell if it is an LSTM.
        """
        n_units = directions[0].recurrent.shape[0]
        # The node wants the steps first, and so gives them: a stack of layers needs no turning in between.
        steps_first = self._steps_first.get(values) or self.apply("Transpose", values, perm=[1, 0, 2])
        every, *last = self.apply_many(
            op,
            3 if op == "LSTM" else 2,
            steps_first,
            self.constant(np.stack([gates.kernel.T for gates in directions])),
            self.constant(np.stack([gates.recurrent.T for gates in directions])),
            self.constant(np.stack([gates.biases for gates in directions])),
            hidden_size=n_units,
            direction="bidirectional" if len(directions) > 1 else "forward",
            **attributes,
        )
        if len(directions) == 1:
            squeezed = self.apply("Squeeze", every, self.integers(1))
        else:
            turned = self.apply("Transpose", every, perm=[0, 2, 1, 3])
            squeezed = self.apply("Reshape", turned, self.integers(0, 0, 2 * n_units))
        return self._turned(squeezed), last

    def _turned(self, steps_first: str) -> str:
        values = self.apply("Transpose", steps_first, perm=[1, 0, 2])
        self._steps_first[values] = steps_first
        return values

    def join_directions(self, last: str, n_directions: int, n_units: int) -> str:
        """Turn the last values [directions, batch, units] into [batch, directions units]."""
        if n_directions == 1:
            return self.apply("Squeeze", last, self.integers(0))
        turned = self.apply("Transpose", last, perm=[1, 0, 2])
        return self.apply("Reshape", turned, self.integers(0, n_directions * n_units))

    def write(self, inputs: Mapping[str, tuple[Shape, Any]], outputs: Mapping[str, tuple[str, Shape]]) -> bytes:
        """Return the file's content.

        Parameters
        ----------
        inputs : mapping
            By name: the shape, axes of any length as names, and the dtype.
        outputs : mapping
            By name: what it is in the graph so far, and its shape.

        Raises
        ------
        AssetInvalid
            If the whole is not valid.
        """
        from onnx import checker, helper, shape_inference

        for name, (value, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name]))
        nodes = _needed(self.nodes, outputs)
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            "network",
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
                for name, (shape, dtype) in inputs.items()
            ],
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(np.float32)), list(shape))
                for name, (_, shape) in outputs.items()
            ],
            [constant for name, constant in self.constants.items() if name in used],
        )
        model = helper.make_model(
            graph,
            producer_name="scoring-engine",
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
        )
        try:
            checker.check_model(model, full_check=True)
        except (checker.ValidationError, shape_inference.InferenceError) as exc:
            raise AssetInvalid("network", ", ".join(inputs), f"came to a graph that is not valid: {exc}") from exc
        return bytes(model.SerializeToString(deterministic=True))


def _needed(nodes: Sequence[Any], outputs: Mapping[str, Any]) -> list[Any]:
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def write_checked(
    path: str | os.PathLike[str],
    content: bytes,
    reference: Reference,
    tolerance: float = 1e-5,
    draw: Callable[[int], Sequence[Array]] | None = None,
) -> float:
    """Write a graph, if it gives what its source gives, alone and in a batch.

    Parameters
    ----------
    path : path
        The file to write; it appears whole or not at all.
    content : bytes
        The graph, its inputs' first axes the batch.
    reference : callable
        The source.
    tolerance : float
        How far the two may be apart, relative to results above 1. Float32 sums in another order differ by some 1e-7.
    draw : callable, optional
        Gives inputs for a batch size; by default numbers of a normal distribution.

    Returns
    -------
    float
        How far they were apart.

    Raises
    ------
    AssetInvalid
        If they are further apart, or the batch is not of any length, or what it gives for a row depends on the others
        of the batch; nothing is written then.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        written = Path(folder) / path.name
        written.write_bytes(content)
        distance = _compare(written, reference, tolerance, draw)
        written.replace(path)
    return distance


def _compare(
    path: Path, reference: Reference, tolerance: float, draw: Callable[[int], Sequence[Array]] | None
) -> float:
    predictor = open_onnx(path)
    for tensor in (*predictor.inputs, *predictor.outputs):
        if not tensor.shape or tensor.shape[0] is not None:
            sizes = f"{tensor.shape[0]}" if tensor.shape else "one record, without an axis for them,"
            raise AssetInvalid("exported model", path.name, f"takes or gives batches of {sizes} only")
    distances = []
    for batch_size in BATCH_SIZES:
        if draw is None:
            numbers = np.random.default_rng(batch_size)
            arrays = [numbers.normal(size=tensor.blank(batch_size).shape) for tensor in predictor.inputs]
        else:
            arrays = list(draw(batch_size))
        arrays = [tensor.take(array) for tensor, array in zip(predictor.inputs, arrays, strict=True)]
        given = reference(arrays)
        expected = [np.asarray(one) for one in (given if isinstance(given, list | tuple) else [given])]
        results = predictor.run(arrays)
        distances.append(_distance(path, expected, results, tolerance, batch_size))
        first = predictor.run([array[:1] for array in arrays])
        if not all(
            np.allclose(alone, result[:1], tolerance, tolerance) for alone, result in zip(first, results, strict=True)
        ):
            raise AssetInvalid("exported model", path.name, "gives a row one result alone, and another in a batch")
    return max(distances)


def _distance(
    path: Path, expected: Sequence[Array], results: Sequence[Array], tolerance: float, batch_size: int
) -> float:
    distance = 0.0
    for wanted, got in zip(expected, results, strict=True):
        if wanted.shape != got.shape:
            raise AssetInvalid("exported model", path.name, f"gives {got.shape}, and its source {wanted.shape}")
        apart = float(np.max(np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted)), initial=0.0))
        if not apart <= tolerance:  # this way round, so that NaN is refused
            reason = f"is {apart:.2g} from its source at batch size {batch_size}, and {tolerance:g} is allowed"
            raise AssetInvalid("exported model", path.name, reason)
        distance = max(distance, apart)
    return distance
