from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import inference
from engine.errors import SchemaMismatch


def test_a_graph_of_one_input_and_output_maps_an_array_to_an_array(doubling: Path) -> None:
    result = inference.load(doubling)(np.array([[1, 2], [3, 4]], np.float32))
    assert result.dtype == np.float32
    assert result.tolist() == [[2, 4], [6, 8]]


def test_a_graph_of_several_takes_and_gives_them_by_name(calculator: Path) -> None:
    result = inference.load(calculator)({"b": [1.0, 2.0], "a": [10.0, 20.0]})
    assert {name: array.tolist() for name, array in result.items()} == {"sum": [11, 22], "difference": [9, 18]}


@pytest.mark.parametrize(
    "value", [[[1.0, 2.0]], np.array([[1.0, 2.0]]), np.array([[1, 2]], np.int64)], ids=["list", "float64", "int"]
)
def test_numbers_of_another_type_are_converted(doubling: Path, value: Any) -> None:
    assert inference.load(doubling)(value).tolist() == [[2, 4]]


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (np.zeros((1, 3), np.float32), "float32 [1, 3]"),
        (np.zeros(2, np.float32), "float32 [2]"),
        (np.zeros((1, 2), np.complex64), "complex64 [1, 2]"),
        ([["1", "2"]], "<U1 [1, 2]"),
    ],
)
def test_an_array_that_does_not_fit_is_refused_by_name_shape_and_type(doubling: Path, value: Any, got: str) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        inference.load(doubling)(value)
    assert str(caught.value) == f"Field 'x': float32 [any, 2] expected, got {got}."


@pytest.mark.parametrize(
    "values", [{"a": [1.0]}, {"a": [1.0], "b": [1.0], "c": [1.0]}, [1.0]], ids=["missing", "unknown", "not a mapping"]
)
def test_inputs_other_than_the_graphs_are_refused(calculator: Path, values: Any) -> None:
    with pytest.raises(SchemaMismatch, match="a, b"):
        inference.load(calculator)(values)


def test_calls_rows_and_time_are_counted_and_the_warm_up_is_not(doubling: Path) -> None:
    predictor = inference.load(doubling)
    predictor.warm_up(1, 8)
    assert predictor.statistics.n_calls == 0
    assert predictor.statistics.mean_duration_s == 0.0
    predictor(np.zeros((1, 2)))
    predictor(np.zeros((5, 2)))
    statistics = predictor.statistics
    assert (statistics.n_calls, statistics.n_rows, statistics.max_rows) == (2, 6, 5)
    assert 0 < statistics.mean_duration_s <= statistics.max_duration_s < statistics.duration_s


def test_a_call_that_fails_is_not_counted(doubling: Path) -> None:
    predictor = inference.load(doubling)
    with pytest.raises(SchemaMismatch):
        predictor([1.0])
    assert predictor.statistics.n_calls == 0


def test_the_real_device_and_the_inputs_are_shown(doubling: Path) -> None:
    predictor = inference.load(doubling)
    assert predictor.device == "cpu"
    assert repr(predictor) == "Predictor(x: float32 [any, 2] on cpu)"
