"""Attachments as archives that depend on nothing but what is in them."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_attachment(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a ``.tar.gz`` of files in alphabetical order, without owners and times: the same files, the same bytes."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(members.items()):
            member = tarfile.TarInfo(name)  # owner 0, time 0, mode 644
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(tar.getvalue(), mtime=0))
