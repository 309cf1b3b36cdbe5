"""Keras models as ONNX, their recurrent layers as fused nodes straight from the weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.errors import AssetInvalid
from engine.inference.graph import Gates, Graph, Shape, write_checked
from engine.inference.predictor import Array
from engine.inference.recurrent import reorder

_LSTM_GATES = (0, 3, 1, 2)  # Keras: input, forget, cell, output; ONNX: input, output, forget, cell
_NODE_ACTIVATIONS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "softsign": "Softsign"}
_IDENTITIES = {
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "InputLayer",
    "SpatialDropout1D",
    "SpatialDropout2D",
}
_FIX = "save the model with model.export(FOLDER) and load that folder, or convert it with tf2onnx"

_Config = Mapping[str, Any]
_Write = Callable[[Graph, Any, _Config, Sequence[str]], str]


def export_keras(model: Any, path: str | os.PathLike[str], *, tolerance: float = 1e-5) -> float:
    """Write a built Keras model as ONNX, for batches of any size.

    It takes sequential and functional models of LSTM, GRU and SimpleRNN layers, alone or in Bidirectional, of dense and
    one-dimensional convolutional ones, normalisation, reshaping and merging. The graph is compared with the model
    itself at two batch sizes.

    Parameters
    ----------
    model : keras.Model
        Built: it knows the shapes of its inputs, whose first axis is the batch.
    path : path
        The file to write; it appears whole or not at all.
    tolerance : float
        How far graph and model may be apart, relative to results above 1.

    Returns
    -------
    float
        How far they were apart.

    Raises
    ------
    AssetInvalid
        If a layer is not among these, by its name; or if the two are further apart. Nothing is written then.

    Examples
    --------
    ``export_keras(model, "lstm.onnx")`` where the model was trained, and ``inference.load("lstm.onnx")`` in a script.
    """
    inputs: dict[str, tuple[Shape, Any]] = {}
    graph, values = Graph(), {}
    for tensor in getattr(model, "inputs", None) or ():
        if str(tensor.dtype) != "float32":
            raise AssetInvalid("input", tensor.name, f"is of {tensor.dtype}, and export_keras takes float32; {_FIX}")
        inputs[tensor.name] = _shape(tensor), np.float32
        values[id(tensor)] = tensor.name
    if not inputs:
        raise AssetInvalid("network", model.name, "is not built: give it an Input, or call it once")
    for operation in getattr(model, "operations", ()):
        if operation not in model.layers:
            raise _unsupported(operation, "an operation on tensors, not a layer")
    for layer in model.layers:
        values[id(_face(layer, "output"))] = _write_layer(graph, layer, values)
    names = getattr(model, "output_names", None) or [f"output_{n}" for n in range(len(model.outputs))]
    outputs = {}
    for name, tensor in zip(names, model.outputs, strict=True):
        if id(tensor) not in values:
            raise AssetInvalid("output", name, f"comes from a layer that is used several times; {_FIX}")
        outputs[name] = values[id(tensor)], _shape(tensor)

    def reference(arrays: Sequence[Array]) -> Any:
        structure = model.input if len(arrays) > 1 else None
        packed = dict(zip(sorted(structure), arrays, strict=True)) if isinstance(structure, dict) else list(arrays)
        given = model.predict_on_batch(packed if len(arrays) > 1 else arrays[0])
        return [given[name] for name in sorted(given)] if isinstance(given, dict) else given

    return write_checked(path, graph.write(inputs, outputs), reference, tolerance)


def _shape(tensor: Any) -> Shape:
    return ["batch", *(size or f"axis_{number}" for number, size in enumerate(tensor.shape[1:], 1))]


def _write_layer(graph: Graph, layer: Any, values: Mapping[int, str]) -> str:
    kind, config = type(layer).__name__, layer.get_config()
    if kind == "InputLayer":
        return values[id(_face(layer, "output"))]
    given = _face(layer, "input")
    tensors = given if isinstance(given, list | tuple) else [given]
    if any(id(tensor) not in values for tensor in tensors):
        raise _unsupported(layer, "given what no layer gives once, as in a model in the model")
    inputs = [values[id(tensor)] for tensor in tensors]
    if kind in _IDENTITIES:
        return inputs[0]
    if kind not in _WRITERS:
        raise _unsupported(layer)
    return _WRITERS[kind](graph, layer, config, inputs)


def _face(layer: Any, side: str) -> Any:
    try:
        return getattr(layer, side)
    except (AttributeError, ValueError) as exc:  # Keras raises both where a layer is called several times, or never
        raise _unsupported(layer, "used several times, or never") from exc


def _unsupported(layer: Any, what: str = "") -> AssetInvalid:
    what = what or f"of type {type(layer).__name__}"
    return AssetInvalid("layer", layer.name, f"is {what}, which export_keras does not write; {_FIX}")


def _refuse(layer: Any, config: _Config, **allowed: Any) -> None:
    """Refuse a layer with an option that is not as it has to be."""
    for option, wanted in allowed.items():
        if option in config and config[option] != wanted:
            raise _unsupported(layer, f"of type {type(layer).__name__} with {option}={config[option]!r}")


def _activate(graph: Graph, layer: Any, name: Any, values: str, **attributes: Any) -> str:
    if name == "hard_sigmoid":
        attributes = {"alpha": 1 / 6, "beta": 0.5}  # Keras 3's
    elif name == "leaky_relu":
        attributes = {"alpha": 0.2} | attributes
    given = graph.activation(str(name), values, **attributes)
    if given is None:
        raise _unsupported(layer, f"of type {type(layer).__name__} with activation {name!r}")
    return given


def _recurrent(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    return _write_recurrent(graph, layer, config, [layer], inputs[0])


def _bidirectional(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    _refuse(layer, config, merge_mode="concat")
    forward, backward = layer.forward_layer, layer.backward_layer
    inner = forward.get_config()
    other = backward.get_config()
    same = ("units", "activation", "recurrent_activation", "reset_after", "return_sequences")
    if type(forward) is not type(backward) or any(inner.get(option) != other.get(option) for option in same):
        raise _unsupported(layer, "of type Bidirectional of two layers that differ")
    if type(forward).__name__ not in ("LSTM", "GRU", "SimpleRNN"):
        raise _unsupported(layer, f"of type Bidirectional of {type(forward).__name__}")
    return _write_recurrent(graph, layer, inner, [forward, backward], inputs[0])


def _write_recurrent(graph: Graph, layer: Any, config: _Config, directions: Sequence[Any], values: str) -> str:
    _refuse(layer, config, go_backwards=False, stateful=False, return_state=False)
    kind = type(directions[0]).__name__
    names = [config["recurrent_activation"]] if kind != "SimpleRNN" else []
    names += [config["activation"]] * (2 if kind == "LSTM" else 1)
    if any(str(name) not in _NODE_ACTIVATIONS for name in names):
        raise _unsupported(layer, f"of type {kind} with activations {', '.join(map(str, names))}")
    attributes: dict[str, Any] = {"activations": [_NODE_ACTIVATIONS[name] for name in names] * len(directions)}
    if kind == "GRU":
        attributes["linear_before_reset"] = int(config["reset_after"])
    gates = [_gates(kind, direction.get_weights()) for direction in directions]
    op = "RNN" if kind == "SimpleRNN" else kind
    every, last = graph.recurrent(op, values, gates, **attributes)
    if config["return_sequences"]:
        return every
    return graph.join_directions(last[0], len(gates), gates[0].recurrent.shape[0])


def _gates(kind: str, weights: Sequence[Array]) -> Gates:
    kernel, recurrent = weights[:2]
    bias = weights[2] if len(weights) > 2 else np.zeros(kernel.shape[1])
    if kind == "LSTM":
        return Gates(*(reorder(part, _LSTM_GATES) for part in (kernel, recurrent, bias)))
    # The gates of a GRU are in ONNX's order; with reset_after it has two biases.
    return Gates(kernel, recurrent, *bias) if bias.ndim > 1 else Gates(kernel, recurrent, bias)


def _dense(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    return _activate(graph, layer, config["activation"], graph.dense(inputs[0], *layer.get_weights()))


def _time_distributed(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:  # noqa: ARG001
    inner = layer.layer
    if type(inner).__name__ != "Dense":
        raise _unsupported(layer, f"of type TimeDistributed of {type(inner).__name__}")
    return _dense(graph, inner, inner.get_config(), inputs)


def _activation(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    return _activate(graph, layer, config["activation"], inputs[0])


def _named_activation(name: str, **options: str) -> _Write:
    """Return the writer of a layer that is one function, its attributes by their names in ONNX and in Keras."""

    def write(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
        attributes = {wanted: config[option] for wanted, option in options.items()}
        return _activate(graph, layer, name, inputs[0], **attributes)

    return write


def _relu(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    _refuse(layer, config, max_value=None, threshold=0.0, negative_slope=0.0)
    return graph.apply("Relu", inputs[0])


def _batch_normalization(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    _refuse_other_axes(layer, config)
    weights = _by_name(layer)
    scale = weights.get("gamma", 1.0) / np.sqrt(weights["moving_variance"] + config["epsilon"])
    scaled = graph.apply("Mul", inputs[0], graph.constant(scale))
    return graph.apply("Add", scaled, graph.constant(weights.get("beta", 0.0) - weights["moving_mean"] * scale))


def _layer_normalization(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    _refuse_other_axes(layer, config)
    _refuse(layer, config, rms_scaling=False)
    weights, size = _by_name(layer), layer.input.shape[-1]
    scale, shift = weights.get("gamma", np.ones(size)), weights.get("beta", np.zeros(size))
    constants = graph.constant(scale), graph.constant(shift)
    return graph.apply("LayerNormalization", inputs[0], *constants, axis=-1, epsilon=config["epsilon"])


def _refuse_other_axes(layer: Any, config: _Config) -> None:
    axis = config["axis"]
    axes = axis if isinstance(axis, list | tuple) else [axis]
    if list(axes) not in ([-1], [len(layer.input.shape) - 1]):
        raise _unsupported(layer, f"of type {type(layer).__name__} over axis {axis}")


def _by_name(layer: Any) -> dict[str, Any]:
    return {variable.name: array for variable, array in zip(layer.weights, layer.get_weights(), strict=True)}


def _flatten(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    _refuse(layer, config, data_format="channels_last")
    return graph.apply("Reshape", inputs[0], graph.integers(0, -1))


def _reshape(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:  # noqa: ARG001
    return graph.apply("Reshape", inputs[0], graph.integers(0, *config["target_shape"]))


def _permute(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:  # noqa: ARG001
    return graph.apply("Transpose", inputs[0], perm=[0, *config["dims"]])


def _concatenate(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:  # noqa: ARG001
    return graph.apply("Concat", *inputs, axis=config["axis"])


def _merge(op: str) -> _Write:
    def write(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:  # noqa: ARG001
        result = inputs[0]
        for other in inputs[1:]:
            result = graph.apply(op, result, other)
        return result

    return write


def _reduce(op: str) -> _Write:
    def write(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
        _refuse(layer, config, data_format="channels_last")
        return graph.apply(op, inputs[0], axes=[1], keepdims=int(config.get("keepdims", False)))

    return write


def _convolution(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
    _refuse(layer, config, data_format="channels_last")
    kernel, *bias = layer.get_weights()  # [width, inputs, outputs]
    stride, dilation = config["strides"][0], config["dilation_rate"][0]
    padding: dict[str, Any] = {}
    if config["padding"] == "same":
        padding = {"auto_pad": "SAME_UPPER"}
    elif config["padding"] == "causal":
        padding = {"pads": [dilation * (kernel.shape[0] - 1), 0]}
    turned = graph.apply("Transpose", inputs[0], perm=[0, 2, 1])
    constants = [graph.constant(array) for array in (kernel.transpose(2, 1, 0), *bias)]
    given = graph.apply(
        "Conv", turned, *constants, strides=[stride], dilations=[dilation], group=config["groups"], **padding
    )
    return _activate(graph, layer, config["activation"], graph.apply("Transpose", given, perm=[0, 2, 1]))


def _pooling(op: str) -> _Write:
    def write(graph: Graph, layer: Any, config: _Config, inputs: Sequence[str]) -> str:
        _refuse(layer, config, data_format="channels_last", padding="valid")
        turned = graph.apply("Transpose", inputs[0], perm=[0, 2, 1])
        given = graph.apply(op, turned, kernel_shape=list(config["pool_size"]), strides=list(config["strides"]))
        return graph.apply("Transpose", given, perm=[0, 2, 1])

    return write


_WRITERS: dict[str, _Write] = {
    "Activation": _activation,
    "Add": _merge("Add"),
    "AveragePooling1D": _pooling("AveragePool"),
    "BatchNormalization": _batch_normalization,
    "Bidirectional": _bidirectional,
    "Concatenate": _concatenate,
    "Conv1D": _convolution,
    "Dense": _dense,
    "ELU": _named_activation("elu", alpha="alpha"),
    "Flatten": _flatten,
    "GRU": _recurrent,
    "GlobalAveragePooling1D": _reduce("ReduceMean"),
    "GlobalMaxPooling1D": _reduce("ReduceMax"),
    "LSTM": _recurrent,
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": _named_activation("leaky_relu", alpha="negative_slope"),
    "MaxPooling1D": _pooling("MaxPool"),
    "Multiply": _merge("Mul"),
    "Permute": _permute,
    "ReLU": _relu,
    "Reshape": _reshape,
    "SimpleRNN": _recurrent,
    "Softmax": _named_activation("softmax", axis="axis"),
    "Subtract": _merge("Sub"),
    "TimeDistributed": _time_distributed,
}
