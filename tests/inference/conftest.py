"""Graphs small enough to check by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def write_graph(path: Path, inputs: dict[str, Any], outputs: dict[str, Any], nodes: list[tuple[str, str, str]]) -> Path:
    """Write float graphs: shapes by name, and nodes as (operator, inputs, output) with blanks between names."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(op, names.split(), [output]) for op, names, output in nodes],
        "small",
        *(
            [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in face.items()]
            for face in (inputs, outputs)
        ),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A graph that doubles rows of two."""
    return write_graph(tmp_path / "doubling.onnx", {"x": ["n", 2]}, {"y": ["n", 2]}, [("Add", "x x", "y")])


@pytest.fixture
def calculator(tmp_path: Path) -> Path:
    """A graph of two inputs and two outputs."""
    shape = ["n"]
    return write_graph(
        tmp_path / "calculator.onnx",
        {"a": shape, "b": shape},
        {"sum": shape, "difference": shape},
        [("Add", "a b", "sum"), ("Sub", "a b", "difference")],
    )
