from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import inference
from benchmarks.networks import N_STEPS, Network, write_onnx


def test_the_network_in_numpy_is_what_onnxruntime_says_of_its_file(tmp_path):
    from engine import inference as ours

    network = Network.draw(12)
    windows = np.random.default_rng(1).normal(size=(5, N_STEPS, 1)).astype(np.float32)
    assert np.abs(ours.load(write_onnx(network, tmp_path))(windows) - network.run(windows)).max() < 1e-5


class Fake(inference.Worker):
    def __init__(self, **seconds):
        self._seconds = {int(name[1:]): s for name, s in seconds.items()}
        self._longest = {}
        self.asked = []

    def ask(self, **question):
        self.asked.append(question["batch"])
        return {"seconds": self._seconds[question["batch"]]}


def test_a_batch_that_would_take_too_long_is_not_tried():
    worker = Fake(_1=0.01, _64=0.9, _256=9.0)
    assert [worker.rate("512", batch) for batch in (1, 64, 256)] == [100.0, pytest.approx(71.1, abs=0.1), 0.0]
    assert worker.asked == [1, 64]


@pytest.mark.integration
def test_a_framework_that_is_missing_is_named_and_the_others_are_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(inference, "BATCHES", (1, 8))
    monkeypatch.setattr(inference, "WRITERS", {name: inference.WRITERS[name] for name in ("ONNX", "torch")})
    monkeypatch.setitem(inference.NEEDS, "torch", ("no_such_package",))
    monkeypatch.setattr(inference, "has_gpu", lambda: False)
    arguments = ["--rounds", "1", "--units", "12", "--threads", "1", "--python", sys.executable, "--out", str(tmp_path)]
    inference.main(arguments)
    results = json.loads((tmp_path / "inference.json").read_text())
    (rates,) = results["networks"].values()
    assert set(rates) == {"ONNX, cpu, 1 thread"}
    assert set(rates["ONNX, cpu, 1 thread"]) == {"1", "8"}
    said = capsys.readouterr().out
    assert "torch is left out" in said
    assert "GPUs are left out" in said
