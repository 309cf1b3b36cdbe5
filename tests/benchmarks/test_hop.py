import json

import pytest

from benchmarks import hop


@pytest.mark.integration
def test_all_formats_are_verified_and_written_with_their_spread(tmp_path, capsys):
    hop.main(["--records", "3000", "--rounds", "2", "--out", str(tmp_path)])
    results = json.loads((tmp_path / "hop.json").read_text())
    assert set(results["cases"]) == {"avro", "avro bar", "avro tick", "json"}
    assert {"cpu", "cores", "python", "versions", "load_before"} <= set(results["machine"])
    for case in results["cases"].values():
        assert case["is_verified"] is True
        assert case["ratio"] > 0
        for side in ("loop_ns", "batches_ns", "engine_ns"):
            assert len(case[side]["rounds"]) == 2
            assert 0 < case[side]["min"] <= case[side]["median"] <= case[side]["max"]
    assert "of the loop" in capsys.readouterr().out
