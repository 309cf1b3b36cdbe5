"""Keras models and SavedModels on TensorFlow, compiled once for batches of any size.

TensorFlow is imported by the first file that is opened: it takes seconds. Its threads are those of the process, and
cannot be changed once it has begun to work.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import AssetInvalid, ConfigError, DeviceMissing, FrameworkMissing, NotBuilt
from engine.inference.devices import Device, Threads
from engine.inference.predictor import Array, Predictor, Tensor

_SIGNATURE = "serving_default"
_SAVED_MODEL_FIX = "save it with model.export(FOLDER) where it was trained, and load that folder"


def open_keras(path: Path, device: Device, threads: Threads) -> Predictor:
    """Return a predictor for a ``.keras`` or ``.h5`` file.

    Raises
    ------
    AssetInvalid
        If Keras does not take it: it is damaged, holds weights only, or has layers of its author's own.
    ConfigError
        If TensorFlow works already with another number of threads.
    DeviceMissing, FrameworkMissing
        If the GPU, or TensorFlow itself, is not there.
    NotBuilt
        If the model keeps state between calls, or does not say its inputs.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    tf, place = _begin(path, device, threads)
    keras = tf.keras
    backend = getattr(keras.config, "backend", lambda: "tensorflow")()
    if backend != "tensorflow":
        raise ConfigError(f"{path.name} is run by TensorFlow, and Keras is set to {backend}: KERAS_BACKEND=tensorflow.")
    with tf.device(place):
        try:
            model = keras.models.load_model(path, compile=False)
        except Exception as exc:  # Keras raises what its layers, h5py and zipfile raise
            raise AssetInvalid("model file", path.name, _keras_reason(exc)) from exc
    _refuse_state(model, path)
    inputs = [(tensor.name, tensor.shape, tensor.dtype) for tensor in model.inputs or ()]
    if not inputs:
        raise NotBuilt(f"a model that does not say its inputs ({_SAVED_MODEL_FIX})", path.name)
    # Several inputs are packed as the model was built: in a list, or in a dict by name.
    structure = model.input if len(inputs) > 1 else inputs[0]

    def call(*tensors: Any) -> Any:
        packed = tf.nest.pack_sequence_as(structure, tensors) if len(inputs) > 1 else tensors[0]
        return model(packed, training=False)

    return _predictor(tf, call, inputs, getattr(model, "output_names", ()), path, place, device, "keras")


def open_saved_model(path: Path, device: Device, threads: Threads) -> Predictor:
    """Return a predictor for a folder with a ``saved_model.pb``; what it raises is as for `open_keras`."""
    tf, place = _begin(path, device, threads)
    with tf.device(place):
        try:
            model = tf.saved_model.load(str(path))
        except Exception as exc:  # protobuf's, TensorFlow's and the file system's errors
            raise AssetInvalid("model folder", path.name, f"was not taken by TensorFlow: {_first_line(exc)}") from exc
    signatures = dict(model.signatures)
    if _SIGNATURE not in signatures and len(signatures) != 1:
        names = ", ".join(signatures) or "none"
        reason = f"has no signature {_SIGNATURE!r} ({names}); name it so when you save the model"
        raise AssetInvalid("model folder", path.name, reason)
    signature = signatures.get(_SIGNATURE) or next(iter(signatures.values()))
    specs = signature.structured_input_signature[1]
    inputs = [
        (name, spec.shape.as_list() if spec.shape.rank is not None else None, spec.dtype.name)
        for name, spec in specs.items()
    ]
    outputs = sorted(signature.structured_outputs)

    def call(*tensors: Any) -> Any:
        results = signature(**dict(zip(specs, tensors, strict=True)))
        return [results[name] for name in outputs]

    # The signature does not hold the variables of the model that it came from.
    return _predictor(tf, call, inputs, outputs, path, place, device, "tensorflow", keep=model)


