"""Attachments are archives from strangers: what is unpacked stays in its folder, is a plain file, and has an end."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from engine.errors import AssetInvalid, AttachmentUnsafe

SUFFIXES = (".zip", ".tar.gz", ".tgz")

MAX_BYTES = 4 * 2**30  # a large network's weights fit; a jet's folder should not fill the disk
MAX_MEMBERS = 100_000  # a whole Python distribution has some 10,000
MAX_DEPTH = 64  # folders; what people pack has about ten
MAX_RATIO = 200  # text packs to a tenth, weights hardly at all, a bomb to a thousandth
RATIO_FREE_BYTES = 64 * 2**20  # so little does no harm, however well it was packed
_CHUNK_BYTES = 2**18

# What tarfile, zipfile, gzip and zlib raise on bytes that are not what they seem; the RuntimeError is an encrypted zip.
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    path: PurePosixPath
    is_folder: bool
    is_executable: bool
    chunks: Iterator[bytes]


@dataclass(slots=True)
class _Meter:
    """Counts what comes out of an archive, and stops it when it is too much."""

    archive: str
    packed_bytes: int
    max_bytes: int
    member: str = "(header)"
    n_members: int = 0
    unpacked_bytes: int = 0

    def enter(self, member: str) -> None:
        self.member = member
        self.n_members += 1
        if self.n_members > MAX_MEMBERS:
            self.refuse(f"is one too many: {MAX_MEMBERS} members is the most")

    def count(self, data: bytes) -> bytes:
        self.unpacked_bytes += len(data)
        if self.unpacked_bytes > self.max_bytes:
            self.refuse(f"is too much: the archive unpacks to more than {self.max_bytes} bytes")
        if self.unpacked_bytes > RATIO_FREE_BYTES and self.unpacked_bytes > MAX_RATIO * self.packed_bytes:
            self.refuse(f"looks like a bomb: the archive unpacks to more than {MAX_RATIO} times its size")
        return data

    def refuse(self, reason: str) -> None:
        raise AttachmentUnsafe(self.archive, self.member, reason)


class _Metered(io.BufferedIOBase):
    """A file for tarfile to read from, in which headers count as well as contents."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, meter: _Meter) -> None:
        self._file, self._meter = file, meter

    def read(self, size: int | None = -1, /) -> bytes:
        return self._meter.count(self._file.read(-1 if size is None else size))


def unpack(archive: Path, target: Path, *, max_bytes: int = MAX_BYTES) -> None:
    """Unpack a ``.zip``, ``.tar.gz`` or ``.tgz`` file into the folder `target`.

    Files of several archives may share folders, but no file may be in two of them. Owners, times and
    permissions are not restored, except that what was executable is so again.

    Parameters
    ----------
    archive : Path
        The file; its suffix says what it is.
    target : Path
        An existing folder. When an error is raised, part of the archive may be in it.
    max_bytes : int
        The most that may come out.

    Raises
    ------
    AttachmentUnsafe
        A member is absolute, climbs with ``..``, is a link or a device, is there already, cannot be written,
        or the archive is a bomb.
    AssetInvalid
        It is not such an archive, or it is damaged.
    """
    with archive.open("rb") as file:
        for member in _members(archive.name, file, max_bytes):
            with _writing(archive.name, member.name):
                _write(member, target / member.path)


def check_archive(name: str, content: bytes) -> None:
    """Raise what `unpack` would raise for an archive of this name and content, without writing anything."""
    files: set[PurePosixPath] = set()
    for member in _members(name, io.BytesIO(content), MAX_BYTES):
        for _ in member.chunks:
            pass
        if not member.is_folder:
            if member.path in files:
                raise AttachmentUnsafe(name, member.name, "is in it twice")
            files.add(member.path)


def _write(member: _Member, path: Path) -> None:
    if member.is_folder:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in member.chunks:
            file.write(chunk)
    if member.is_executable:
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _members(name: str, file: IO[bytes], max_bytes: int) -> Iterator[_Member]:
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
    if suffix is None:
        raise AssetInvalid("attachment", name, f"is of an unknown kind: {', '.join(SUFFIXES)} can be unpacked")
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    meter = _Meter(name, size_bytes, max_bytes)
    with _reading(name):
        yield from _zip_members(file, meter) if suffix == ".zip" else _tar_members(file, meter)


def _tar_members(file: IO[bytes], meter: _Meter) -> Iterator[_Member]:
    unpacked = _Metered(gzip.GzipFile(fileobj=file), meter)
    # Forward only ("r|"): a crafted header can then not send the reader back in circles (CVE-2025-8194).
    with tarfile.open(fileobj=unpacked, mode="r|") as tar:
        for member in tar:
            meter.enter(member.name)
            path = _safe_path(meter, member.name)
            if not (member.isreg() or member.isdir()) or member.issparse():
                meter.refuse("is a link, a device or a sparse file; only plain files and folders are unpacked")
            if path.parts:
                data = tar.extractfile(member)
                chunks = iter(()) if data is None else _chunks(meter.archive, data)
                yield _Member(member.name, path, member.isdir(), bool(member.mode & stat.S_IXUSR), chunks)
    while unpacked.read(_CHUNK_BYTES):  # to the end, where the checksum is
        pass


def _zip_members(file: IO[bytes], meter: _Meter) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            meter.enter(member.filename)
            path = _safe_path(meter, member.filename)
            mode = member.external_attr >> 16  # zero when it was packed on Windows
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                meter.refuse("is a link or a device; only plain files and folders are unpacked")
            if path.parts:
                is_folder = member.is_dir() or stat.S_ISDIR(mode)
                chunks = iter(()) if is_folder else _chunks(meter.archive, archive.open(member), meter)
                yield _Member(member.filename, path, is_folder, bool(mode & stat.S_IXUSR), chunks)


def _chunks(archive: str, data: IO[bytes], meter: _Meter | None = None) -> Iterator[bytes]:
    with _reading(archive), data:
        while chunk := data.read(_CHUNK_BYTES):
            yield meter.count(chunk) if meter else chunk


def _safe_path(meter: _Meter, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute():
        meter.refuse("is an absolute path")
    if ".." in path.parts:
        meter.refuse("climbs out of its folder with '..'")
    if "\\" in name or "\0" in name:
        meter.refuse("holds a backslash or a zero byte; pack it with '/' between folders")
    if len(path.parts) > MAX_DEPTH:
        meter.refuse(f"is more than {MAX_DEPTH} folders deep")
    return path


@contextmanager
def _reading(archive: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as exc:
        raise AssetInvalid("attachment", archive, f"is not a complete archive: {exc or type(exc).__name__}") from exc


@contextmanager
def _writing(archive: str, member: str) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
        raise AttachmentUnsafe(archive, member, "is there already: two members or attachments hold it") from exc
    except (OSError, ValueError) as exc:
        raise AttachmentUnsafe(archive, member, f"cannot be written: {exc}") from exc
