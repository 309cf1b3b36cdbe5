from __future__ import annotations

import pytest

from benchmarks import goals
from benchmarks.metrics import LEAST_BATCH, Predicted, parse


def test_a_goal_is_met_at_its_bound_and_missed_beyond_it():
    assert goals.at_least("rate", 0.8, 0.8)["is_met"] is True
    assert goals.at_least("rate", 0.79, 0.8)["is_met"] is False
    assert goals.at_most("added", 100.0, 100)["is_met"] is True
    assert goals.at_most("added", 100.1, 100)["is_met"] is False
    assert goals.below("growth", 1.2, 1.2)["is_met"] is False
    assert goals.below("growth", 1.19, 1.2)["is_met"] is True


@pytest.mark.parametrize("mean_batch", [None, 1.0, LEAST_BATCH - 0.01])
def test_a_run_without_batches_shows_nothing_however_fast_it_was(mean_batch):
    goal = goals.at_least("rate", 99.0, 3.0, mean_batch)
    assert goal["is_met"] is None
    assert goals.verdict(goal).startswith("not shown")


def test_a_batched_run_is_judged_like_any_other():
    assert goals.verdict(goals.at_least("rate", 3.1, 3.0, LEAST_BATCH)) == "yes"
    assert goals.verdict(goals.at_least("rate", 2.9, 3.0, 64.0)) == "NO"


def test_a_value_that_is_no_number_meets_no_goal():
    nan = float("nan")
    assert [judge("x", nan, 1.0)["is_met"] for judge in (goals.at_least, goals.at_most, goals.below)] == [False] * 3


def test_goals_are_printed_with_their_batch(capsys):
    goals.print_goals([goals.at_least("rate", 3.5, 3.0, 12.34), goals.at_most("added", 90.0, 100.0)])
    said = capsys.readouterr().out
    assert "12.3" in said
    assert said.count("yes") == 2


METRICS = """# TYPE engine_predictor_calls counter
engine_predictor_calls_total{predictor="lstm.onnx"} 811.0
engine_predictor_calls_total{predictor="other.onnx"} 9.0
engine_predictor_rows_total{predictor="lstm.onnx"} 1208.0
engine_predictor_rows_total{predictor="other.onnx"} 9.0
engine_predictor_batch_rows_bucket{le="1.0",predictor="lstm.onnx"} 809.0
engine_predictor_duration_seconds_count{predictor="lstm.onnx"} 829.0
"""


def test_calls_and_rows_of_all_predictors_are_added_up():
    assert parse(METRICS) == Predicted(820, 1217)
    assert parse("") == Predicted()


def test_the_mean_batch_is_of_what_was_counted_in_between():
    assert (Predicted(30, 400) - Predicted(10, 100)).mean_batch == 15.0
    assert Predicted(5, 5).mean_batch == 1.0
    assert Predicted().mean_batch is None
