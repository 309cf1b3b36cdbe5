from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import serving
from benchmarks.metrics import Predicted
from benchmarks.peers.servers import Engine, MLServer, Raw


def lane(p50=(100.0,), p99=(200.0,), rates=(1000.0,), predicted=None):
    return serving.Lane(Raw(), list(p50), list(p99), list(rates), predicted or Predicted())


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.1, 0.2], "2 scores came, and 3 are right"),
        ([0.1, 0.2, 0.4], "request 2 is off by 0.1"),
        ([0.1, float("nan"), 0.3], "is off by nan"),
        ([0.1, None, 0.3], "is off by nan"),
        ([0.2, 0.1, 0.3], "request 0 is off by 0.1"),
    ],
)
def test_a_score_that_is_wrong_or_missing_or_of_another_window_is_named(scores, said):
    with pytest.raises(AssertionError, match=said):
        serving.check("somebody", scores, [0.1, 0.2, 0.3])
    serving.check("somebody", [0.1, 0.2, 0.3 + 5e-7], [0.1, 0.2, 0.3])


def test_one_connection_is_judged_by_what_is_added_round_by_round_and_beside_every_peer():
    lanes = {"raw": lane(p50=(100.0, 300.0)), "LitServe": lane(p50=(500.0, 300.0)), "engine": lane(p50=(190.0, 390.0))}
    added, beside = serving.judge_one(lanes)
    assert (added["is"], added["is_met"]) == (90.0, True)
    assert ("LitServe" in beside["what"], beside["is"], beside["is_met"]) == (True, 0.84, True)


def test_many_connections_show_nothing_without_batches_and_want_three_times_fastapi_with_them():
    lanes = {
        "raw": lane(),
        "FastAPI": lane(rates=(1000.0,), p99=(100.0,)),
        "LitServe": lane(rates=(2000.0,)),
        "engine": lane(rates=(3100.0,), p99=(90.0,), predicted=Predicted(100, 799)),
    }
    assert [goal["is_met"] for goal in serving.judge_many(lanes)] == [None, None, None]
    lanes["engine"].predicted = Predicted(100, 800)
    assert [goal["is_met"] for goal in serving.judge_many(lanes)] == [True, True, True]
    lanes["engine"].rates = [2900.0]
    assert [goal["is_met"] for goal in serving.judge_many(lanes)] == [False, True, True]


def test_every_contender_is_asked_for_the_same_window():
    (window,) = serving.windows_of(1)
    protocol = MLServer.__new__(MLServer)  # without its environment
    assert json.loads(Engine().body(window)) == window == json.loads(Raw().body(window))
    (tensor,) = json.loads(protocol.body(window))["inputs"]
    assert (tensor["data"], tensor["shape"]) == (window, [1, 30])
    assert protocol.score({"outputs": [{"data": [0.25]}]}) == 0.25


def test_windows_follow_each_other_and_ticks_of_a_symbol_never_change():
    windows = np.array(serving.windows_of(5))
    assert windows.shape == (5, 30)
    assert np.array_equal(windows[1:, :-1], windows[:-1, 1:])
    ticks = serving.ticks_of(60)
    assert len({tick["symbol"] for tick in ticks}) == 20
    assert {(tick["symbol"], tick["price"]) for tick in ticks[:20]} == {(t["symbol"], t["price"]) for t in ticks[20:]}


@pytest.mark.integration
def test_engine_and_raw_server_score_windows_and_ticks_rightly(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(serving, "crew", lambda: ([Raw(), Engine()], ["FastAPI is left out. Nobody asked for it."]))
    serving.main(["--scale", "0.04", "--rounds", "1", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "serving.json").read_text())
    assert set(results["cases"]) == {"window x1", "window x32", "keyed x32"}
    for case in results["cases"].values():
        assert case["is_verified"] is True
        for figures in case["contenders"].values():
            assert 0 < figures["p50_us"]["min"] <= figures["p99_us"]["max"]
    assert results["cases"]["window x1"]["contenders"]["engine"]["mean_batch"] == 1.0
    assert results["cases"]["window x32"]["contenders"]["engine"]["mean_batch"] > 1.0
    assert "left out" in capsys.readouterr().out
