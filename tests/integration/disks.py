"""What a power loss may leave of a folder: everything that was synced, and any part of the rest.

`disk_shim.c` notes what a process does to the files of a folder. `Recording.leave` plays that back up to some moment,
as a disk may have it: what was written since a file's last sync is there or not, each write by itself and each sector
of 512 bytes by itself; names made, changed or removed since the last sync of their folder are as they were before, from
some moment on.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SHIM = Path(__file__).with_name("disk_shim.c")
SECTOR_BYTES = 512
_HEAD = struct.Struct("<c3xIIqq")


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the log; `end` is where it ends there."""

    kind: bytes
    path: str
    data: bytes
    number: int
    end: int


@dataclass(slots=True)
class _File:
    """A file's data: what is safe, and what was done since."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)
    syncs: dict[int, int] = field(default_factory=dict)
    """For each sync that has begun, how many of the pending operations it covers."""

    def do(self, operation: Operation) -> None:
        self.pending.append(operation)

    def begin_sync(self, number: int) -> None:
        self.syncs[number] = len(self.pending)

    def end_sync(self, number: int) -> None:
        n_covered = self.syncs.pop(number)
        for operation in self.pending[:n_covered]:
            _apply(self.safe, operation, None)
        del self.pending[:n_covered]
        self.syncs = {other: max(0, n - n_covered) for other, n in self.syncs.items()}

    def left(self, rng: random.Random) -> bytes:
        content, share = bytearray(self.safe), rng.choice((0.0, 0.5, 0.9, 1.0))
        for operation in self.pending:
            if rng.random() < share:
                _apply(content, operation, rng)
        return bytes(content)


def _apply(content: bytearray, operation: Operation, rng: random.Random | None) -> None:
    if operation.kind in (b"T", b"C"):
        length = operation.number if operation.kind == b"T" else 0
        del content[length:]
        content.extend(bytes(length - len(content)))
        return
    is_torn = rng is not None and rng.random() < 0.5
    at, data = operation.number, operation.data
    while data:
        n = SECTOR_BYTES - at % SECTOR_BYTES
        if not is_torn or (rng is not None and rng.random() < 0.5):
            content.extend(bytes(max(0, at - len(content))))
            content[at : at + len(data[:n])] = data[:n]
        at, data = at + n, data[n:]


class _Tree:
    """Which names lead to which files: as the process sees it, and what of that is safe, folder by folder."""

    def __init__(self, folders: Iterable[str]) -> None:
        self.now: dict[str, _File | None] = dict.fromkeys(folders)  # None: a folder
        self.safe: dict[str, _File | None] = dict(self.now)
        self.pending: dict[str, list[list[tuple[str, _File | None, bool]]]] = {}
        """By folder: changes, each of some names that appear (True) or vanish."""

    def change(self, *names: tuple[str, _File | None, bool]) -> None:
        for path, file, is_there in names:
            if is_there:
                self.now[path] = file
            else:
                self.now.pop(path, None)
        self.pending.setdefault(str(Path(names[0][0]).parent), []).append(list(names))

    def sync(self, folder: str) -> None:
        for change in self.pending.pop(folder, []):
            self._settle(self.safe, change)

    def left(self, rng: random.Random) -> dict[str, _File | None]:
        names = dict(self.safe)
        for changes in self.pending.values():
            for change in changes[: rng.choice((0, len(changes), rng.randint(0, len(changes))))]:
                self._settle(names, change)
        return names

    @staticmethod
    def _settle(names: dict[str, _File | None], change: list[tuple[str, _File | None, bool]]) -> None:
        for path, file, is_there in change:
            if is_there:
                names[path] = file
            else:
                names.pop(path, None)


class Recording:
    """What a process does to a folder.

    Parameters
    ----------
    folder : Path
        The folder; at first it holds no files.
    place : Path
        Another one, for the log and the library that writes it.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder, self.log = folder, place / "folder.log"
        self._inodes = place / "inodes"
        self._folders = [str(folder), *(str(path) for path in folder.rglob("*"))]
        library = place / "disk_shim.so"
        compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None) or _installed_compiler()
        if not library.exists():
            subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SHIM, "-ldl", "-lpthread"], check=True)
        self.environ = {
            "LD_PRELOAD": str(library),
            "FOLDER_LOG": str(self.log),
            "FOLDER_WATCHED": str(folder),
        }

    @property
    def position(self) -> int:
        """How much was noted until now; grows."""
        return self.log.stat().st_size if self.log.exists() else 0

    def operations(self) -> Iterator[Operation]:
        """Yield what was noted, in order."""
        data, at = self.log.read_bytes(), 0
        while len(data) - at >= _HEAD.size:
            kind, n_path, n_data, number, _ = _HEAD.unpack_from(data, at)
            begin = at + _HEAD.size
            at = begin + n_path + n_data
            if at > len(data):
                return
            yield Operation(kind, data[begin : begin + n_path].decode(), data[begin + n_path : at], number, at)

    def keep_inodes(self) -> None:
        """Have files that are left be the same files as those that are there now, not only of the same name."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                kept = self._inodes / path.relative_to(self.folder)
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.hardlink_to(path)

    def leave(
        self,
        target: Path,
        until: int,
        rng: random.Random,
        *,
        is_synced: Callable[[str], bool] = lambda _path: True,
    ) -> None:
        """Write what a power loss at a position of the log may leave.

        Parameters
        ----------
        target : Path
            Where; what is there is removed. May be the recorded folder itself.
        until : int
            The position.
        rng : random.Random
            Decides about what is not safe.
        is_synced : callable
            Says for a path whether its syncs count; for what a missing one would do.
        """
        tree = _Tree(self._folders)
        for operation in self.operations():
            if operation.end > until:
                break
            _play(tree, operation, is_synced)
        names = tree.left(rng)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for path, file in sorted(names.items()):  # a folder before what is in it
            place = target / Path(path).relative_to(self.folder)
            if not place.parent.is_dir() or path.endswith("-shm"):
                continue  # its folder was lost; shared memory never was on the disk
            if file is None:
                place.mkdir(exist_ok=True)
            else:
                if (kept := self._inodes / place.relative_to(target)).exists():
                    place.hardlink_to(kept)
                place.write_bytes(file.left(rng))


def _play(tree: _Tree, operation: Operation, is_synced: Callable[[str], bool]) -> None:
    path, number = operation.path, operation.number
    file = tree.now.get(path)
    match operation.kind:
        case b"D":
            tree.change((path, None, True))
        case b"C":
            if file is None:
                file = _File()
                tree.change((path, file, True))
            if number:
                file.do(operation)
        case b"R":
            target = operation.data.decode()
            tree.change((path, file, False), (target, file, True))
        case b"U":
            tree.change((path, file, False))
        case b"B" | b"S" if is_synced(path):
            if file is None:
                if operation.kind == b"S":
                    tree.sync(path)
            elif operation.kind == b"B":
                file.begin_sync(number)
            else:
                file.end_sync(number)
        case b"W" | b"T" if file is not None:
            file.do(operation)


def _installed_compiler() -> str:
    """Install a compiler where that can be done, as on a bare machine for tests."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "gcc", "libc6-dev"]):
            subprocess.run(command, check=False, capture_output=True)
    if shutil.which("gcc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    return "gcc"
