"""Where the time goes, as people read it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from engine.cli.job import Done
from engine.cli.profile import print_profile
from engine.cli.report import print_engine, tell_plan
from engine.cli.run import tell_predictors
from engine.runtime import EngineInfo, PlanInfo, PredictorInfo, ProfileInfo, TimeInfo

PLAN = PlanInfo(2, "the machine", 1, 2, "", "2 cores for the engine and 1 jet.")
LSTM = PredictorInfo("lstm.onnx", "onnxruntime", "cpu", 2, 128, 0.0256, 0.02, 64, 0.00128, {64: 2})
FUNCTION = PredictorInfo("predict()", "script", "", 2, 128, 0.03, 0.02, 64, 0.00128, {64: 2})
UNUSED = PredictorInfo("spare.onnx", "onnxruntime", "cpu")
NONE = TimeInfo(0, 0.0)


def profile(*predictors: PredictorInfo, action: TimeInfo = NONE, commit: TimeInfo = NONE) -> dict[str, Any]:
    return asdict(ProfileInfo("tf_sp500_lstm", PLAN, list(predictors), NONE, action, commit, NONE, 3, 64))


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the cells of each row behind its first word."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_a_predictor_tells_its_batches_and_the_time_of_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_profile(profile(LSTM))
    rows = rows_of(capsys.readouterr().out)
    assert rows["lstm.onnx"] == ["onnxruntime", "cpu", "2", "128", "64.0", "12800.0", "200.0", "10.0", "20.0"]


def test_one_that_was_not_called_has_no_means(capsys: pytest.CaptureFixture[str]) -> None:
    print_profile(profile(UNUSED))
    assert rows_of(capsys.readouterr().out)["spare.onnx"] == ["onnxruntime", "cpu", "0", "0", "-", "-", "-", "-", "0.0"]


def test_what_a_batched_function_calls_is_not_counted_twice(capsys: pytest.CaptureFixture[str]) -> None:
    print_profile(profile(LSTM, FUNCTION, action=TimeInfo(128, 0.0384), commit=TimeInfo(2, 0.01)))
    rows = rows_of(capsys.readouterr().out)
    assert rows["action(),"] == ["a", "record", "128", "0.038", "300.0"]
    assert rows["in"] == ["predictors,", "a", "call", "2", "0.026", "12800.0"]
    assert rows["commit"] == ["2", "0.01", "5000.0"]
    assert rows["synchronous"] == ["score", "0", "0.0", "-"]


def test_a_model_without_a_predictor_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_profile(profile())
    told = capsys.readouterr()
    assert "predictors" not in told.out
    assert "No predictor has been called" in told.err
    assert "3 records wait for a jet, and 64 are in one." in told.err


def test_an_engine_tells_its_plan_and_where_it_predicts(capsys: pytest.CaptureFixture[str]) -> None:
    jet = {"number": 1, "pid": 7, "status": "ready", "n_records": 5, "n_restarts": 0, "rss_bytes": None, "n_threads": 2}
    info = asdict(EngineInfo("RUNNING", plan=PLAN, predictors=[LSTM, FUNCTION]))
    print_engine(info | {"jets": [jet | {"silent_s": 11.6}]})
    told = capsys.readouterr()
    assert rows_of(told.out)["1"][-1] == "2"
    assert told.err.split("\n")[1:] == [
        "2 cores for the engine and 1 jet.",
        "lstm.onnx runs on cpu (onnxruntime).",
        "Jet 1 has answered nothing for 12 s.",
        "",
    ]


def test_an_older_engine_has_no_plan(capsys: pytest.CaptureFixture[str]) -> None:
    tell_plan({"jets": [{"number": 1}]})
    assert capsys.readouterr().err == ""


def test_a_run_says_at_its_end_how_large_the_batches_were(capsys: pytest.CaptureFixture[str]) -> None:
    tell_predictors(Done(EngineInfo("FINISHED", plan=PLAN, predictors=[UNUSED]), None, 1.0, ()))
    assert capsys.readouterr().err == ""
    tell_predictors(Done(EngineInfo("FINISHED", plan=PLAN, predictors=[LSTM, UNUSED, FUNCTION]), None, 1.0, ()))
    assert capsys.readouterr().err.splitlines() == [
        "2 cores for the engine and 1 jet.",
        "lstm.onnx on cpu: 128 rows in 2 calls, 64.0 a call, 200 us a row.",
        "predict(): 128 rows in 2 calls, 64.0 a call, 234 us a row.",
    ]
