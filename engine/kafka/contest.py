"""Whether another engine works under this one's name, or only an earlier attempt of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.kafka.transaction import FENCED_S

if TYPE_CHECKING:
    from confluent_kafka import KafkaError


class Contest:
    """Says of errors about the name of an engine in its group whether they may pass.

    A group shuts out a member when somebody joins under its name. That may be its own earlier attempt, whose answer was
    lost with the broker that kept the group: so the engine joins again, and gives up when it is shut out once more
    within `FENCED_S`.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fenced_s: float | None = None

    @staticmethod
    def concerns(error: KafkaError) -> bool:
        """Return whether an error is about the name."""
        is_fatal = error.name() == "_FATAL" and "instance" in error.str().lower()
        return is_fatal or error.name() == "FENCED_INSTANCE_ID"

    def is_lost(self) -> bool:
        """Note such an error, and return whether the name is another engine's."""
        before_s, self._fenced_s = self._fenced_s, self._clock()
        return before_s is not None and self._fenced_s - before_s < FENCED_S
