"""PyTorch modules as ONNX, their recurrent layers as fused nodes straight from the weights.

``torch.export`` says which operations a module comes to; each of the usual ones is written as its node.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import AssetInvalid, FrameworkMissing
from engine.inference.graph import write_checked
from engine.inference.predictor import Array
from engine.inference.torch_operations import Unsupported
from engine.inference.torch_program import Translator

_FIX = (
    "save it with torch.export.save(torch.export.export(...), 'NAME.pt2') and load that, or try"
    " torch.onnx.export(..., dynamo=True)"
)


def export_torch(
    module: Any, path: str | os.PathLike[str], example: npt.ArrayLike | tuple[Any, ...], *, tolerance: float = 1e-5
) -> float:
    """Write a PyTorch module as ONNX, for batches of any size.

    It takes modules of LSTM, GRU and RNN layers (with ``batch_first=True``), linear and convolutional ones,
    normalisation, activations, reshaping, slicing and arithmetic. The graph is compared with the module itself, in
    its evaluation mode, at two batch sizes.

    Parameters
    ----------
    module : torch.nn.Module
        It is left as it was.
    path : path
        The file to write; it appears whole or not at all.
    example : array or tensor, or tuple of them
        Inputs of a batch of any size, their first axis the batch.
    tolerance : float
        How far graph and module may be apart, relative to results above 1.

    Returns
    -------
    float
        How far they were apart.

    Raises
    ------
    AssetInvalid
        If the module does something else, by the name of the layer; or works for one batch size only; or if the two
        are further apart. Nothing is written then.
    FrameworkMissing
        If PyTorch is not installed.

    Examples
    --------
    ``export_torch(network, "lstm.onnx", torch.zeros(1, 30, 1))`` where the network was trained, and
    ``inference.load("lstm.onnx")`` in a script.
    """
    try:
        import torch
    except ImportError as exc:
        raise FrameworkMissing(type(module).__name__, "PyTorch", "scoring-engine[torch]", "torch") from exc
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    given = example if isinstance(example, tuple) else (example,)
    examples = [torch.as_tensor(one, device=device) for one in given]
    if not examples or any(one.ndim == 0 or len(one) == 0 for one in examples):
        raise AssetInvalid("example for", type(module).__name__, "has no rows: its first axis is the batch")
    if odd := [one.dtype for one in examples if one.is_floating_point() and one.dtype != torch.float32]:
        raise AssetInvalid("example for", type(module).__name__, f"is of {odd[0]}; export module.float(), with float32")
    for name, layer in module.named_modules():
        if isinstance(layer, torch.nn.RNNBase) and not layer.batch_first:
            raise AssetInvalid("layer", name, "takes the steps before the batch; build it with batch_first=True")
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            program = _trace(torch, module, examples)
            translator = Translator(program)
            try:
                content = translator.translate()
            except Unsupported as exc:
                raise AssetInvalid(
                    "layer", exc.layer, f"{exc.what}, which export_torch does not write; {_FIX}"
                ) from exc
            return write_checked(
                path,
                content,
                _reference(torch, module, device),
                tolerance,
                draw=_drawer([one.cpu().numpy() for one in examples]),
            )
    finally:
        module.train(was_training)


def _trace(torch: Any, module: Any, examples: Sequence[Any]) -> Any:
    # What is traced with one row holds for one row only.
    doubled = tuple(torch.cat([one, one]) for one in examples)
    shapes, batch = torch.export.ShapesCollection(), torch.export.Dim("batch")
    for one in doubled:
        shapes[one] = {0: batch}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what the next release of PyTorch will do
        try:
            return torch.export.export(module, doubled, dynamic_shapes=shapes)
        except Exception as exc:  # whatever a module raises, and what torch.export raises about it
            reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
            name = type(module).__name__
            raise AssetInvalid(
                "network", name, f"cannot be traced for batches of any size: {reason[:300].rstrip('.')}"
            ) from exc


def _reference(torch: Any, module: Any, device: Any) -> Callable[[Sequence[Array]], list[Array]]:
    from torch.utils import _pytree as pytree  # the public torch.utils has no way to flatten a structure

    def run(arrays: Sequence[Array]) -> list[Array]:
        results = module(*(torch.from_numpy(array).to(device) for array in arrays))
        return [result.numpy(force=True) for result in pytree.tree_leaves(results)]

    return run


def _drawer(examples: Sequence[Array]) -> Callable[[int], list[Array]]:
    """Return what draws inputs: numbers of a normal distribution, or for whole numbers rows of the example."""

    def draw(batch_size: int) -> list[Array]:
        numbers = np.random.default_rng(batch_size)
        return [
            numbers.normal(size=(batch_size, *example.shape[1:])).astype(example.dtype)
            if example.dtype.kind == "f"
            else example[numbers.integers(0, len(example), batch_size)]
            for example in examples
        ]

    return draw
