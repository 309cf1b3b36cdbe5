"""Says that a group waits for something: once for each state, however often and variously that is told."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from engine.log import get_logger

log = get_logger(__name__)

AGAIN_S = 30.0
"""How soon the same may be said again, where it comes and goes."""

_UNREACHABLE = "No Kafka broker answers"
_DETAIL = re.compile(r" \(.*\)(?=\.)")  # such as of which partition librdkafka says it


class Waiting:
    """What keeps a group from its work, if anything does.

    Parameters
    ----------
    group : str
        Its name.
    clock : callable
        Returns seconds.
    """

    def __init__(self, group: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._group, self._clock = group, clock
        self.reason = ""
        """What it was told last."""
        self._state = ""
        self._is_said = False
        self._said_s: dict[str, float] = {}

    def note(self, reason: str) -> None:
        """Take what is waited for; empty for nothing any more."""
        self.reason = reason
        # Of brokers that do not answer there are as many reasons as ways to ask them.
        state = _UNREACHABLE if reason.startswith(_UNREACHABLE) else _DETAIL.sub("", reason)
        if state == self._state:
            return
        self._state = state
        now_s = self._clock()
        if not state:
            if self._is_said:
                log.info("group.goes_on", group=self._group)
            self._is_said = False
        elif now_s - self._said_s.get(state, -AGAIN_S) >= AGAIN_S:
            self._said_s[state], self._is_said = now_s, True
            log.warning("group.waits", group=self._group, reason=reason)
