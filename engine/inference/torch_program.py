"""A program of ``torch.export`` as a graph of ONNX."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.inference.graph import Graph, Shape
from engine.inference.predictor import Array
from engine.inference.torch_operations import SIZE, WRITERS, Unsupported


class Translator:
    """Turns a program into a graph.

    Parameters
    ----------
    program : torch.export.ExportedProgram
        Its inputs' first axes are the batch.
    """

    def __init__(self, program: Any) -> None:
        self._program, self.graph = program, Graph()
        self._values: dict[str, Any] = {}
        self.node: Any = None

    def translate(self) -> bytes:
        """Return the content of the ONNX file.

        Raises
        ------
        Unsupported
            If an operation, or what it is asked to do, has no node here.
        """
        signature, inputs = self._program.graph_signature, {}
        weights = _read_weights(self._program)
        outputs: dict[str, tuple[str, Shape]] = {}
        for node in self._program.graph.nodes:
            self.node = node
            if node.op == "placeholder" and node.name in weights:
                self._values[node.name] = weights[node.name]
            elif node.op == "placeholder":
                self._values[node.name] = node.name
                inputs[node.name] = _shape(node), _dtype(node)
            elif node.op == "call_function" and node.users:
                self._values[node.name] = self._call(node)
            elif node.op == "output":
                for number, found in enumerate(node.args[0]):
                    if not hasattr(found, "meta"):
                        raise self.unsupported("gives something else than tensors")
                    name = "output" if len(node.args[0]) == 1 else f"output_{number}"
                    outputs[name] = self.name(self._read(found)), _shape(found)
        if not inputs or len(outputs) != len(signature.user_outputs):
            raise self.unsupported("takes no tensors, or changes a buffer")
        return self.graph.write(inputs, outputs)

    def _call(self, node: Any) -> Any:
        arguments = [self._read(argument) for argument in node.args]
        if node.target is operator.getitem:
            return arguments[0][arguments[1]]
        if node.target in (operator.mul, operator.add, operator.sub, operator.floordiv):
            return SIZE  # of lengths
        name = str(node.target).removeprefix("aten.")
        write = WRITERS.get(name)
        if write is None:
            raise self.unsupported(f"calls {node.target}")
        return write(self, *arguments, **{key: self._read(value) for key, value in node.kwargs.items()})

    def _read(self, argument: Any) -> Any:
        if isinstance(argument, list | tuple):
            return [self._read(one) for one in argument]
        return self._values[argument.name] if hasattr(argument, "op") and hasattr(argument, "name") else argument

    def name(self, value: Any) -> str:
        """Return what a value is called in the graph; weights and numbers become constants."""
        if isinstance(value, str):
            return value
        if isinstance(value, np.ndarray):
            return self.graph.constant(value, value.dtype if value.dtype.kind != "f" else np.float32)
        if isinstance(value, int | float):
            return self.graph.constant(float(value))
        raise self.unsupported("uses the length of the batch, or a structure, as a number")

    def unsupported(self, what: str) -> Unsupported:
        """Return the error about the operation in work, by the layer that it comes from."""
        stack = self.node.meta.get("nn_module_stack") or {}
        path, kind = ([*stack.values()] or [("", "the module itself")])[-1]
        return Unsupported(path or str(kind).rpartition(".")[2], what)

    def rank(self, position: int = 0) -> int:
        """Return how many axes an argument of the operation in work has."""
        return int(self.node.args[position].meta["val"].ndim)


def _read_weights(program: Any) -> Mapping[str, Array]:
    signature = program.graph_signature
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    constants = dict(getattr(signature, "inputs_to_lifted_tensor_constants", {}))
    found = {name: program.state_dict.get(path, program.constants.get(path)) for name, path in named.items()}
    found |= {name: program.constants[path] for name, path in constants.items()}
    return {name: tensor.numpy(force=True) for name, tensor in found.items()}


def _shape(node: Any) -> Shape:
    sizes = node.meta["val"].shape
    # torch.export calls lengths that follow from the batch by expressions of their own.
    return [
        size if isinstance(size, int) else "batch" if not number else f"axis_{number}"
        for number, size in enumerate(sizes)
    ]


def _dtype(node: Any) -> Any:
    return np.dtype(str(node.meta["val"].dtype).removeprefix("torch."))
