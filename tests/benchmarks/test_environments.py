from __future__ import annotations

import sys

import pytest

from benchmarks import environments
from testbed.errors import TestbedError


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """What would be run, in place of running it; the last word of the one that is to fail may be added to `failing`."""
    ran = []

    def run(command):
        if failing and command[-1] in failing:
            raise TestbedError("uv ended with 1: no such release")
        ran.append(list(map(str, command)))
        if "venv" in command:
            (environments.Path(command[-1])).mkdir(parents=True, exist_ok=True)
        return ""

    failing = set()
    monkeypatch.setenv("ENGINE_TESTBED", str(tmp_path))
    monkeypatch.setattr(environments, "run", run)
    run.ran, run.failing = ran, failing
    return run


def installed(commands):
    return [command[command.index("--python") + 2 :] for command in commands.ran if "install" in command]


def test_an_environment_is_made_once_and_again_when_something_else_is_wanted(commands):
    first = environments.peer_python("peer-1", "peer==1")
    assert environments.peer_python("peer-1", "peer==1") == first
    assert installed(commands) == [["peer==1"]]
    environments.peer_python("peer-1", "peer==1", "numpy")
    assert installed(commands) == [["peer==1"], ["peer==1", "numpy"]]


def test_an_environment_that_could_not_be_filled_is_not_taken_for_one_that_is(commands):
    commands.failing.add("peer==9")
    for _ in range(2):
        with pytest.raises(TestbedError, match="no such release"):
            environments.peer_python("peer-9", "peer==9")
    commands.failing.clear()
    environments.peer_python("peer-9", "peer==9")
    assert installed(commands) == [["peer==9"]]


def test_a_program_that_fails_or_is_missing_is_named_with_what_it_said():
    with pytest.raises(TestbedError, match=r"ended with 3: it was me"):
        environments.run([sys.executable, "-c", "import sys; sys.stderr.write('it was me'); sys.exit(3)"])
    with pytest.raises(TestbedError, match="no-such-program is needed"):
        environments.run(["no-such-program"])
    assert environments.run([sys.executable, "-c", "print('yes')"]) == "yes\n"
