"""The command line. Nothing heavy is imported until a verb needs it, so that ``engine --help`` answers at once."""

from __future__ import annotations

from engine.cli.main import main

__all__ = ["main"]
