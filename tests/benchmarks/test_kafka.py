import numpy as np
import pytest

from benchmarks import kafka
from benchmarks.over_kafka.loads import N_KEYS, WINDOW, Load, counting, key_of, wandering


def echo(n_records=40):
    return Load("no_op", n_records, counting, lambda values: values)


def right_outputs():
    return {key_of(nth): [float(nth), float(nth + N_KEYS)] for nth in range(N_KEYS)}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda got: None, ""),
        (lambda got: got[b"S003"].pop(), "1 outputs of S003 came, and 2 are right."),
        (lambda got: got[b"S003"].append(23.0), "3 outputs of S003 came, and 2 are right."),
        (lambda got: got[b"S003"].reverse(), "An output of S003 is off by 20."),
        (lambda got: got.pop(b"S003"), "0 outputs of S003 came, and 2 are right."),
        (lambda got: got.update({b"S999": [1.0]}), "1 outputs of S999 came, and 0 are right."),
    ],
)
def test_outputs_that_are_missing_or_wrong_or_too_many_are_named(spoil, said):
    got = right_outputs()
    spoil(got)
    assert echo().check(got) == said


def test_a_score_that_is_not_a_number_is_wrong():
    got = right_outputs()
    got[b"S000"][0] = float("nan")
    assert "off by nan" in echo().check(got)


def test_every_key_wanders_by_itself_and_the_same_way_every_time():
    values = wandering(2000)
    assert np.array_equal(values, wandering(2000))
    assert len({float(values[nth]) for nth in range(N_KEYS)}) == N_KEYS


def test_a_load_holds_every_key_equally_often_and_at_least_a_window_of_it(tmp_path):
    for load in kafka.loads_of(100, tmp_path).values():
        assert load.n_records == N_KEYS * (WINDOW + 1)


def test_a_goal_is_judged_round_by_round_where_both_sides_took_turns():
    given = {("no_op", kafka.ENGINE): [60.0, 300.0, 70.0], ("no_op", kafka.RAW): [100.0, 400.0, 100.0]}
    (goal,) = list(kafka.judge({}, given))
    assert (goal["is"], goal["is_met"]) == (0.7, True)


def test_a_goal_that_is_missed_says_so():
    given = {("lstm", kafka.ENGINE): [10.0], ("lstm", kafka.QUIX): [9.0]}
    (goal,) = list(kafka.judge({}, given))
    assert (goal["what"], goal["is_met"]) == ("lstm: engine / Quix Streams", False)


def test_latency_and_restore_are_judged_by_what_they_took():
    results = {
        "latency": {"contenders": {kafka.ENGINE: {"p99_ms": {"median": 151.0}}}},
        "restore": {"n_keys": 10, "first_score_s": 9.5},
    }
    assert [goal["is_met"] for goal in kafka.judge(results, {})] == [False, True]
