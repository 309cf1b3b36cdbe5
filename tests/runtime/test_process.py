import pytest

from engine.runtime.process import jet_environ
from engine.runtime.threads import ThreadPlan

PLAN = ThreadPlan(4, "the machine", 2, 2)


@pytest.mark.parametrize("name", ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "CUDA_VISIBLE_DEVICES", "SSL_CERT_FILE"])
def test_a_jet_sees_what_it_needs_to_run(tmp_path, name):
    assert jet_environ({name: "kept"}, tmp_path, PLAN)[name] == "kept"


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "ENGINE_TOKEN_FILE", "PGPASSWORD", "PYTHONPATH_OLD", "HOMEPAGE"]
)
def test_a_jet_sees_nothing_else_of_the_engines_environment(tmp_path, name):
    assert name not in jet_environ({name: "secret"}, tmp_path, PLAN)


def test_a_jet_imports_the_engine_and_reports_to_nobody(tmp_path):
    environ = jet_environ({"PYTHONPATH": "/elsewhere", "ORT_DISABLE_TELEMETRY": "0"}, tmp_path, PLAN)
    assert environ["PYTHONPATH"] == str(tmp_path)
    assert environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_a_jet_is_told_what_it_gets_of_the_cores(tmp_path):
    environ = jet_environ({}, tmp_path, PLAN)
    assert (environ["ENGINE_THREADS"], environ["OMP_NUM_THREADS"], environ["MKL_NUM_THREADS"]) == ("2", "2", "2")


def test_what_is_set_for_a_library_wins_over_the_plan(tmp_path):
    environ = jet_environ({"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": ""}, tmp_path, PLAN)
    assert (environ["OMP_NUM_THREADS"], environ["OPENBLAS_NUM_THREADS"]) == ("7", "2")
