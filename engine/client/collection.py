"""Models, schemas, streams or attachments of a server, with the methods that the library's own collections have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, TypeAlias

from engine.client.connection import Connection, path_of
from engine.errors import AssetNotFound, nearest


@dataclass(frozen=True, slots=True)
class Asset:
    """One version of one asset."""

    kind: str
    name: str
    sha256: str
    size_bytes: int
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class Put:
    """What a `Collection.put` did: ``created``, ``updated`` or ``unchanged``."""

    asset: Asset
    outcome: str


_Assets: TypeAlias = list[Asset]  # `list` is a method in the scope of the class below


class Collection:
    """One kind of asset.

    Parameters
    ----------
    connection : Connection
        To the server.
    kind : str
        The singular, such as ``model``.
    path : str
        Where the server keeps them, such as ``/models``.
    """

    def __init__(self, connection: Connection, kind: str, path: str) -> None:
        self.kind = kind
        self._connection = connection
        self._path = path

    def list(self) -> _Assets:
        """Return the current version of each asset, by name."""
        return [self._asset(fields) for fields in self._connection.request("GET", self._path).json()]

    def get(self, name: str, version: str | None = None) -> Asset:
        """Return the current version, or the one whose SHA-256 begins with `version`; raises AssetNotFound."""
        if version is not None:
            fitting = [asset for asset in self.history(name) if asset.sha256.startswith(version.lower())]
            if not fitting:
                raise AssetNotFound(f"{self.kind} version", f"{name}@{version}")
            return fitting[0]
        by_name = {asset.name: asset for asset in self.list()}
        if name not in by_name:
            raise AssetNotFound(self.kind, name, nearest(name, by_name))
        return by_name[name]

    def read(self, name: str, version: str | None = None) -> bytes:
        """Return the content of `name`, or of an earlier version by its SHA-256; raises AssetNotFound."""
        return self._connection.request("GET", self._path + path_of(name), params={"version": version}).content

    def download(self, name: str) -> Iterator[bytes]:
        """Return the content of `name` in pieces; raises AssetNotFound."""
        return self._connection.download(self._path + path_of(name))

    def put(self, name: str, content: bytes | BinaryIO) -> Put:
        """Store `content` under `name`; a file is sent in pieces and never held as a whole.

        Raises
        ------
        EngineError
            The server refuses the name or the content.
        """
        response = self._connection.request(
            "PUT",
            self._path + path_of(name),
            content=content,
            headers={"Content-Type": "application/octet-stream"},
            timeout_s=None,  # as long as a large file takes
        )
        fields = response.json()
        return Put(self._asset(fields), fields["outcome"])

    def remove(self, name: str) -> None:
        """Remove `name`; its versions stay in the history. Raises AssetNotFound."""
        self._connection.request("DELETE", self._path + path_of(name))

    def history(self, name: str) -> _Assets:
        """Return every version of `name`, the newest first; raises AssetNotFound."""
        response = self._connection.request("GET", self._path + path_of(name, "history"))
        return [self._asset(fields) for fields in response.json()]

    def _asset(self, fields: dict[str, Any]) -> Asset:
        modified = datetime.fromisoformat(fields["modified"]) if fields.get("modified") else None
        return Asset(self.kind, fields["name"], fields["sha256"], fields.get("size_bytes", 0), modified)
