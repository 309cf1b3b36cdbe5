"""What records take in a queue."""

from __future__ import annotations

from collections.abc import Sequence

_RECORD_COST_BYTES = 64  # what CPython adds to a bytes object in a queue: 33, a slot, and rounding


def cost_bytes(values: Sequence[bytes]) -> int:
    """Return the bytes that records take in memory, with their overhead."""
    return sum(map(len, values)) + _RECORD_COST_BYTES * len(values)
