"""The assets of one kind: plain files that people may edit, with every version kept behind them."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, NoReturn, TypeAlias

from engine.errors import AssetError, AssetInvalid, AssetNotFound, nearest
from engine.registry.asset import Asset, Put
from engine.registry.disk import exclusive, sync_folder, write_atomically
from engine.registry.history import Event, History
from engine.registry.names import check_name, is_legal

Assets: TypeAlias = list[Asset]
"""A name for the type inside a class that has a method `list`."""


class Collection(ABC):
    """Models, schemas, streams, or the attachments of one model.

    The file itself is the current version, whoever wrote it; what was put, and what a `put` or `remove` finds written
    by hand, stays readable for ever by its SHA-256. Any number of processes and threads may use one library: writers
    take turns, and readers, who take no lock and write nothing, see a whole old file or a whole new one.

    Parameters
    ----------
    root : Path
        The library's folder; created by the first `put`.
    folder : str
        The collection's own, below it.
    """

    kind: ClassVar[str]
    suffix: ClassVar[str]

    def __init__(self, root: Path, folder: str) -> None:
        self._folder = root / folder
        self._kept = root / ".history" / folder
        self._lock = root / ".history" / "lock"

    @abstractmethod
    def check(self, name: str, content: bytes) -> None:
        """Raise unless `content` may be stored under `name`."""

    def list(self) -> Assets:
        """Return the current version of everything, by name."""
        return [asset for name in self._names() if (asset := self._current(name)) is not None]

    def get(self, name: str, version: str | None = None) -> Asset:
        """Return the current version, or the one whose SHA-256 begins with `version`.

        Raises
        ------
        AssetNotFound
            There is no such name, or it never held such a version.
        AssetInvalid
            The name is not legal, or the beginning fits several versions.
        """
        check_name(self.kind, name)
        if version is None:
            return self._current(name) or self._raise_not_found(name)
        if not version:
            raise AssetInvalid(self.kind, name, "has no version ''; give the beginning of a SHA-256")
        fitting = {asset.sha256: asset for asset in self.history(name) if asset.sha256.startswith(version.lower())}
        if not fitting:
            raise AssetNotFound(f"{self.kind} version", f"{name}@{version}")
        if len(fitting) > 1:
            found = ", ".join(sha256[: len(version) + 8] for sha256 in sorted(fitting))
            raise AssetInvalid(self.kind, name, f"has {len(fitting)} versions that begin with {version!r}: {found}")
        return fitting.popitem()[1]

    def read(self, name: str, version: str | None = None) -> bytes:
        """Return the content of what `get` returns."""
        asset = self.get(name, version)
        with self._reading(name):
            content = (self._path(name) if version is None else self.locate(asset)).read_bytes()
        if version is not None and hashlib.sha256(content).hexdigest() != asset.sha256:
            raise AssetInvalid(self.kind, name, f"is damaged: its version {asset.sha256} has another hash")
        return content

    def put(self, name: str, content: bytes) -> Put:
        """Store `content` as the current version, durably; what was there before is kept.

        Raises
        ------
        AssetInvalid
            The name or the content cannot be stored. Subclasses' checks may raise other `EngineError`.
        AssetError
            The disk is full or the like; the version before is still there.
        """
        check_name(self.kind, name)
        self.check(name, content)
        with self._storing(name), exclusive(self._lock):
            before = self._keep_hand_edit(name)
            sha256 = hashlib.sha256(content).hexdigest()
            if before and before.sha256 == sha256:
                return Put(before, "unchanged")
            history = self._history(name)
            history.keep(sha256, content)
            write_atomically(self._path(name), content)
            modified = datetime.fromtimestamp(self._path(name).stat().st_mtime, UTC)
            asset = Asset(self.kind, name, sha256, len(content), modified)
            _log(history, Event.of("put", asset, modified))
            return Put(asset, "updated" if before else "created")

    def remove(self, name: str) -> None:
        """Take the name out of the library; its versions stay readable.

        Raises
        ------
        AssetNotFound
            There is no such name.
        """
        check_name(self.kind, name)
        if self._current(name) is None:
            self._raise_not_found(name)
        with self._storing(name), exclusive(self._lock):
            self.take_out(name)

    def take_out(self, name: str) -> None:
        """Do what `remove` does, for a caller that holds the library's lock."""
        asset = self._keep_hand_edit(name)
        if asset is None:  # another process was faster
            self._raise_not_found(name)
        self._path(name).unlink()
        sync_folder(self._folder)
        _log(self._history(name), Event.of("remove", asset, datetime.now(UTC)))

    def history(self, name: str) -> Assets:
        """Return what the name has held, newest first, the current version included; removed names have one too.

        Raises
        ------
        AssetNotFound
            The name never held anything.
        """
        check_name(self.kind, name)
        with self._reading(name):
            events = self._history(name).events()
        assets = [event.asset(self.kind, name) for event in events if event.op != "remove"]
        current = self._current(name)
        if current and not _is_known(current, events):
            assets.append(current)
        if not assets:
            self._raise_not_found(name)
        return assets[::-1]

    def locate(self, asset: Asset) -> Path:
        """Return a file with the asset's content: one that never changes where there is one, else the current file."""
        kept = self._history(asset.name).path(asset.sha256)
        return kept if kept.exists() else self._path(asset.name)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{self.suffix}"

    def _history(self, name: str) -> History:
        return History(self.kind, name, self._kept / name, self._path(name).name)

    def _names(self) -> Iterator[str]:
        try:
            files = sorted(path.name for path in self._folder.iterdir() if path.is_file())
        except FileNotFoundError:
            return
        except OSError as exc:
            raise AssetError(f"The library's folder {self._folder} cannot be read: {exc.strerror}.") from exc
        for file in files:
            name = file.removesuffix(self.suffix)
            if file.endswith(self.suffix) and is_legal(name):
                yield name

    def _current(self, name: str) -> Asset | None:
        try:
            with self._path(name).open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                status = os.fstat(file.fileno())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as exc:
            raise AssetError(f"{self.kind.capitalize()} {name!r} cannot be read: {exc.strerror}.") from exc
        return Asset(self.kind, name, sha256, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def _keep_hand_edit(self, name: str) -> Asset | None:
        """Return the current version, kept and logged if somebody wrote it by hand. The caller holds the lock."""
        current = self._current(name)
        history = self._history(name)
        if current and not _is_known(current, history.events()):
            content = self._path(name).read_bytes()
            sha256 = hashlib.sha256(content).hexdigest()  # of these bytes: an editor may be at work
            current = Asset(self.kind, name, sha256, len(content), current.modified)
            history.keep(sha256, content)
            history.record(Event.of("found", current, current.modified))
        return current

    def _raise_not_found(self, name: str) -> NoReturn:
        raise AssetNotFound(self.kind, name, nearest(name, self._names()))

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as exc:
            raise AssetNotFound(self.kind, name, nearest(name, self._names())) from exc
        except OSError as exc:
            raise AssetError(f"{self.kind.capitalize()} {name!r} cannot be read: {exc.strerror}.") from exc

    @contextmanager
    def _storing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            where = exc.filename or self._folder
            raise AssetError(
                f"{self.kind.capitalize()} {name!r} was not stored or removed: {exc.strerror}, {where}. "
                "The version before is still there."
            ) from exc


def _log(history: History, event: Event) -> None:
    # Last of all, so that the log tells only of what was current. The change is made by now: a line that is missing,
    # since the disk is full or the writer was killed, is added by the next writer, who finds a hand edit.
    with suppress(OSError):
        history.record(event)


def _is_known(current: Asset, events: list[Event]) -> bool:
    return bool(events) and events[-1].op != "remove" and events[-1].sha256 == current.sha256
