"""Fetching jars: what the cache holds afterwards, whatever happened. A script stands where Maven is."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from testbed.errors import FetchFailed, MavenMissing
from testbed.maven import cache_folder, fetch

# It leaves a jar in the folder that it is told.
BRINGS = """
for each; do case $each in -DoutputDirectory=*) jars="${each#*=}";; esac; done
mkdir -p "$jars" && echo jar > "$jars/a.jar"
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a script in the place of Maven; each call of it leaves a line in ``calls``."""
    monkeypatch.setenv("ENGINE_TESTBED", str(tmp_path / "cache"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def put(script: str) -> Path:
        (tmp_path / "bin").mkdir(exist_ok=True)
        program = tmp_path / "bin/mvn"
        program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n{script}\n')
        program.chmod(0o755)
        return tmp_path / "calls"

    return put


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if not each.name.endswith(".lock"))


def test_what_was_fetched_is_not_fetched_again(maven) -> None:
    calls = maven(BRINGS)
    folder = fetch("thing-1.0", ["org.thing:thing:1.0"])
    assert (folder / "a.jar").read_text() == "jar\n"
    assert fetch("thing-1.0", ["org.thing:thing:1.0"]) == folder
    assert len(calls.read_text().splitlines()) == 1


def test_a_fetch_that_fails_leaves_nothing_and_says_the_first_of_what_maven_said(maven) -> None:
    maven('mkdir -p half\necho "[INFO] so far so good"\necho "[ERROR] no such jar"\necho "[ERROR] more"\nexit 1')
    with pytest.raises(FetchFailed, match=r"could not fetch thing-1.0: no such jar .* once.*Try again with a network"):
        fetch("thing-1.0", ["org.thing:thing:1.0"])
    assert names_in(cache_folder()) == []


def test_a_fetch_after_one_that_failed_succeeds(maven) -> None:
    maven(f"{BRINGS}\nexit 1")
    with pytest.raises(FetchFailed):
        fetch("thing-1.0", ["org.thing:thing:1.0"])
    maven(BRINGS)
    assert names_in(fetch("thing-1.0", ["org.thing:thing:1.0"])) == ["a.jar"]


def test_two_that_ask_at_once_fetch_once(maven) -> None:
    calls = maven(f"{BRINGS}\nsleep 0.2")
    found: list[Path] = []
    askers = [threading.Thread(target=lambda: found.append(fetch("thing-1.0", ["a:a:1"]))) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(set(found)) == 1
    assert len(calls.read_text().splitlines()) == 1


def test_without_maven_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TESTBED", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MavenMissing, match="apt-get install maven"):
        fetch("thing-1.0", ["org.thing:thing:1.0"])


def test_an_archive_is_unpacked(maven, tmp_path: Path) -> None:
    (tmp_path / "program.jar").write_text("program")
    maven(f'{BRINGS}\ntar czf "$jars/app.tar.gz" -C {tmp_path} program.jar')
    assert names_in(fetch("thing-1.0", ["a:a:1:tar.gz:all"], is_whole=True)) == ["a.jar", "program.jar"]
