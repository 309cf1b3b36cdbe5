"""What model scripts import; ``from engine import window`` leads here."""

from engine.sdk.batching import batched
from engine.sdk.clock import now
from engine.sdk.message import Message
from engine.sdk.sharing import cells, pools
from engine.sdk.window import window

__all__ = ["Message", "batched", "cells", "now", "pools", "window"]
