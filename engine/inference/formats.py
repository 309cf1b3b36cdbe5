"""Which file is opened by which framework."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from engine.errors import AssetInvalid, AssetNotFound, ConfigError, NotBuilt, nearest
from engine.inference.onnx_file import open_onnx
from engine.inference.predictor import Predictor

_NOT_BUILT = {
    ".h5": "a Keras model",
    ".keras": "a Keras model",
    ".pb": "a TensorFlow SavedModel",
    ".pt": "a TorchScript model",
    ".pt2": "a torch.export model",
    ".pth": "a TorchScript model",
}


def load(path: str | PathLike[str], device: str = "auto", threads: int = 1) -> Predictor:
    """Open a model file and run it once on zeros.

    Parameters
    ----------
    path : path
        An ``.onnx`` file; in a model script relative to its unpacked attachments.
    device : str
        ``auto`` or ``cpu``; what it became is `Predictor.device`.
    threads : int
        How many threads share the work of one call. One is fastest for small networks, and leaves the other cores to
        other jets.

    Raises
    ------
    AssetNotFound
        If there is no such file.
    AssetInvalid
        If it is not a model.
    NotBuilt
        If it is a model of another format, or the device is a GPU.
    """
    path = Path(path)
    _check_device(device)
    if threads < 1:
        raise ConfigError(f"{threads} threads cannot run a model: at least one is needed.")
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        raise AssetNotFound("model file", str(path), nearest(path.name, siblings))
    suffix = ".pb" if (path / "saved_model.pb").exists() else path.suffix.lower()
    if suffix in _NOT_BUILT:
        raise NotBuilt(f"loading {_NOT_BUILT[suffix]}", path.name)
    if suffix != ".onnx":
        raise AssetInvalid("model file", path.name, "is of no known format; export it as ONNX, to a name in .onnx")
    predictor = open_onnx(path, threads)
    # Beyond the batch, an axis of any length may have rules of its own that zeros of length 1 would break.
    if all(None not in tensor.shape[1:] for tensor in predictor.inputs):
        predictor.warm_up()
    return predictor


def _check_device(device: str) -> None:
    kind, _, number = device.partition(":")
    if kind in ("gpu", "cuda") and (not number or number.isdecimal()):
        raise NotBuilt(f"device {device}", "inference")
    if device not in ("auto", "cpu"):
        raise ConfigError(f"Device {device!r} is not known: auto, cpu or gpu:0.")
