"""Whether another engine works under this one's name, or only an earlier attempt of its own, or a frozen one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.kafka.chatter import CHATTER

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

FENCED_S = 30
"""Two engines of one name shut each other out in turn, every few seconds; one that was frozen, or that came back from
a machine that is gone, is shut out once."""


class Contest:
    """Says of errors about the name of an engine whether they may pass.

    Brokers shut out a member of a group, or a producer, when somebody begins under its name. That may be its own
    earlier attempt, whose answer was lost with a connection: so the engine begins again, and gives up when it is shut
    out once more within `FENCED_S`, and no connection was lost in between.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    n_lost : callable
        Returns how many connections were lost so far.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, n_lost: Callable[[], int] = lambda: CHATTER.n_lost
    ) -> None:
        self._clock, self._n_lost = clock, n_lost
        self._fenced_s: float | None = None
        self._n_lost_before = n_lost()

    @staticmethod
    def concerns(error: KafkaError) -> bool:
        """Return whether an error of a group's member is about its name."""
        is_fatal = error.name() == "_FATAL" and "instance" in error.str().lower()
        return is_fatal or error.name() == "FENCED_INSTANCE_ID"

    def is_lost(self) -> bool:
        """Note such an error, and return whether the name is another engine's."""
        n_lost_before, self._n_lost_before = self._n_lost_before, self._n_lost()
        if self._n_lost_before != n_lost_before:
            return False
        before_s, self._fenced_s = self._fenced_s, self._clock()
        return before_s is not None and self._fenced_s - before_s < FENCED_S
