from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import files, growth
from benchmarks.ticks import N_STEPS, Ticks, check


def test_the_window_of_a_record_has_the_prices_of_its_own_symbol_with_its_own_last():
    ticks = Ticks(3, np.arange(1.0, 101.0))
    windows = ticks.windows()
    assert windows.shape == (100, N_STEPS)
    assert np.array_equal(windows[:, -1], ticks.prices)
    assert windows[0, :-1].tolist() == [0.0] * (N_STEPS - 1)
    assert windows[99, -3:].tolist() == [94.0, 97.0, 100.0]
    assert np.count_nonzero(windows[99]) == N_STEPS


def test_symbols_wander_by_themselves_and_the_same_way_every_time():
    ticks = Ticks.draw(50, 20)
    assert np.array_equal(ticks.prices, Ticks.draw(50, 20).prices)
    assert len(set(ticks.prices.tolist())) == 50


@pytest.mark.parametrize(
    ("got", "said"),
    [
        ([1.0, 2.0], "2 scores came, and 3 are right"),
        ([1.0, 2.1, 3.0], "record 1 is off by 0.05"),
        ([1.0, 2.0, float("nan")], "off by nan"),
    ],
)
def test_a_score_that_is_wrong_or_missing_is_named(got, said):
    with pytest.raises(AssertionError, match=said):
        check("engine", np.array(got), np.array([1.0, 2.0, 3.0]), 1e-6)


def size(n_keys, n_records, *seconds):
    rounds = list(seconds)
    us = [s / n_records * 1e6 for s in rounds]

    def kept(values):
        return {"median": float(np.median(values)), "rounds": values}

    return {"n_keys": n_keys, "n_records": n_records, "seconds": kept(rounds), "us": kept(us)}


def grown(last):
    sizes = (10_000, 100_000, 1_000_000)
    steady = [size(1000, n, 0.1 + n * 5e-6) for n in sizes]
    return [*(size(20, n, 0.1 + n * 5e-6) for n in sizes[:2]), size(20, sizes[2], last), *steady]


def test_what_a_run_costs_at_its_begin_does_not_hide_that_records_get_dearer():
    assert [goal["is_met"] for goal in growth.judge("mean", grown(0.1 + 5.0))] == [True] * 5
    whole, further, *_ = growth.judge("mean", grown(0.1 + 0.5 + 0.9 * 6.5))
    assert whole["is_met"] is True  # 15 us of the first run's are its begin
    assert (further["is"], further["is_met"]) == (1.3, False)


def test_more_keys_that_make_records_dearer_miss_the_goal():
    cases = [
        size(20, 100, 1.0, 2.0),
        size(20, 1000, 10.0, 11.0),
        size(1000, 100, 1.0, 2.0),
        size(1000, 1000, 13.0, 15.0),
    ]
    *_, keys = growth.judge("lstm", cases)
    assert keys["is_met"] is False


@pytest.mark.integration
def test_files_are_verified_for_many_keys_and_for_one(tmp_path, capsys):
    files.main(["--records", "400", "--rounds", "1", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "files.json").read_text())
    assert set(results["cases"]) == {"20 keys", "1 key"}
    for case in results["cases"].values():
        assert case["is_verified"] is True
        assert case["contenders"][files.ENGINE]["mean_batch"] > 1
    assert len(results["goals"]) == 2
    assert "mean batch" in capsys.readouterr().out


@pytest.mark.integration
def test_every_size_and_number_of_keys_is_verified(tmp_path, capsys):
    growth.main(["--scale", "0.002", "--rounds", "1", "--only", "mean", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "growth.json").read_text())
    assert {(case["n_keys"], case["n_records"]) for case in results["parts"]["mean"]} == {
        (n_keys, n_records) for n_keys in growth.N_KEYS for n_records in (64, 200, 2000)
    }
    assert "us/further record" in capsys.readouterr().out
