"""What the predictors of a script did: told to the engine when it asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.channel import Kind, pack_message
from engine.sdk.batching import reports


class Predictors:
    """The predictors and batched functions of this process.

    Parameters
    ----------
    send : callable
        Takes a frame for the engine.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._told: list[dict[str, Any]] = []

    def report(self, *, is_asked: bool = False) -> bool:
        """Tell what they did, if somebody asks or it is more than was told; return whether there are any."""
        told = reports()
        if is_asked or told != self._told:
            self._told = told
            self._send(pack_message(Kind.PREDICTORS, told))
        return bool(told)
