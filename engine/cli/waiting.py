"""What a person hears of a consumer group during a run: who is waited for, and where it begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.cli.printing import talk

if TYPE_CHECKING:
    from engine.runtime.info import EngineInfo, GroupInfo

PATIENCE_S = 2.0
"""How long nothing may happen before it is said what is waited for: a group deals its partitions sooner."""


class GroupTeller:
    """Tells each state of the group once, when it has lasted for a while.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._state, self._since_s, self._is_told = "", 0.0, True
        self._told: set[str] = set()

    def __call__(self, info: EngineInfo) -> None:
        """Take what the engine says of itself."""
        group = info.group if info.state == "RUNNING" else None
        for note in group.notes if group is not None else ():
            if note not in self._told:
                self._told.add(note)
                talk(note)
        state, sentence = _waits_for(group)
        now_s = self._clock()
        if state != self._state:
            self._state, self._since_s, self._is_told = state, now_s, not state
        if not self._is_told and now_s - self._since_s >= PATIENCE_S:
            self._is_told = True
            talk(f"The run waits: {sentence}")


def waiting_for_brokers(servers: str) -> str:
    """Return what to say while brokers have not answered a run that begins."""
    return f"Waiting for an answer of the Kafka brokers at {servers}."


def _waits_for(group: GroupInfo | None) -> tuple[str, str]:
    """Return a word for what a group waits for, which stays the same however that is told, and the sentence."""
    if group is None:
        return "", ""
    if group.trouble:
        return "brokers", group.trouble
    if group.partitions or group.restoring:
        return "", ""
    return "partitions", (
        f"group {group.name!r} gives it no partition. Other members have them all, or the group still waits for one"
        " that was killed, until its session is over (session.timeout.ms, 45 s)."
    )
