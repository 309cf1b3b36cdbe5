import base64
import configparser
import fcntl
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from engine.errors import EnvironmentFailed
from engine.runtime import environment as environment_module
from engine.runtime.environment import JET_REQUIREMENTS, Environment, build_environment, import_path

ROOT = Path(__file__).parents[2]

BUILDER = """
import sys
from pathlib import Path
from engine.runtime import environment

environment.JET_REQUIREMENTS = {"sys": "sys"}
environment._Build._installed = lambda build: {"sys"}
lines = []
environment.build_environment("lstm", Path(sys.argv[1]), Path(sys.argv[2]), on_progress=lines.append)
print("built" if any("Building" in line for line in lines) else "found")
"""


def wheel(folder: Path, name: str, version: str, source: str) -> Path:
    """Write a wheel with one module, so that no network is needed."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{file},sha256={digest},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]))
    return path


@pytest.fixture
def attachments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with requirements that are met by a wheel beside them, and a jet that needs nothing more."""
    monkeypatch.setattr(environment_module, "JET_REQUIREMENTS", {"tiny": "tiny"})
    folder = tmp_path / "attachments"
    folder.mkdir()
    wheel(folder, "tiny", "1.0", "answer = 42")
    (folder / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def run(environment: Environment, source: str, **variables: str) -> str:
    command = [environment.python, "-c", source]
    return subprocess.run(
        command, cwd=environment.path, env=variables, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_the_model_asks_for_is_installed_away_from_the_engine(attachments: Path, cache: Path) -> None:
    lines: list[str] = []

    environment = build_environment("lstm", attachments / "requirements.txt", cache, on_progress=lines.append)

    assert run(environment, "import tiny; print(tiny.answer)") == "42"
    assert run(environment, "import importlib.util as u; print(u.find_spec('numpy'), u.find_spec('engine'))") == (
        "None None"
    )
    assert environment.path.parent == cache / "environments"
    assert lines[0] == "Building the environment of lstm"
    assert any("tiny" in line for line in lines[1:-1])
    assert lines[-1] == "The environment of lstm is ready"


def test_the_same_requirements_are_built_once(attachments: Path, cache: Path, tmp_path: Path) -> None:
    first = build_environment("lstm", attachments / "requirements.txt", cache)
    lines: list[str] = []
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in attachments.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())

    assert build_environment("other", copy / "requirements.txt", cache, on_progress=lines.append) == first
    assert lines == []


def test_other_requirements_or_other_local_files_are_another_environment(attachments: Path, cache: Path) -> None:
    requirements = attachments / "requirements.txt"
    paths = [build_environment("lstm", requirements, cache).path]
    wheel(attachments, "tiny", "1.0", "answer = 43")
    changed = build_environment("lstm", requirements, cache)
    paths.append(changed.path)
    (attachments / "more.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    for line in ("-r more.txt", "--requirement=more.txt"):
        requirements.write_text(line)
        paths.append(build_environment("lstm", requirements, cache).path)
    (attachments / "more.txt").write_text("./tiny-1.0-py3-none-any.whl # changed\n")
    paths.append(build_environment("lstm", requirements, cache).path)

    assert len(set(paths)) == 5
    assert run(changed, "import tiny; print(tiny.answer)") == "43"


def test_a_build_that_was_interrupted_is_done_again(attachments: Path, cache: Path) -> None:
    environment = build_environment("lstm", attachments / "requirements.txt", cache)
    (environment.path / "ready").unlink()
    (environment.path / "junk").write_bytes(b"")

    assert build_environment("lstm", attachments / "requirements.txt", cache) == environment
    assert not (environment.path / "junk").exists()
    assert run(environment, "import tiny; print(tiny.answer)") == "42"


def test_an_environment_whose_python_is_gone_is_built_again(attachments: Path, cache: Path) -> None:
    environment = build_environment("lstm", attachments / "requirements.txt", cache)
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python")

    build_environment("lstm", attachments / "requirements.txt", cache)
    assert run(environment, "import tiny; print(tiny.answer)") == "42"


def test_what_cannot_be_installed_is_said_in_the_words_of_uv(attachments: Path, cache: Path) -> None:
    wheel(attachments, "tiny", "2.0", "")
    (attachments / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n./tiny-2.0-py3-none-any.whl\n")

    with pytest.raises(EnvironmentFailed, match=r"(?s)environment of 'lstm' could not be built.*tiny") as caught:
        build_environment("lstm", attachments / "requirements.txt", cache)
    assert "conflict" in caught.value.reason
    assert not list(cache.rglob("ready"))


@pytest.mark.parametrize("line", ["-e .", "--editable ./pkg"])
def test_an_editable_installation_is_refused(attachments: Path, cache: Path, line: str) -> None:
    (attachments / "requirements.txt").write_text(line)

    with pytest.raises(EnvironmentFailed, match="editable"):
        build_environment("lstm", attachments / "requirements.txt", cache)


def test_libraries_that_do_not_import_are_no_environment(attachments: Path, cache: Path) -> None:
    wheel(attachments, "tiny", "1.0", "raise ImportError('built for another machine')")

    with pytest.raises(EnvironmentFailed, match="built for another machine"):
        build_environment("lstm", attachments / "requirements.txt", cache)


def test_requirements_that_are_not_there_are_an_error(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="No such file"):
        build_environment("lstm", tmp_path / "requirements.txt", cache)


def test_neither_secrets_nor_the_virtual_environment_reach_uv(
    attachments: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spy = tmp_path / "uv"
    spy.write_text("#!/bin/sh\nenv\nexit 1\n")
    spy.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(spy))
    for name in ("ENGINE_TOKEN_FILE", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("UV_INDEX_STRATEGY", "first-index")

    with pytest.raises(EnvironmentFailed) as caught:
        build_environment("lstm", attachments / "requirements.txt", cache)
    assert "UV_INDEX_STRATEGY=first-index" in caught.value.reason
    assert "hunter2" not in caught.value.reason


def test_an_error_of_whoever_is_told_ends_the_build(
    attachments: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spy = tmp_path / "uv"
    spy.write_text("#!/bin/sh\necho started\nexec sleep 60\n")
    spy.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(spy))

    def on_progress(line: str) -> None:
        if line == "started":
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build_environment("lstm", attachments / "requirements.txt", cache, on_progress=on_progress)
    assert time.monotonic() - started < 30


def test_a_build_ends_when_it_is_told_to_stop(
    attachments: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spy = tmp_path / "uv"
    spy.write_text("#!/bin/sh\necho started\nsleep 60 & wait\n")  # a child of its own, as a compiler would be
    spy.chmod(0o755)
    monkeypatch.setattr("uv.find_uv_bin", lambda: str(spy))
    stop = threading.Event()

    def on_progress(line: str) -> None:
        if line == "started":
            stop.set()

    with pytest.raises(EnvironmentFailed, match="was stopped"):
        build_environment("lstm", attachments / "requirements.txt", cache, on_progress=on_progress, stop=stop)


def test_waiting_for_another_process_is_told_and_can_be_stopped(attachments: Path, cache: Path) -> None:
    path = build_environment("lstm", attachments / "requirements.txt", cache).path
    (path / "ready").unlink()
    stop, lines = threading.Event(), []

    def on_progress(line: str) -> None:
        lines.append(line)
        stop.set()

    with path.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EnvironmentFailed, match="was stopped"):
            build_environment("lstm", attachments / "requirements.txt", cache, on_progress=on_progress, stop=stop)
    assert lines == ["Waiting for the environment of lstm, which another process is building"]


@pytest.mark.integration
def test_processes_that_want_the_same_build_it_once(attachments: Path, cache: Path) -> None:
    command = [sys.executable, "-c", BUILDER, str(attachments / "requirements.txt"), str(cache)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    assert sorted(process.communicate()[0].strip() for process in processes) == ["built", "found", "found"]


@pytest.mark.integration
def test_a_builder_that_is_killed_leaves_the_lock_to_its_uv(
    attachments: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    spy = tmp_path / "uv"
    spy.write_text(f"#!/bin/sh\necho started\nread line < {pipe}\n")
    spy.chmod(0o755)
    builder = (
        "import sys, uv; from pathlib import Path; from engine.runtime.environment import build_environment as b; "
        f"uv.find_uv_bin = lambda: {str(spy)!r}; "
        "b('lstm', Path(sys.argv[1]), Path(sys.argv[2]), on_progress=lambda line: print(line, flush=True))"
    )
    command = [sys.executable, "-c", builder, str(attachments / "requirements.txt"), str(cache)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert [process.stdout.readline() for _ in range(2)] == ["Building the environment of lstm\n", "started\n"]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    (lock,) = (cache / "environments").glob("*.lock")
    with lock.open("ab") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        pipe.write_text("go on\n")
        fcntl.flock(file, fcntl.LOCK_EX)  # the time limit of the test is that of the wait


def test_the_engine_is_all_that_can_be_imported_from_its_import_path(cache: Path) -> None:
    path = import_path(cache)

    assert import_path(cache) == path
    assert [entry.name for entry in path.iterdir()] == ["engine"]
    source = "import engine.errors, sys; print(engine.errors.__file__); import click"
    command = [sys.executable, "-S", "-c", source]
    result = subprocess.run(command, cwd=cache, env={"PYTHONPATH": str(path)}, capture_output=True, text=True)
    assert Path(result.stdout.strip()) == path / "engine" / "errors.py"
    assert "No module named 'click'" in result.stderr


def test_a_jet_is_never_given_newer_libraries_than_the_engine_allows() -> None:
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg")
    for requirement in JET_REQUIREMENTS.values():
        name, upper = re.split(r"[^a-z]", requirement)[0], requirement.rpartition("<")[2]
        assert re.search(rf"^{name}>=[\d.]+,<{upper}$", declared["options"]["install_requires"], re.MULTILINE)


@pytest.mark.integration
@pytest.mark.timeout(600)  # downloads numpy
def test_requirements_that_clash_with_the_engines_win_and_a_jet_runs_on_them(tmp_path: Path, cache: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy==1.26.4\nmsgpack==1.0.5\n")
    environment = build_environment("lstm", requirements, cache)

    source = (
        "import numpy, msgpack, fastavro, engine.errors, engine.record, engine.codecs, engine.jet.worker; "
        "print(numpy.__version__, msgpack.version)"
    )
    assert run(environment, source, PYTHONPATH=str(import_path(cache))) == "1.26.4 (1, 0, 5)"
