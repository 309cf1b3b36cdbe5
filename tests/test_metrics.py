"""Numbers come out in the text form of Prometheus, in base units."""

import pytest

from engine import metrics


def value_of(sample: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(sample, labels)


def test_records_are_counted_by_slot_and_outcome() -> None:
    before = value_of("engine_records_total", slot="0", outcome="scored") or 0.0
    metrics.count_records(0, "scored", 500)
    assert value_of("engine_records_total", slot="0", outcome="scored") == before + 500


def test_the_time_in_action_is_a_sum_and_a_count() -> None:
    n_before, s_before = (value_of(f"engine_action_duration_seconds_{part}") or 0.0 for part in ("count", "sum"))
    metrics.add_action_time(1000, 0.25)
    assert value_of("engine_action_duration_seconds_count") == n_before + 1000
    assert value_of("engine_action_duration_seconds_sum") == pytest.approx(s_before + 0.25)


def test_the_time_of_what_was_done_is_read_back() -> None:
    before = metrics.times()
    metrics.add_queue_time(10, 0.5)
    metrics.observe_commit(0.25)
    found = {name: now - before[name] for name, now in metrics.times().items()}
    assert found["queue"] == metrics.Times(10, 0.5)
    assert (found["commit"].count, found["commit"].total_s) == (1, pytest.approx(0.25))
    assert found["score"] == metrics.Times()


def test_a_score_lands_in_its_bucket() -> None:
    before = value_of("engine_score_duration_seconds_bucket", le="0.0005") or 0.0
    metrics.observe_score(0.0003)
    assert value_of("engine_score_duration_seconds_bucket", le="0.0005") == before + 1


def test_a_status_that_is_not_named_any_more_is_gone() -> None:
    metrics.set_jets({"working": 2, "starting": 1})
    metrics.set_jets({"working": 3})
    assert value_of("engine_jets", status="working") == 3
    assert value_of("engine_jets", status="starting") is None


def test_one_state_at_a_time_is_the_engines() -> None:
    metrics.set_state("RUNNING", ["INIT", "RUNNING"])
    metrics.set_state("INIT", ["INIT", "RUNNING"])
    assert (value_of("engine_state", state="INIT"), value_of("engine_state", state="RUNNING")) == (1, 0)


def test_a_detached_slot_has_no_size() -> None:
    metrics.set_inbox(4, 10)
    metrics.forget_slot(4)
    metrics.forget_slot(4)
    assert value_of("engine_inbox_bytes", slot="4") is None


def test_the_text_is_what_prometheus_scrapes() -> None:
    metrics.count_restart()
    metrics.count_console_lines(3)
    metrics.set_outbox(1, 0)
    body, content_type = metrics.render()
    text = body.decode()
    assert content_type.startswith("text/plain")
    for line in (
        "engine_jet_restarts_total",
        "engine_console_lines_total",
        'engine_outbox_bytes{slot="1"} 0.0',
        "process_",
    ):
        assert line in text
    assert "_created" not in text
