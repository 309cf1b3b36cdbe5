"""The steps of a commit, and of taking a record in: the places where an engine may be killed and must lose nothing."""

from __future__ import annotations

import enum
import os
import signal
from collections import Counter
from collections.abc import Callable

from engine.errors import ConfigError, nearest


class Step(enum.Enum):
    """A moment at which something is done and what follows is not."""

    REMEMBERED = "remembered"
    """What is loaded and attached is kept, and nothing is done with it."""

    JOURNAL_OPEN = "journal-open"
    """Records that came in are written to the journal, in a transaction that is not closed."""
    JOURNAL_CLOSED = "journal-closed"
    """They are kept, and whoever sent them does not know yet."""
    CUT = "cut"
    """Everything before the cut is scored, and nothing of it is written."""
    STATE = "state"
    """The jets have handed over the state that has changed."""
    WRITTEN = "written"
    """The outputs were handed to the sinks."""
    SYNCED = "synced"
    """The sinks say that the outputs are safe."""
    PREPARE_OPEN = "prepare-open"
    """What only the store can keep of a commit of Kafka is in it, in a transaction that is not closed."""
    PREPARE_CLOSED = "prepare-closed"
    """It is kept, and holds when the commit does."""
    SENT = "sent"
    """All of a transaction of Kafka is with the brokers, and it is not committed."""
    TRANSACTED = "transacted"
    """It is committed, and the store does not know."""
    FENCE_OPEN = "fence-open"
    """Fence, state and outputs are in the store, in a transaction that is not closed."""
    FENCE_CLOSED = "fence-closed"
    """They are kept: the commit has happened, and nobody knows yet."""
    PUBLISHED = "published"
    """Readers see the outputs, and senders may hear of it."""


class Killer:
    """Kills this process at a step, for tests of what is lost by it: nothing.

    Parameters
    ----------
    where : str
        A step, and at which of the times that it is reached: ``fence-open:3``. Empty for never.

    Raises
    ------
    ConfigError
        There is no such step.
    """

    def __init__(self, where: str = "", kill: Callable[[int, int], None] = os.kill) -> None:
        name, _, count = where.partition(":")
        names = [step.value for step in Step]
        if where and (name not in names or not (count or "1").isdecimal()):
            raise ConfigError(
                f"{where!r} is not a step of a commit, such as fence-open:3. Did you mean "
                f"{nearest(name, names) or names[0]!r}?"
            )
        self._name, self._left, self._kill = name, int(count or 1), kill
        self.n_reached: Counter[str] = Counter()
        """How often each step was reached."""

    def __call__(self, step: str) -> None:
        """Note that a step is reached; may not return."""
        self.n_reached[step] += 1
        if step == self._name and self.n_reached[step] == self._left:
            self._kill(os.getpid(), signal.SIGKILL)
