from __future__ import annotations

from pathlib import Path

from testbed.archive import archive_of, use_options


def test_java_goes_without_an_archive_that_is_not_there(tmp_path: Path) -> None:
    archive = tmp_path / "kafka.jsa"
    assert use_options(archive) == []
    archive.touch()
    assert f"-XX:SharedArchiveFile={archive}" in use_options(archive)


def test_another_java_has_another_archive(tmp_path: Path) -> None:
    javas = [tmp_path / name for name in ("java17", "java25")]
    for java in javas:
        java.touch()
    assert len({archive_of(tmp_path / "kafka-1", str(java)) for java in javas}) == 2
