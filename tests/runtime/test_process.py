import pytest

from engine.runtime.process import jet_environ


@pytest.mark.parametrize("name", ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "CUDA_VISIBLE_DEVICES", "SSL_CERT_FILE"])
def test_a_jet_sees_what_it_needs_to_run(tmp_path, name):
    assert jet_environ({name: "kept"}, tmp_path)[name] == "kept"


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "ENGINE_TOKEN_FILE", "PGPASSWORD", "PYTHONPATH_OLD", "HOMEPAGE"]
)
def test_a_jet_sees_nothing_else_of_the_engines_environment(tmp_path, name):
    assert name not in jet_environ({name: "secret"}, tmp_path)


def test_a_jet_imports_the_engine_and_reports_to_nobody(tmp_path):
    environ = jet_environ({"PYTHONPATH": "/elsewhere", "ORT_DISABLE_TELEMETRY": "0"}, tmp_path)
    assert environ["PYTHONPATH"] == str(tmp_path)
    assert environ["ORT_DISABLE_TELEMETRY"] == "1"
