"""Which file is opened by which framework, and on which device."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from engine.errors import AssetInvalid, AssetNotFound, DeviceMissing, nearest
from engine.inference.devices import Device, Threads, read_devices, read_threads
from engine.inference.onnx_file import open_onnx
from engine.inference.predictor import Predictor
from engine.inference.tensorflow_model import open_keras, open_saved_model
from engine.inference.torch_model import UntypedTensor, open_torch

_Open = Callable[[Path, Device, Threads], Predictor]

_BY_SUFFIX: dict[str, _Open] = {
    ".onnx": open_onnx,
    ".keras": open_keras,
    ".h5": open_keras,
    ".hdf5": open_keras,
    ".pt2": open_torch,
    ".pt": open_torch,
    ".pth": open_torch,
}
_GRAPH_FILE = "saved_model.pb"


def load(path: str | PathLike[str], device: str = "auto", threads: int | None = None) -> Predictor:
    """Open a model file and run it once on zeros.

    Parameters
    ----------
    path : path
        ONNX (``.onnx``), Keras (``.keras``, ``.h5``), the folder of a TensorFlow SavedModel, a program of torch.export
        (``.pt2``) or TorchScript (``.pt``, ``.pth``); in a model script relative to its unpacked attachments. The
        framework is imported by the first file that needs it.
    device : str
        ``cpu``, ``gpu:0`` (``gpu`` is the first), or several in the order in which they are tried: ``gpu:0,cpu``.
        ``auto`` is what the variable ENGINE_DEVICE says, or the CPU. What it became is `Predictor.device`; where that
        is not the first one, a warning says so.
    threads : int, optional
        How many threads share the work of one call; by default what the variable ENGINE_THREADS says, or one. One is
        fastest for small networks, and leaves the other cores to other jets.

    Raises
    ------
    AssetNotFound
        If there is no such file.
    AssetInvalid
        If it is not a model.
    ConfigError
        If there is no such device or number of threads.
    DeviceMissing
        If none of the devices is there.
    FrameworkMissing
        If what runs such files is not installed.
    NotBuilt
        If it has something that is not supported, by name.
    """
    path, devices = Path(path), read_devices(device)
    shared = read_threads(threads)
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        raise AssetNotFound("model file", str(path), nearest(path.name, siblings))
    predictor = _open_first(_choose(path), path, devices, shared)
    # Beyond the batch, an axis of any length may have rules of its own that zeros of length 1 would break.
    is_known = not any(isinstance(tensor, UntypedTensor) for tensor in predictor.inputs)
    if is_known and all(None not in tensor.shape[1:] for tensor in predictor.inputs):
        predictor.warm_up()
    return predictor


def _choose(path: Path) -> _Open:
    if path.is_dir():
        if (path / _GRAPH_FILE).exists():
            return open_saved_model
        reason = f"is a folder without a {_GRAPH_FILE}; of folders, those of TensorFlow's SavedModel can be loaded"
        raise AssetInvalid("model folder", path.name, reason)
    if path.name == _GRAPH_FILE:
        raise AssetInvalid("model file", path.name, "is one of several of a SavedModel; load the folder that it is in")
    open_file = _BY_SUFFIX.get(path.suffix.lower())
    if open_file is None:
        known = ", ".join(_BY_SUFFIX)
        raise AssetInvalid(
            "model file", path.name, f"is of no known format ({known}); export it as ONNX, to a name in .onnx"
        )
    return open_file


def _open_first(open_file: _Open, path: Path, devices: tuple[Device, ...], threads: Threads) -> Predictor:
    missing: list[DeviceMissing] = []
    for device in devices:
        try:
            predictor = open_file(path, device, threads)
        except DeviceMissing as exc:
            missing.append(exc)
            continue
        for error in missing:
            told = f"{path.name} runs on {device}: {error.framework} has no {error.device} here. {error.fix}"
            warnings.warn(told.rstrip(), RuntimeWarning, stacklevel=3)
        return predictor
    raise missing[0]
