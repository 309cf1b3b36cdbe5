"""What the library says about one version of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Asset:
    """One version of a model, schema, stream or attachment.

    Parameters
    ----------
    kind : str
        ``model``, ``schema``, ``stream`` or ``attachment``.
    name : str
        Its name in the library.
    sha256 : str
        The version: the hash of the content, in hexadecimal.
    size_bytes : int
        Length of the content.
    modified : datetime
        When this version was stored, UTC.
    """

    kind: str
    name: str
    sha256: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a `put`: the asset as it is now, and whether that changed anything."""

    asset: Asset
    outcome: Literal["created", "updated", "unchanged"]
