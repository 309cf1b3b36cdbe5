"""What the predictors of a script did: told to the engine now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from engine.channel import Kind, pack_message
from engine.sdk.batching import reports

REPORT_S = 1.0
"""How often the engine is told, at most, while records flow."""


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
        self._told_s = time.monotonic()

    def report(self) -> bool:
        """Tell what they did, if it is more than was told; return whether there are any."""
        self._told_s = time.monotonic()
        told = reports()
        if told != self._told:
            self._told = told
            self._send(pack_message(Kind.PREDICTORS, told))
        return bool(told)

    def report_now_and_then(self) -> None:
        """Tell it if some time has passed since."""
        if time.monotonic() - self._told_s > REPORT_S:
            self.report()
