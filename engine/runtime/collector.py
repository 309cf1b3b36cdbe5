"""Python's garbage collector, beside records that come and go by the hundred thousand."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

N_OBJECTS = 20_000
"""How many more objects there are before the youngest are looked through. Records wait for their commit with a few of
them each, so that Python's own 700 come every few milliseconds, and find nothing."""


@contextmanager
def sparing_collector() -> Iterator[None]:
    """Have garbage be looked for among what records leave, not among all modules, and not after each few of them."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(N_OBJECTS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
