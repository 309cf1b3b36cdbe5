import json

import pytest

from benchmarks import score


@pytest.mark.integration
def test_every_case_is_verified_and_written_with_its_spread(tmp_path, capsys):
    score.main(["--scale", "0.01", "--rounds", "2", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "score.json").read_text())
    assert set(results["cases"]) == {f"{model} x{n}" for model in score.SCRIPTS for n in score.N_CONNECTIONS}
    for case in results["cases"].values():
        assert case["is_verified"] is True
        for figures in ("raw_p50_us", "raw_p99_us", "raw_rates", "engine_p50_us", "engine_p99_us", "engine_rates"):
            assert len(case[figures]["rounds"]) == 2
            assert 0 < case[figures]["min"] <= case[figures]["median"] <= case[figures]["max"]
        assert case["engine_jet_cpu_us"]["min"] > 0
    assert results["cases"]["no_op x32"]["rate_to_starlette"] > 0
    assert results["cases"]["no_op x1"]["mean_batch"] is None  # there is nothing to be predicted
    assert "added us" in capsys.readouterr().out


def side(*answers):
    return score.Side(0, {}, answers=list(answers))


@pytest.mark.parametrize(
    ("name", "n_connections", "raw", "engine", "is_right"),
    [
        ("no_op", 1, [0.5, 1.5], [0.5, 1.5], True),
        ("no_op", 32, [0.5, 1.5], [1.5, 0.5], False),
        ("tf_sp500_lstm", 1, [0.1, 0.2], [0.1, 0.2], True),
        ("tf_sp500_lstm", 1, [0.1, 0.2], [0.1, 0.3], False),
        ("tf_sp500_lstm", 1, [None, 0.2], [None, 0.2], False),
        ("tf_sp500_lstm", 32, [0.1, 0.1], [0.1, 0.1], True),
        ("tf_sp500_lstm", 32, [0.1, 0.1], [0.1, None], False),
    ],
)
def test_a_wrong_or_missing_score_is_noticed(name, n_connections, raw, engine, is_right):
    assert score.check(name, n_connections, ["0.5", "1.5"], [side(raw), side(engine)]) is is_right
