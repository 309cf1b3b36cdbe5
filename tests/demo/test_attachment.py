from __future__ import annotations

import tarfile
from pathlib import Path

from demo.attachment import write_attachment


def test_the_same_members_give_the_same_bytes_in_whatever_order(tmp_path: Path) -> None:
    write_attachment(tmp_path / "a/attachment.tar.gz", {"b.txt": b"2", "a.txt": b"1"})
    write_attachment(tmp_path / "b/attachment.tar.gz", {"a.txt": b"1", "b.txt": b"2"})
    assert (tmp_path / "a/attachment.tar.gz").read_bytes() == (tmp_path / "b/attachment.tar.gz").read_bytes()


def test_members_have_neither_owner_nor_time(tmp_path: Path) -> None:
    write_attachment(tmp_path / "attachment.tar.gz", {"a.txt": b"one"})
    with tarfile.open(tmp_path / "attachment.tar.gz") as archive:
        (member,) = archive.getmembers()
        assert (member.name, member.uid, member.uname, member.mtime, member.mode) == ("a.txt", 0, "", 0, 0o644)
        content = archive.extractfile(member)
        assert content is not None
        assert content.read() == b"one"
