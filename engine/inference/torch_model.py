"""Programs of ``torch.export``, and TorchScript of older days, on PyTorch.

Nothing is unpickled: a checkpoint is refused by name, since to read one is to run whatever it holds.
"""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import AssetInvalid, DeviceMissing, FrameworkMissing, NotBuilt
from engine.inference.devices import Device, Threads
from engine.inference.predictor import Array, Predictor, Tensor

_FORCE_SAFE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_PICKLED = ("custom_obj", "opaque_obj")  # constants of a program that PyTorch would unpickle
_EXPORT_FIX = (
    "export it where it was trained, with engine.inference.export_torch(network, 'NAME.onnx', example) or with"
    " torch.export.save(torch.export.export(network.eval(), (example,), dynamic_shapes=...), 'NAME.pt2')"
)


@dataclass(frozen=True, slots=True)
class UntypedTensor(Tensor):
    """An input or output of TorchScript, which says neither types nor shapes: floats become float32."""

    def __str__(self) -> str:
        return "anything"

    def take(self, value: npt.ArrayLike) -> Array:
        """Return the value as an array."""
        array = np.asarray(value)
        return array.astype(np.float32) if array.dtype == np.float64 else array


def open_torch(path: Path, device: Device, threads: Threads) -> Predictor:
    """Return a predictor; what is in the file decides, not its name.

    Raises
    ------
    AssetInvalid
        If it is a checkpoint, or PyTorch does not take it.
    DeviceMissing, FrameworkMissing
        If the GPU, or PyTorch itself, is not there.
    NotBuilt
        If it takes or gives something else than tensors.
    """
    is_script = _is_script(path)
    torch, place = _begin(path, device)
    with _quiet():
        try:
            opened = torch.jit.load(str(path), map_location=place) if is_script else torch.export.load(path)
        except Exception as exc:  # its own, zipfile's, json's and pickle's
            raise AssetInvalid("model file", path.name, _reason(exc)) from exc
        call, inputs, outputs = (_script if is_script else _program)(torch, opened, path, place)

    def run(arrays: Sequence[Array]) -> Sequence[Array]:
        if (
            torch.get_num_threads() != threads.count
        ):  # of the process: other files, and the script, may want another number
            torch.set_num_threads(threads.count)
        with torch.inference_mode():
            # A frozen array cannot become a tensor without a warning, and is copied.
            tensors = [torch.from_numpy(array if array.flags.writeable else array.copy()) for array in arrays]
            return [result.numpy(force=True) for result in call([tensor.to(place) for tensor in tensors])]

    backend = "torchscript" if is_script else "torch.export"
    return Predictor(run, inputs, outputs, str(device), name=path.name, backend=backend, n_lanes=1)


def _is_script(path: Path) -> bool:
    """Look into the archive: TorchScript holds code, a program of torch.export models, a checkpoint neither."""
    try:
        with zipfile.ZipFile(path) as archive:
            # PyTorch finds members of an archive in any case of letters.
            inside = [(name.partition("/")[2] or name).lower() for name in archive.namelist()]
    except zipfile.BadZipFile as exc:
        if path.read_bytes()[:1] == b"\x80":  # how every pickle since protocol 2 begins
            raise _checkpoint(path) from exc
        raise AssetInvalid(
            "model file", path.name, "is no archive of PyTorch: it is damaged, or another format"
        ) from exc
    if any(name.startswith("data/aotinductor/") for name in inside):
        raise NotBuilt("a program compiled for one machine (AOTInductor)", path.name)
    if any(name.startswith("code/") for name in inside):
        return True
    if any(name.startswith("models/") or name.endswith("serialized_exported_program.json") for name in inside):
        if odd := [name for name in inside if name.rpartition("/")[2].startswith(_PICKLED)]:
            raise NotBuilt(f"a program that holds Python objects ({odd[0]})", path.name)
        return False
    raise _checkpoint(path)


def _checkpoint(path: Path) -> AssetInvalid:
    reason = f"is a checkpoint of pickled Python objects, which would run whatever code it holds; {_EXPORT_FIX}"
    return AssetInvalid("model file", path.name, reason)


