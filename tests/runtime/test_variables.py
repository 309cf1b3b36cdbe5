import os

import pytest

from engine.runtime.variables import build_variables


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "SSL_CERT_FILE",
        "HTTPS_PROXY",
        "no_proxy",
        "PIP_CERT",
        "UV_INDEX_URL",
        "UV_INDEX_OURS_PASSWORD",
    ],
)
def test_what_a_build_needs_is_passed_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "value")
    assert build_variables() == {name: "value", "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}


@pytest.mark.parametrize(
    "name",
    [
        "ENGINE_TOKEN_FILE",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "DATABASE_URL",
        "UV_PUBLISH_TOKEN",
        "NETRC",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "MY_PATH",
        "PATHS",
    ],
)
def test_secrets_and_what_leads_astray_are_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "hunter2")
    assert name not in build_variables()
