"""ONNX files on onnxruntime, which is imported by the first file that is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import AssetInvalid, NotBuilt
from engine.inference.predictor import Predictor, Tensor

if TYPE_CHECKING:
    import onnxruntime

_DTYPES = {
    "tensor(bool)": np.bool_,
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(string)": np.object_,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
}


def open_onnx(path: Path, threads: int) -> Predictor:
    """Return a predictor on the CPU.

    Raises
    ------
    AssetInvalid
        If onnxruntime does not take the file.
    NotBuilt
        If the graph has inputs or outputs that are not dense tensors.
    """
    # Its official builds report to Microsoft unless this is set before the import (its own Privacy.md).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # costs 0.1 s and 60 MB, which only a script that loads a file should pay

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A thread that spins while it waits takes the core of the next jet, or of the engine itself.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only: warnings are about the graph, and its exporter has seen them
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # onnxruntime raises a dozen classes of its own, all straight from Exception
        raise AssetInvalid("model file", path.name, f"was not taken by onnxruntime: {exc}") from exc
    inputs = [_tensor(node, path) for node in session.get_inputs()]
    outputs = [_tensor(node, path) for node in session.get_outputs()]
    names = [tensor.name for tensor in inputs]
    output_names = [tensor.name for tensor in outputs]
    # The provider that onnxruntime took, which is not always the first one asked for.
    device = session.get_providers()[0].removesuffix("ExecutionProvider").lower()
    return Predictor(
        lambda arrays: session.run(output_names, dict(zip(names, arrays, strict=True))),
        inputs,
        outputs,
        device,
        name=path.name,
        backend="onnxruntime",
    )


def _tensor(node: onnxruntime.NodeArg, path: Path) -> Tensor:
    if node.type not in _DTYPES:
        raise NotBuilt(f"an input or output of type {node.type}", path.name)
    # onnxruntime gives an axis of any length as its name, or as None if it has none.
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor(node.name, np.dtype(_DTYPES[node.type]), shape)
