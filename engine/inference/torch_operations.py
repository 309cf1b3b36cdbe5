"""The operations that programs of ``torch.export`` consist of, each as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.inference.graph import Gates
from engine.inference.predictor import Array
from engine.inference.recurrent import reorder

if TYPE_CHECKING:
    from engine.inference.torch_program import Translator

_GATES = {
    "LSTM": (0, 3, 1, 2),  # PyTorch: input, forget, cell, output; ONNX: input, output, forget, cell
    "GRU": (1, 0, 2),  # PyTorch: reset, update, new; ONNX: update, reset, hidden
    "RNN": (0,),
}
_IDENTITIES = (
    "alias.default",
    "clone.default",
    "contiguous.default",
    "detach.default",
    "dropout.default",
    "feature_dropout.default",
)
_LAST = np.iinfo(np.int64).max


class Unsupported(Exception):
    """An operation that has no node here.

    Parameters
    ----------
    layer : str
        The layer that it comes from, by its path in the module.
    what : str
        The operation.
    """

    def __init__(self, layer: str, what: str) -> None:
        self.layer, self.what = layer, what
        super().__init__(f"{layer}: {what}")


class _Zeros:
    """An initial state of zeros, which is what a recurrent node begins with."""


class _Size:
    """The length of an axis that may be any: the batch."""


ZEROS, SIZE = _Zeros(), _Size()


# Each of what follows writes one operation: its arguments are those of PyTorch, in their order.


def _linear(to: Translator, values: Any, kernel: Array, bias: Array | None = None) -> str:
    return to.graph.dense(to.name(values), kernel.T, bias)


def _recurrent(
    to: Translator,
    op: str,
    values: Any,
    states: Any,
    weights: Sequence[Array],
    options: Sequence[Any],
    **attributes: Any,
) -> list[Any]:
    has_biases, n_layers, _, _, is_bidirectional, is_batch_first = options
    if not is_batch_first and to.rank() > 1:
        raise to.unsupported("is without batch_first=True")
    if any(state is not ZEROS for state in (states if isinstance(states, list) else [states])):
        raise to.unsupported("begins with a state of its own")
    n_directions = 2 if is_bidirectional else 1
    n_each = 4 if has_biases else 2
    if len(weights) != n_layers * n_directions * n_each:
        raise to.unsupported("has a proj_size")
    every, lasts = to.name(values), []
    for layer in range(n_layers):
        gates = []
        for direction in range(n_directions):
            begin = (layer * n_directions + direction) * n_each
            gates.append(_gates(op, weights[begin : begin + n_each]))
        if op == "RNN" and n_directions == 2:
            attributes = {"activations": attributes["activations"][:1] * 2}
        every, last = to.graph.recurrent(op, every, gates, **attributes)
        lasts.append(last)
    joined = [
        to.graph.apply("Concat", *parts, axis=0) if n_layers > 1 else parts[0] for parts in zip(*lasts, strict=True)
    ]
    return [every, *joined]


def _lstm(to: Translator, values: Any, states: Any, weights: Sequence[Array], *options: Any) -> list[Any]:
    return _recurrent(to, "LSTM", values, states, weights, options)


def _gru(to: Translator, values: Any, state: Any, weights: Sequence[Array], *options: Any) -> list[Any]:
    return _recurrent(to, "GRU", values, state, weights, options, linear_before_reset=1)


def _rnn_tanh(to: Translator, values: Any, state: Any, weights: Sequence[Array], *options: Any) -> list[Any]:
    return _recurrent(to, "RNN", values, state, weights, options, activations=["Tanh"])


def _rnn_relu(to: Translator, values: Any, state: Any, weights: Sequence[Array], *options: Any) -> list[Any]:
    return _recurrent(to, "RNN", values, state, weights, options, activations=["Relu"])


def _zeros(_to: Translator, *_: Any, **__: Any) -> _Zeros:
    return ZEROS


def _size(_to: Translator, *_: Any) -> _Size:
    return SIZE


def _same(_to: Translator, values: Any, *_: Any, **__: Any) -> Any:
    return values


def _softmax(to: Translator, values: Any, axis: int, *_: Any) -> str:
    return to.graph.apply("Softmax", to.name(values), axis=axis)


def _log_softmax(to: Translator, values: Any, axis: int, *_: Any) -> str:
    return to.graph.apply("LogSoftmax", to.name(values), axis=axis)


def _elu(to: Translator, values: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> str:
    if scale != 1 or input_scale != 1:
        return _activate(to, "selu", values)
    return _activate(to, "elu", values, alpha=float(alpha))


def _leaky_relu(to: Translator, values: Any, slope: float = 0.01) -> str:
    return _activate(to, "leaky_relu", values, alpha=float(slope))


def _gelu(to: Translator, values: Any, approximate: str = "none") -> str:
    if approximate != "none":
        raise to.unsupported(f"calls gelu with approximate={approximate!r}")
    return _activate(to, "gelu", values)


def _softplus(to: Translator, values: Any, beta: float = 1, *_: Any) -> str:
    if beta != 1:
        raise to.unsupported(f"calls softplus with beta={beta}")
    return _activate(to, "softplus", values)


def _activate(to: Translator, name: str, values: Any, **attributes: Any) -> str:
    given = to.graph.activation(name, to.name(values), **attributes)
    assert given is not None, name  # noqa: S101 - the tables of this module name known ones only
    return given


def _select(to: Translator, values: Any, axis: int, index: int) -> str:
    constant = to.graph.constant(np.array(index), np.int64)
    return to.graph.apply("Gather", to.name(values), constant, axis=axis)


def _slice(to: Translator, values: Any, axis: int = 0, begin: Any = None, end: Any = None, step: int = 1) -> str:
    if any(isinstance(edge, _Size) for edge in (begin, end)):
        raise to.unsupported("cuts the batch")
    edges = [(begin or 0), _LAST if end is None else end, axis, step]
    return to.graph.apply("Slice", to.name(values), *(to.graph.integers(edge) for edge in edges[:4]))


def _unsqueeze(to: Translator, values: Any, axis: int) -> str:
    return to.graph.apply("Unsqueeze", to.name(values), to.graph.integers(axis))


def _squeeze(to: Translator, values: Any, axes: int | Sequence[int]) -> str:
    shape = to.node.args[0].meta["val"].shape
    wanted = [axes] if isinstance(axes, int) else list(axes)
    kept = [axis for axis in wanted if isinstance(shape[axis], int) and shape[axis] == 1]
    return to.graph.apply("Squeeze", to.name(values), to.graph.integers(*kept)) if kept else to.name(values)


def _transpose(to: Translator, values: Any, one: int, other: int) -> str:
    order = list(range(to.rank()))
    order[one], order[other] = order[other], order[one]
    return to.graph.apply("Transpose", to.name(values), perm=order)


def _permute(to: Translator, values: Any, order: Sequence[int]) -> str:
    rank = to.rank()
    return to.graph.apply("Transpose", to.name(values), perm=[axis % rank for axis in order])


def _reshape(to: Translator, values: Any, shape: Sequence[Any]) -> str:
    sizes = [-1 if isinstance(size, _Size) else size for size in shape]
    if sizes.count(-1) > 1:
        if shape[0] is not SIZE:
            raise to.unsupported("reshapes over the batch")
        sizes[0] = 0  # which to ONNX is: as it was
    return to.graph.apply("Reshape", to.name(values), to.graph.integers(*sizes))


def _flatten(to: Translator, values: Any, begin: int = 0, end: int = -1) -> str:
    rank = to.rank()
    if begin % rank != 1 or end % rank != rank - 1:
        raise to.unsupported(f"flattens from axis {begin} to {end}")
    return to.graph.apply("Reshape", to.name(values), to.graph.integers(0, -1))


def _cat(to: Translator, parts: Sequence[Any], axis: int = 0) -> str:
    return to.graph.apply("Concat", *map(to.name, parts), axis=axis)


def _mean(to: Translator, values: Any, axes: Sequence[int], keeps: bool = False, **_: Any) -> str:
    return to.graph.apply("ReduceMean", to.name(values), axes=list(axes), keepdims=int(keeps))


def _binary_node(to: Translator, op: str, one: Any, other: Any, *, alpha: float = 1) -> str:
    if alpha != 1:
        raise to.unsupported(f"calls {op} with alpha={alpha}")
    return to.graph.apply(op, to.name(one), to.name(other))


def _layer_norm(
    to: Translator,
    values: Any,
    shape: Sequence[int],
    scale: Array | None = None,
    shift: Array | None = None,
    epsilon: float = 1e-5,
    *_: Any,
) -> str:
    scale = np.ones(shape) if scale is None else scale
    shift = np.zeros(shape) if shift is None else shift
    constants = to.graph.constant(scale), to.graph.constant(shift)
    return to.graph.apply("LayerNormalization", to.name(values), *constants, axis=-len(shape), epsilon=float(epsilon))


def _batch_norm(
    to: Translator, values: Any, scale: Array | None, shift: Array | None, mean: Array, variance: Array, *options: Any
) -> str:
    scale = np.ones_like(mean) if scale is None else scale
    shift = np.zeros_like(mean) if shift is None else shift
    constants = [to.graph.constant(array) for array in (scale, shift, mean, variance)]
    return to.graph.apply("BatchNormalization", to.name(values), *constants, epsilon=float(options[2]))


def _convolution(
    to: Translator,
    values: Any,
    kernel: Array,
    bias: Array | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> str:
    n_axes = kernel.ndim - 2
    constants = [to.graph.constant(array) for array in (kernel, bias) if array is not None]
    pads: dict[str, Any] = {"auto_pad": "SAME_UPPER" if padding == "same" else "VALID"}
    if not isinstance(padding, str):
        pads = {"pads": _each(padding, n_axes) * 2}
    return to.graph.apply(
        "Conv",
        to.name(values),
        *constants,
        strides=_each(stride, n_axes),
        dilations=_each(dilation, n_axes),
        group=groups,
        **pads,
    )


def _embedding(to: Translator, weights: Array, indices: Any, *_: Any) -> str:
    return to.graph.apply("Gather", to.graph.constant(weights), to.name(indices), axis=0)


def _activation(name: str) -> Callable[..., Any]:
    return lambda translator, values, *_: _activate(translator, name, values)


def _binary(op: str) -> Callable[..., Any]:
    return lambda translator, one, other, **options: _binary_node(translator, op, one, other, **options)


WRITERS: dict[str, Callable[..., Any]] = {
    **{f"{name}.default": _activation(name) for name in ("exp", "relu", "sigmoid", "silu", "tanh", "selu")},
    **{f"{name}.Tensor": _binary(op) for name, op in (("add", "Add"), ("sub", "Sub"), ("mul", "Mul"), ("div", "Div"))},
    **dict.fromkeys(_IDENTITIES, _same),
    "batch_norm.default": _batch_norm,
    "cat.default": _cat,
    "conv1d.default": _convolution,
    "conv1d.padding": _convolution,
    "conv2d.default": _convolution,
    "conv2d.padding": _convolution,
    "elu.default": _elu,
    "embedding.default": _embedding,
    "flatten.using_ints": _flatten,
    "gelu.default": _gelu,
    "gru.input": _gru,
    "layer_norm.default": _layer_norm,
    "leaky_relu.default": _leaky_relu,
    "linear.default": _linear,
    "log_softmax.int": _log_softmax,
    "lstm.input": _lstm,
    "matmul.default": _binary("MatMul"),
    "mean.dim": _mean,
    "permute.default": _permute,
    "reshape.default": _reshape,
    "rnn_relu.input": _rnn_relu,
    "rnn_tanh.input": _rnn_tanh,
    "rsub.Scalar": lambda translator, one, other, alpha=1: _binary_node(translator, "Sub", other, one, alpha=alpha),
    "select.int": _select,
    "slice.Tensor": _slice,
    "softmax.int": _softmax,
    "softplus.default": _softplus,
    "squeeze.dim": _squeeze,
    "squeeze.dims": _squeeze,
    "sym_size.int": _size,
    "transpose.int": _transpose,
    "unsqueeze.default": _unsqueeze,
    "view.default": _reshape,
    "zeros.default": _zeros,
}


def _gates(op: str, weights: Sequence[Array]) -> Gates:
    order = _GATES[op]
    kernel, recurrent, *biases = weights
    kernel, recurrent = reorder(kernel.T, order), reorder(recurrent.T, order)
    bias, recurrent_bias = [reorder(bias, order) for bias in biases] or [np.zeros(kernel.shape[1], np.float32)] * 2
    return Gates(kernel, recurrent, bias, recurrent_bias)


def _each(value: Sequence[int] | int, n_axes: int) -> list[int]:
    sizes = [value] if isinstance(value, int) else list(value)
    return sizes * n_axes if len(sizes) == 1 else sizes
