"""The cores are shared between jets, and whoever has set a number of threads is obeyed."""

from __future__ import annotations

import pytest

from engine.runtime.cores import Cores
from engine.runtime.threads import LIBRARY_VARIABLES, plan_threads
from engine.settings import Settings


@pytest.mark.parametrize(
    ("n_cores", "n_jets", "n_threads"),
    [(1, 1, 1), (2, 1, 2), (2, 2, 1), (4, 1, 4), (8, 3, 2), (2, 9, 1), (4, 0, 4), (64, 1, 4), (64, 32, 2)],
)
def test_each_jet_gets_its_part_of_the_cores_and_at_least_one(n_cores, n_jets, n_threads):
    assert plan_threads(Settings(), n_jets, Cores(n_cores, "the machine")).n_threads == n_threads


def test_the_cores_that_are_given_count_and_not_those_that_are_there():
    plan = plan_threads(Settings(n_cpus=6), 2, Cores(64, "the machine"))
    assert (plan.n_cores, plan.n_threads) == (6, 3)


def test_a_number_of_threads_that_somebody_has_set_wins():
    plan = plan_threads(Settings(n_threads=5), 4, Cores(8, "the machine"))
    assert plan.environ()["ENGINE_THREADS"] == "5"
    assert "as ENGINE_THREADS says" in str(plan)


def test_what_a_script_computes_with_beside_its_predictors_gets_as_many():
    environ = plan_threads(Settings(), 1, Cores(3, "the machine")).environ()
    assert {environ[name] for name in ("ENGINE_THREADS", *LIBRARY_VARIABLES)} == {"3"}
    assert "ENGINE_DEVICE" not in environ


def test_a_device_is_passed_on():
    assert plan_threads(Settings(device="gpu:1"), 1, Cores(2, "the machine")).environ()["ENGINE_DEVICE"] == "gpu:1"


def test_the_plan_is_one_sentence():
    plan = plan_threads(Settings(), 2, Cores(4, "a CPU quota of 3.5"))
    assert str(plan) == "4 cores (a CPU quota of 3.5) for the engine and 2 jets; 2 threads for each predictor of each."
    plan = plan_threads(Settings(n_cpus=1, device="cpu"), 1)
    assert str(plan) == "1 core (given) for the engine and 1 jet; 1 thread for each predictor of it on cpu."
