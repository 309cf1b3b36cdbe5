"""The story that ``make demo-kafka`` tells is true."""

from __future__ import annotations

import pytest

from demo import kafka as demo
from testbed.kafka import KafkaCluster


def test_the_scores_of_a_killed_engine_are_those_of_an_undisturbed_one(
    kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "N_DAYS", 200)
    monkeypatch.chdir(demo.ROOT)
    demo.play(kafka)
    n_scores = 20 * (200 - demo.N_STEPS + 1)
    assert f"{n_scores:,} scores of 20 stocks: none is lost, none came twice" in capfd.readouterr().out


def test_scores_that_differ_are_said_to() -> None:
    with pytest.raises(demo.DemoFailed, match=r"scores of B are not the same"):
        demo.compare({"A": [1.0], "B": [1.0, 2.0]}, {"A": [1.0], "B": [2.0, 1.0]})
