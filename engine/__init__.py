"""A streaming scoring engine: Python model scripts, typed slots, real streams.

What model scripts import from here (``from engine import inference, window``) is loaded only when it is asked for, so
that a jet starts fast and ``engine --help`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import engine.inference as inference
    from engine.sdk import Message as Message
    from engine.sdk import batched as batched
    from engine.sdk import cells as cells
    from engine.sdk import now as now
    from engine.sdk import pools as pools
    from engine.sdk import window as window

__version__ = "0.1.0"

__all__ = ["Message", "__version__", "batched", "cells", "inference", "now", "pools", "window"]

_LAZY = {
    "Message": ("engine.sdk", "Message"),
    "batched": ("engine.sdk", "batched"),
    "cells": ("engine.sdk", "cells"),
    "inference": ("engine.inference", ""),
    "now": ("engine.sdk", "now"),
    "pools": ("engine.sdk", "pools"),
    "window": ("engine.sdk", "window"),
}
"""For each name its module, and what it is called there; nothing for the module itself."""


def __getattr__(name: str) -> Any:
    """Import a name of the public surface when it is first used (PEP 562)."""
    if name in _LAZY:
        module, attribute = _LAZY[name]
        found = importlib.import_module(module)
        return getattr(found, attribute) if attribute else found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
