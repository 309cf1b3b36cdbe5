"""What models print, in the server's log: every line of a talkative script, and the beginning of a flood."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from engine.log import get_logger
from engine.runtime import ConsoleLine

log = get_logger(__name__)

CHARS_PER_SECOND = 64_000
"""More than anybody reads, and a disk of 100 GB lasts for weeks."""


class PrintedLog:
    """Writes printed lines as events, and counts instead of writing them while too much comes.

    Parameters
    ----------
    clock : callable
        Seconds, from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._second = clock, -1
        self._n_chars = self._n_dropped = 0

    def __call__(self, line: ConsoleLine) -> None:
        """Take a line."""
        if (second := int(self._clock())) != self._second:
            self._second, self._n_chars = second, 0
            if self._n_dropped:
                log.warning("model.printed_too_much", n_lines_dropped=self._n_dropped)
                self._n_dropped = 0
        self._n_chars += len(line.text)
        if self._n_chars > CHARS_PER_SECOND:
            self._n_dropped += 1
        else:
            log.info("model.printed", **dataclasses.asdict(line))
