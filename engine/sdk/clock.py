"""The time of the record in work, as scripts ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable

_read: Callable[[], float] = time.time


def set_clock(read: Callable[[], float] = time.time) -> None:
    """Have `now` return what a function does; without one, the computer's time."""
    global _read
    _read = read


def now() -> float:
    """Return the time of the record that is being scored, in seconds since 1970, as `time.time` does.

    It is the timestamp that the record came with; of a record without one it is the computer's time when its turn came.
    Either way it is the same until the next record. In ``begin`` and ``end`` it is the computer's time.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> datetime.fromtimestamp(now(), UTC).year > 2000
    True
    """
    return _read()