def _begin(path: Path, device: Device, threads: Threads) -> tuple[Any, str]:
    """Import TensorFlow and set what is of the process; return it, and its name for the device."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors: the rest is about how it was built
    try:
        import tensorflow as tf
    except ImportError as exc:
        reason = "" if getattr(exc, "name", None) == "tensorflow" else str(exc)
        raise FrameworkMissing(path.name, "TensorFlow", "scoring-engine[tensorflow]", "tensorflow", reason) from exc
    _set_threads(tf, threads, path)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with suppress(RuntimeError):  # it has begun to work: whoever did that has decided
            tf.config.experimental.set_memory_growth(gpu, True)
    if not device.is_gpu:
        return tf, "/CPU:0"
    if device.number is None or device.number >= len(gpus):
        fix = "" if tf.test.is_built_with_cuda() else "It is built for the CPU: pip install 'tensorflow[and-cuda]'."
        raise DeviceMissing(str(device), "TensorFlow", ["cpu", *(f"gpu:{n}" for n in range(len(gpus)))], fix)
    # TF32 keeps 10 bits of a mantissa: scores would differ from those of the CPU in the third digit.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    return tf, f"/GPU:{device.number}"


def _set_threads(tf: Any, threads: Threads, path: Path) -> None:
    threading = tf.config.threading
    try:
        threading.set_intra_op_parallelism_threads(threads.count)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as exc:  # it has begun to work
        begun = threading.get_intra_op_parallelism_threads()
        if begun == threads.count:
            return
        told = (
            f"TensorFlow works in this process with {begun or 'as many threads as there are cores'}, not with"
            f" {threads.count}, which {path.name} shall run on: its threads are set by whoever uses it first."
        )
        if threads.is_asked:
            raise ConfigError(f"{told} Load the file before that, and every file with the same number.") from exc
        warnings.warn(told, RuntimeWarning, stacklevel=6)


def _predictor(
    tf: Any,
    call: Callable[..., Any],
    inputs: Sequence[tuple[str, Sequence[int | None] | None, str]],
    output_names: Sequence[str],
    path: Path,
    place: str,
    device: Device,
    backend: str,
    keep: object = None,
) -> Predictor:
    tensors = [_tensor(path, name, shape, tf.as_dtype(dtype)) for name, shape, dtype in inputs]
    signature = [tf.TensorSpec(shape, dtype, name=f"input_{n}") for n, (_, shape, dtype) in enumerate(inputs)]

    @tf.function(input_signature=signature, autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
    def run(*values: Any) -> Any:
        with tf.device(place):
            return tf.nest.flatten(call(*values))

    try:
        compiled = run.get_concrete_function()
    except Exception as exc:  # whatever a layer raises when it is traced
        raise AssetInvalid("model", path.name, f"cannot be compiled: {_first_line(exc)}") from exc
    results = list(compiled.structured_outputs)
    names = output_names if len(output_names) == len(results) else [f"output_{n}" for n in range(len(results))]
    outputs = [
        _tensor(path, name, result.shape.as_list() if result.shape.rank is not None else None, result.dtype)
        for name, result in zip(names, results, strict=True)
    ]

    def run_arrays(arrays: Sequence[Array]) -> Sequence[Array]:
        _ = keep
        return [_plain(result.numpy()) for result in compiled(*map(tf.constant, arrays))]

    return Predictor(run_arrays, tensors, outputs, str(device), name=path.name, backend=backend, n_lanes=1)


def _plain(array: Array) -> Array:
    """Return strings as text, as other frameworks do."""
    return np.vectorize(bytes.decode, otypes=[object])(array) if array.dtype == object else array


def _tensor(path: Path, name: str, shape: Sequence[int | None] | None, dtype: Any) -> Tensor:
    if shape is None:
        raise NotBuilt(f"{name}, an input or output of any number of axes,", path.name)
    try:
        numpy_dtype = np.dtype(np.object_ if dtype.name == "string" else dtype.name)
    except TypeError as exc:
        raise NotBuilt(f"{name}, an input or output of type {dtype.name},", path.name) from exc
    return Tensor(name, numpy_dtype, tuple(shape))


def _refuse_state(model: Any, path: Path) -> None:
    for layer in getattr(model, "layers", ()):
        if getattr(layer, "stateful", False):
            feature = f"layer {layer.name!r}, which keeps state of its own between calls (stateful=True),"
            raise NotBuilt(feature, path.name)


def _keras_reason(exc: Exception) -> str:
    text = _first_line(exc)
    if "No model config" in text:
        return "holds weights without a network; save the whole model with model.save(NAME.keras)"
    if "Could not locate" in text or "Lambda" in text or "Unknown layer" in text:
        return f"has layers that Keras does not know: {text}; {_SAVED_MODEL_FIX}"
    return f"was not taken by Keras: {text}"


def _first_line(exc: BaseException) -> str:
    text = str(exc).strip() or type(exc).__name__
    return text.splitlines()[0][:300].rstrip(".:")