def _begin(path: Path, device: Device) -> tuple[Any, str]:
    try:
        import torch
    except (ImportError, OSError, ValueError) as exc:  # the latter two where libraries of CUDA are missing
        reason = "" if getattr(exc, "name", None) == "torch" else _first_line(exc)
        raise FrameworkMissing(path.name, "PyTorch", "scoring-engine[torch]", "torch", reason) from exc
    if not device.is_gpu:
        return torch, "cpu"
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.number is None or device.number >= n_gpus:
        fix = "" if torch.version.cuda else "It is built for the CPU: install a build of torch for CUDA."
        raise DeviceMissing(str(device), "PyTorch", ["cpu", *(f"gpu:{n}" for n in range(n_gpus))], fix)
    # TF32 keeps 10 bits of a mantissa: scores would differ from those of the CPU in the third digit.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch, f"cuda:{device.number}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Have PyTorch not unpickle, and not warn whoever loads a file about how it was written."""
    before = os.environ.get(_FORCE_SAFE)
    os.environ[_FORCE_SAFE] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ[_FORCE_SAFE]
        else:
            os.environ[_FORCE_SAFE] = before


_Opened = tuple[Callable[[Sequence[Any]], Sequence[Any]], list[Tensor], list[Tensor]]


def _program(torch: Any, program: Any, path: Path, place: str) -> _Opened:
    from torch.utils import (
        _pytree as pytree,
    )  # the only way to the structure of inputs; torch.export's own documents use it

    if place != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, place)
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    signature, spec = program.graph_signature, program.call_spec.in_spec
    inputs = [_tensor(torch, name, values.get(name), path) for name in signature.user_inputs]
    outputs = [_tensor(torch, name, values.get(name), path) for name in signature.user_outputs]
    module = program.module()

    def call(tensors: Sequence[Any]) -> Sequence[Any]:
        positional, named = pytree.tree_unflatten(tensors, spec)
        return list(pytree.tree_leaves(module(*positional, **named)))

    return call, inputs, outputs


def _tensor(torch: Any, name: object, value: Any, path: Path) -> Tensor:
    if not isinstance(value, torch.Tensor):
        raise NotBuilt(f"{name!r}, an input or output that is not a tensor,", path.name)
    try:
        dtype = torch.empty(0, dtype=value.dtype).numpy().dtype
    except TypeError as exc:
        raise NotBuilt(f"{name}, an input or output of type {value.dtype},", path.name) from exc
    return Tensor(str(name), dtype, tuple(size if isinstance(size, int) else None for size in value.shape))


def _script(torch: Any, script: Any, path: Path, place: str) -> _Opened:  # noqa: ARG001 - as of the other
    schema = script.eval().forward.schema
    names = []
    for argument in schema.arguments[1:]:
        if argument.type.kind() == "TensorType":
            names.append(argument.name)
        elif not argument.has_default_value():
            raise NotBuilt(f"{argument.name!r}, an input that is not a tensor,", path.name)
    n_outputs = sum(_count_tensors(returned.type, path) for returned in schema.returns)
    dtype = np.dtype(np.float32)
    inputs: list[Tensor] = [UntypedTensor(name, dtype, ()) for name in names]
    outputs: list[Tensor] = [UntypedTensor(f"output_{n}", dtype, ()) for n in range(n_outputs)]
    frozen = torch.jit.freeze(script)
    return (lambda tensors: list(_flatten(frozen(*tensors)))), inputs, outputs


def _count_tensors(kind: Any, path: Path) -> int:
    if kind.kind() == "TensorType":
        return 1
    if kind.kind() == "TupleType":
        return sum(_count_tensors(element, path) for element in kind.elements())
    raise NotBuilt(f"an output of type {kind}", path.name)


def _flatten(result: Any) -> Iterator[Any]:
    if isinstance(result, tuple):
        for element in result:
            yield from _flatten(element)
    else:
        yield result


def _reason(exc: Exception) -> str:
    text = _first_line(exc)
    if "Weights only load failed" in text:
        return f"holds pickled Python objects, which would run whatever code they bring; {_EXPORT_FIX}"
    return f"was not taken by PyTorch: {text}"


def _first_line(exc: BaseException) -> str:
    text = str(exc).strip() or type(exc).__name__
    return text.splitlines()[0][:300].rstrip(".:")
