"""What model scripts import; ``from engine import window`` leads here."""

from engine.sdk.sharing import cells, pools
from engine.sdk.window import window

__all__ = ["cells", "pools", "window"]
