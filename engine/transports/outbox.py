"""Outputs that are committed and wait to be taken: by the readers of a REST stream, or by an HTTP peer.

What is in here is in the store too, until it is acknowledged. It is safe to use from any thread, and no call waits for
room.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from engine.errors import AcknowledgedUnseen
from engine.transports.cost import cost_bytes

if TYPE_CHECKING:
    from engine.state.commits import Kept


class Outbox:
    """Outputs by sequence number, kept until they are acknowledged. Closing it leaves them there for late readers.

    Parameters
    ----------
    max_bytes : int
        From how much on it `is_full`: then the model is held up, so that what one commit brings is all there is more.
    start : int
        The sequence number before the first output.
    """

    def __init__(self, max_bytes: int, start: int = 0) -> None:
        self._max_bytes = max_bytes
        self._kept: deque[bytes] = deque()
        self._ends: deque[int] = deque()
        self._kept_bytes = 0
        self._n_acknowledged = start
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def size_bytes(self) -> int:
        """What is kept, with its overhead."""
        return self._kept_bytes

    @property
    def is_full(self) -> bool:
        """Nothing should be published until something is acknowledged."""
        return self._kept_bytes >= self._max_bytes

    @property
    def is_empty(self) -> bool:
        """Everything was acknowledged."""
        return not self._kept

    @property
    def is_closed(self) -> bool:
        """Nothing comes any more."""
        return self._is_closed

    @property
    def last_seq(self) -> int:
        """The number of the latest output; that before the first as long as there is none."""
        with self._changed:
            return self._n_acknowledged + len(self._kept)

    @property
    def acknowledged_seq(self) -> int:
        """The number of the last output that was acknowledged; that before the first as long as none was."""
        return self._n_acknowledged

    @property
    def ends(self) -> list[int]:
        """For each commit that brought some of what is kept: the number of its last output."""
        with self._changed:
            return list(self._ends)

    def publish(self, values: Sequence[bytes]) -> None:
        """Take the outputs of one commit."""
        if not values:
            return
        with self._changed:
            self._kept += values
            self._kept_bytes += cost_bytes(values)
            self._ends.append(self._n_acknowledged + len(self._kept))
            self._changed.notify_all()

    def restore(self, kept: Kept) -> None:
        """Take what a store has kept; before anything is published."""
        if not kept.values:
            return
        with self._changed:
            self._n_acknowledged = kept.first_seq - 1
            self._kept, self._ends = deque(kept.values), deque(kept.ends)
            self._kept_bytes = cost_bytes(kept.values)
            self._changed.notify_all()

    def peek(self, after: int = 0, limit: int | None = None) -> list[tuple[int, bytes]]:
        """Return the outputs with a number above `after` that are still kept, each with its number."""
        with self._changed:
            skip = max(after - self._n_acknowledged, 0)
            stop = None if limit is None else skip + limit
            first = self._n_acknowledged + skip + 1
            return list(enumerate(islice(self._kept, skip, stop), first))

    def acknowledge(self, through: int) -> int:
        """Forget the outputs up to and with that number, and return the number of the last that is forgotten.

        Raises
        ------
        AcknowledgedUnseen
            There was never an output of that number: the next ones would be lost with it. Nothing is forgotten.
        """
        with self._changed:
            last_seq = self._n_acknowledged + len(self._kept)
            if through > last_seq:
                raise AcknowledgedUnseen(through, last_seq)
            while self._kept and self._n_acknowledged < through:
                self._kept_bytes -= cost_bytes((self._kept.popleft(),))
                self._n_acknowledged += 1
            while self._ends and self._ends[0] <= self._n_acknowledged:
                self._ends.popleft()
            return self._n_acknowledged

    def wait(self, after: int, timeout_s: float | None = None) -> bool:
        """Wait for an output with a number above `after`; False when the time is over, or the outbox was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._has(after), timeout_s)
            return self._has(after) and not self._is_closed

    def close(self) -> None:
        """Wake who waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _has(self, after: int) -> bool:
        return self._n_acknowledged + len(self._kept) > after
