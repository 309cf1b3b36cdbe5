from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.inference.predictor import Array, Predictor, Tensor, intercept

TENSOR = Tensor("x", np.dtype(np.float32), (None, 2))


def doubling(shape: tuple[int | None, ...] = (None, 2)) -> Predictor:
    tensor = Tensor("x", np.dtype(np.float32), shape)
    return Predictor(lambda arrays: [arrays[0] * 2], [tensor], [tensor], "cpu", name="double.onnx", backend="numpy")


def test_a_report_counts_calls_by_their_rows() -> None:
    predictor = doubling()
    for n_rows in (1, 2, 3, 4, 5, 64, 65):
        predictor(np.ones((n_rows, 2), np.float32))
    report = predictor.report()
    assert report["calls_by_rows"] == {1: 1, 2: 1, 4: 2, 8: 1, 64: 1, 128: 1}
    assert (report["n_calls"], report["n_rows"], report["max_rows"]) == (7, 144, 65)
    assert (report["name"], report["backend"], report["device"]) == ("double.onnx", "numpy", "cpu")


@pytest.mark.parametrize(("shape", "is_batchable"), [((None, 2), True), ((1, 2), False), ((), False)])
def test_only_graphs_of_any_number_of_rows_are_batchable(shape: tuple[int | None, ...], is_batchable: bool) -> None:
    assert doubling(shape).is_batchable is is_batchable


def test_no_rows_give_no_rows_without_a_call() -> None:
    predictor = doubling((None, 3))
    assert predictor(np.empty((0, 3))).shape == (0, 3)
    assert predictor.report()["n_calls"] == 0


def test_calls_are_answered_by_who_intercepts_them() -> None:
    predictor, seen = doubling(), []

    def take(asked: Predictor, arrays: list[Array]) -> Any:
        seen.append((asked, arrays))
        return [array + 1 for array in asked.run(arrays)]

    intercept(take)
    try:
        assert predictor([[1.0, 2.0]]).tolist() == [[3.0, 5.0]]
    finally:
        intercept()
    assert predictor([[1.0, 2.0]]).tolist() == [[2.0, 4.0]]
    [(asked, [array])] = seen
    assert asked is predictor
    assert array.dtype == np.float32
