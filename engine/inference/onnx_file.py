"""ONNX files on onnxruntime, which is imported by the first file that is opened."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import AssetInvalid, DeviceMissing, FrameworkMissing, NotBuilt
from engine.inference.devices import CPU, Device, Threads
from engine.inference.predictor import Array, Predictor, Tensor

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
_CPU_PROVIDER, _CUDA_PROVIDER = "CPUExecutionProvider", "CUDAExecutionProvider"
_MIN_SHARED_ROWS = 8
"""From how many rows on threads share a call: below, one alone is as fast, for half the CPU. So it is for calls beside
each other."""
_MAX_TWICE_BYTES = 1 << 26
"""Up to which size a file is opened a second time, for such calls."""
_CPU_BUILD, _GPU_BUILD = "onnxruntime", "onnxruntime-gpu"


def open_onnx(path: Path, device: Device = CPU, threads: Threads | None = None) -> Predictor:
    """Return a predictor.

    Raises
    ------
    AssetInvalid
        If onnxruntime does not take the file.
    DeviceMissing
        If it does not see the GPU.
    FrameworkMissing
        If it is not installed.
    NotBuilt
        If the graph has inputs or outputs that are not dense tensors.
    """
    # Its official builds report to Microsoft unless this is set before the import (its own Privacy.md).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # costs 0.1 s and 60 MB, which only a script that loads a file should pay
    except ModuleNotFoundError as exc:
        raise FrameworkMissing(path.name, "onnxruntime", "onnxruntime", "onnxruntime") from exc

    n_threads = (threads or Threads()).count
    providers = _cuda(onnxruntime, device) if device.is_gpu else [_CPU_PROVIDER]
    try:
        session = onnxruntime.InferenceSession(str(path), _options(onnxruntime, n_threads), providers=providers)
        alone, n_lanes = session, 1
        if n_threads > 1 and not device.is_gpu and path.stat().st_size <= _MAX_TWICE_BYTES:
            n_lanes = n_threads
            alone = onnxruntime.InferenceSession(str(path), _options(onnxruntime, 1), providers=providers)
    except Exception as exc:  # onnxruntime raises a dozen classes of its own, all straight from Exception
        if device.is_gpu and "CUDA" in str(exc):
            raise DeviceMissing(str(device), "onnxruntime", ["cpu"], f"It says: {exc}.") from exc
        raise AssetInvalid("model file", path.name, f"was not taken by onnxruntime: {exc}") from exc
    # The provider that it took, which is not the first one asked for where that one could not be set up.
    if device.is_gpu and session.get_providers()[0] != _CUDA_PROVIDER:
        fix = "Its CUDA provider could not be set up: look for the driver with nvidia-smi; docs/inference.md says more."
        raise DeviceMissing(str(device), "onnxruntime", ["cpu"], fix)
    inputs = [_tensor(node, path) for node in session.get_inputs()]
    outputs = [_tensor(node, path) for node in session.get_outputs()]
    names = [tensor.name for tensor in inputs]
    output_names = [tensor.name for tensor in outputs]

    under_way: list[Sequence[Array]] = []

    def run(arrays: Sequence[Array]) -> Sequence[Array]:
        is_small = arrays and arrays[0].ndim and len(arrays[0]) < _MIN_SHARED_ROWS
        under_way.append(arrays)
        try:
            fitting = alone if is_small or len(under_way) > 1 else session
            results: Sequence[Array] = fitting.run(output_names, dict(zip(names, arrays, strict=True)))
        finally:
            under_way.pop()  # whichever: they are only counted
        return results

    return Predictor(
        run,
        inputs,
        outputs,
        str(device),
        name=path.name,
        backend="onnxruntime",
        n_lanes=n_lanes,
    )


def _options(onnxruntime: Any, n_threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    # A thread that spins while it waits takes the core of the next jet, or of the engine itself.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only: warnings are about the graph, and its exporter has seen them
    return options


def _cuda(onnxruntime: Any, device: Device) -> list[Any]:
    """Return the providers for a GPU; whatever CUDA has no kernel for runs on the CPU beside it."""
    if _CUDA_PROVIDER not in onnxruntime.get_available_providers():
        raise DeviceMissing(str(device), "onnxruntime", ["cpu"], _missing_build())
    # CUDA and cuDNN as packages lie where the loader does not look.
    onnxruntime.preload_dlls(directory="")
    # TF32 keeps 10 bits of a mantissa: scores would differ from those of the CPU in the third digit.
    return [(_CUDA_PROVIDER, {"device_id": device.number, "use_tf32": 0}), _CPU_PROVIDER]


def _missing_build() -> str:
    installed = {str(found.name).lower() for found in importlib.metadata.distributions()}
    if _GPU_BUILD in installed:
        return (
            f"{_CPU_BUILD} and {_GPU_BUILD} are both installed, and overwrite each other:"
            f" pip uninstall -y {_CPU_BUILD}, then pip install --force-reinstall --no-deps {_GPU_BUILD}."
        )
    return f"It is built for the CPU: pip uninstall -y {_CPU_BUILD}, then pip install '{_GPU_BUILD}[cuda,cudnn]'."


def _tensor(node: onnxruntime.NodeArg, path: Path) -> Tensor:
    if node.type not in _DTYPES:
        raise NotBuilt(f"an input or output of type {node.type}", path.name)
    # onnxruntime gives an axis of any length as its name, or as None if it has none.
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor(node.name, np.dtype(_DTYPES[node.type]), shape)
