import json

import pytest

from benchmarks import durability, keys


@pytest.mark.integration
def test_every_promise_is_measured_beside_none(tmp_path, capsys):
    durability.main(["--scale", "0.01", "--rounds", "2", "--out", str(tmp_path)])
    cases = json.loads((tmp_path / "durability.json").read_text())["cases"]
    assert set(cases) == {f"{name} x{n}" for name in durability.PROMISES for n in durability.N_CONNECTIONS}
    for case in cases.values():
        assert case["is_verified"] is True
        assert len(case["us_per_record"]["rounds"]) == 2
        assert 0 < case["p50_us"]["min"] <= case["p99_us"]["max"]
    assert {cases[f"false x{n}"]["ratio"] for n in durability.N_CONNECTIONS} == {1.0}
    assert "us/record" in capsys.readouterr().out


@pytest.mark.integration
def test_keys_are_measured_and_the_score_after_the_kill_is_right(tmp_path, capsys):
    keys.main(["--keys", "200", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "keys.json").read_text())
    assert results["n_keys"] == 200
    assert set(results["commits"]) == {"1", "100"}
    assert results["commits"]["100"]["keys_per_commit"] == 100
    assert results["kill_to_score_s"] > 0
    assert "bytes a key" in capsys.readouterr().out
