"""Modules of other engines that scripts import, as far as this one has what they offer."""

from __future__ import annotations

import sys

from engine.compat import fastscore


def install_modules() -> None:
    """Have ``import fastscore`` find ours, whatever is installed."""
    sys.modules["fastscore"] = fastscore
