"""``/attachments``: the archives that a model needs beside it."""

from __future__ import annotations

from engine.registry import Collection
from engine.server.records import BINARY_TYPE
from engine.server.routes.assets import asset_router
from engine.server.service import ServiceOf


def _attachments(service: ServiceOf, model: str) -> Collection:
    return service.library.attachments(model)


router = asset_router("/attachments/{model}", "attachments", _attachments, BINARY_TYPE, "(a .zip, .tar.gz or .tgz)")
