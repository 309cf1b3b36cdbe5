"""Whether another engine works under this one's name, or only somebody gone whom the group has not forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.kafka.transaction import FENCED_S

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

HELD_S = 90.0
"""How long a name may be held by an engine that is gone: twice the session that a group waits for one by default."""

_HELD = "still used by another member"  # UNRELEASED_INSTANCE_ID, which librdkafka reports as _FATAL


class Contest:
    """Says of errors about the name of an engine in its group whether they may pass.

    A group shuts out a member when somebody joins under its name. That may be its own earlier attempt, whose answer was
    lost with the broker that kept the group: so the engine joins again, and gives up when it is shut out once more
    within `FENCED_S`. With the newer protocol a group does not take in who was killed and started again, until the
    session of who was killed is over: that is waited for.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fenced_s: float | None = None
        self._held_s: float | None = None

    @staticmethod
    def concerns(error: KafkaError) -> bool:
        """Return whether an error is about the name."""
        return error.name() in ("FENCED_INSTANCE_ID", "UNRELEASED_INSTANCE_ID") or (
            error.name() == "_FATAL" and "instance" in error.str().lower()
        )

    @staticmethod
    def is_held(error: KafkaError) -> bool:
        """Return whether the group waits for somebody of the name, so that there is nothing to do but to wait too."""
        return error.name() == "UNRELEASED_INSTANCE_ID" or _HELD in error.str()

    def is_lost(self, error: KafkaError) -> bool:
        """Take an error about the name, and return whether it is another engine's."""
        now_s = self._clock()
        if self.is_held(error):
            self._held_s = now_s if self._held_s is None else self._held_s
            return now_s - self._held_s > HELD_S
        before_s, self._fenced_s = self._fenced_s, now_s
        return before_s is not None and now_s - before_s < FENCED_S

    def note_joined(self) -> None:
        """Note that the group has taken the engine in."""
        self._held_s = None
