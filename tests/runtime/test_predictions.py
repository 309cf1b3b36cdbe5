"""What jets say of their predictors is added up: over jets, over their restarts, and for one model at a time."""

from __future__ import annotations

import pytest

from engine import metrics
from engine.runtime.predictions import Predictions


class Model:
    """A model, for what it is told apart by."""


class Jet:
    def __init__(self, model):
        self.model = model


def report(name="lstm.onnx", calls_by_rows=None, **fields):
    """Return what a predictor says of itself."""
    calls_by_rows = {} if calls_by_rows is None else calls_by_rows
    sums = {"n_calls": sum(calls_by_rows.values()), "n_rows": sum(n * rows for rows, n in calls_by_rows.items())}
    rest = {"duration_s": 0.0, "max_duration_s": 0.0, "max_rows": max(calls_by_rows, default=0), "waiting_s": 0.0}
    is_what = {"name": name, "backend": "onnxruntime", "device": "cpu"}
    return is_what | sums | rest | {"calls_by_rows": calls_by_rows} | fields


def value_of(sample, **labels):
    return metrics.REGISTRY.get_sample_value(f"engine_predictor_{sample}", {"predictor": "lstm.onnx", **labels})


@pytest.fixture
def predictions():
    yield Predictions()
    metrics.set_predictors([])


@pytest.fixture
def model(predictions):
    model = Model()
    predictions.use(model)
    return model


def test_the_counts_of_all_jets_are_added_up(predictions, model):
    one, other = Jet(model), Jet(model)
    predictions.take(one, [report(calls_by_rows={64: 2}, duration_s=0.5, max_duration_s=0.4, waiting_s=1.0)])
    predictions.take(other, [report(calls_by_rows={64: 1, 8: 1}, duration_s=0.25, max_duration_s=0.2)])
    predictions.take(one, [report(calls_by_rows={64: 3}, duration_s=0.75, max_duration_s=0.4, waiting_s=2.0)])
    [info] = predictions.infos(model)
    assert (info.n_calls, info.n_rows, info.duration_s, info.waiting_s) == (5, 4 * 64 + 8, 1.0, 2.0)
    assert (info.max_duration_s, info.max_rows, info.calls_by_rows) == (0.4, 64, {8: 1, 64: 4})
    assert info.mean_rows == 264 / 5


def test_nothing_falls_when_a_jet_begins_anew(predictions, model):
    jet = Jet(model)
    predictions.take(jet, [report(calls_by_rows={4: 10})])
    predictions.end(jet)
    predictions.take(jet, [report(calls_by_rows={4: 12})])
    assert predictions.infos(model)[0].n_calls == 22
    predictions.end(jet)
    predictions.take(jet, [report(calls_by_rows={})])
    assert predictions.infos(model)[0].n_calls == value_of("calls_total") == 22


def test_nothing_falls_when_a_script_drops_one_of_two_predictors_of_a_name(predictions, model):
    jet = Jet(model)
    predictions.take(jet, [report(calls_by_rows={4: 10}), report(calls_by_rows={2: 5})])
    predictions.take(jet, [report(calls_by_rows={2: 6})])
    predictions.take(jet, [report(calls_by_rows={2: 8})])
    [info] = predictions.infos(model)
    assert (info.n_calls, info.calls_by_rows) == (17, {2: 8, 4: 10})


def test_a_jet_that_has_no_predictor_any_more_takes_none_away(predictions, model):
    jet = Jet(model)
    predictions.take(jet, [report(calls_by_rows={4: 10})])
    predictions.take(jet, [])
    assert predictions.infos(model)[0].n_calls == 10
    predictions.take(jet, [report(calls_by_rows={4: 3})])  # it was loaded anew
    assert predictions.infos(model)[0].n_calls == 13


def test_predictors_are_told_apart_by_name(predictions, model):
    predictions.take(Jet(model), [report("ü.onnx", {1: 1}), report("a.onnx", {1: 2})])
    assert [(one.name, one.n_calls) for one in predictions.infos(model)] == [("a.onnx", 2), ("ü.onnx", 1)]


def test_copies_that_run_in_different_ways_are_both_named(predictions, model):
    predictions.take(Jet(model), [report(device="cuda:0")])
    predictions.take(Jet(model), [report(device="cpu")])
    predictions.take(Jet(model), [report(device="cuda:0")])
    assert predictions.infos(model)[0].device == "cuda:0, cpu"


def test_a_model_that_is_unloaded_is_forgotten(predictions, model):
    jet = Jet(model)
    predictions.take(jet, [report(calls_by_rows={1: 1})])
    predictions.end(jet)
    predictions.use(None)
    assert predictions.infos(model) == []
    assert value_of("calls_total") is None


def test_the_jets_of_a_model_that_was_replaced_add_nothing_to_its_successor(predictions, model):
    retiring, successor = Jet(model), Model()
    predictions.take(retiring, [report(calls_by_rows={1: 1})])
    predictions.take(Jet(successor), [report(calls_by_rows={1: 5})])
    assert value_of("calls_total") == 1
    predictions.use(successor)
    predictions.take(retiring, [report(calls_by_rows={1: 100})])
    assert predictions.infos(successor)[0].n_calls == value_of("calls_total") == 5


def test_all_of_it_is_a_metric(predictions, model):
    calls = {1: 3, 64: 2}
    predictions.take(Jet(model), [report(calls_by_rows=calls, duration_s=0.5, waiting_s=0.25)])
    assert value_of("rows_total") == 131
    assert (value_of("duration_seconds_count"), value_of("duration_seconds_sum")) == (5, 0.5)
    assert value_of("waiting_seconds_total") == 0.25
    buckets = [value_of("batch_rows_bucket", le=bound) for bound in ("1.0", "32.0", "64.0", "4096.0", "+Inf")]
    assert buckets == [3, 3, 5, 5, 5]
    assert value_of("batch_rows_sum") == 131
    assert value_of("info", backend="onnxruntime", device="cpu") == 1
    assert b"engine_predictor_batch_rows_bucket" in metrics.render()[0]


def test_a_call_of_more_rows_than_any_bucket_is_counted(predictions, model):
    predictions.take(Jet(model), [report(calls_by_rows={1 << 20: 1})])
    assert (value_of("batch_rows_bucket", le="4096.0"), value_of("batch_rows_bucket", le="+Inf")) == (0, 1)
