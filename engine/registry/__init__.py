"""The library on disk: models, schemas, streams and attachments, each version under its hash."""

from engine.registry.archive import unpack
from engine.registry.asset import Asset, Put
from engine.registry.collection import Collection
from engine.registry.library import Library
from engine.registry.model import Attachment, Model, assemble, from_path, library_of

__all__ = [
    "Asset",
    "Attachment",
    "Collection",
    "Library",
    "Model",
    "Put",
    "assemble",
    "from_path",
    "library_of",
    "unpack",
]
