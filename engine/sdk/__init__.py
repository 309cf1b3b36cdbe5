"""What model scripts import; ``from engine import window`` leads here."""

from engine.sdk.window import window

__all__ = ["window"]
