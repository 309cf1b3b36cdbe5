"""A streaming scoring engine: Python model scripts, typed slots, real streams.

What model scripts import from here (``from engine import inference``) is loaded only when it is asked for, so that a
jet starts fast and ``engine --help`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import engine.inference as inference

__version__ = "0.1.0"

__all__ = ["__version__", "inference"]

_LAZY = {"inference": "engine.inference"}


def __getattr__(name: str) -> Any:
    """Import a name of the public surface when it is first used (PEP 562)."""
    if name in _LAZY:
        return importlib.import_module(_LAZY[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
