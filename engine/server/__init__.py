"""The engine over HTTP: the only room that knows HTTP codes."""

from __future__ import annotations

from engine.server.app import build_app
from engine.server.serve import serve

__all__ = ["build_app", "serve"]
