"""Outputs that nobody wants."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import DeliveryFailed
from engine.record import Position


class DiscardSink:
    """Takes outputs and forgets them; a position counts the records taken."""

    def __init__(self) -> None:
        self._n_taken = 0
        self._is_closed = False

    def write(self, values: Sequence[bytes]) -> None:
        """Count the records."""
        if self._is_closed:
            raise DeliveryFailed("discard", "it is closed")
        self._n_taken += len(values)

    def flush(self) -> Position:
        """Return how many records were taken."""
        return self._n_taken

    def close(self) -> None:
        """Take no more."""
        self._is_closed = True

    @property
    def identity(self) -> str:
        """None."""
        return ""
