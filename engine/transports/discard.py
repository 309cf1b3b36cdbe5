"""Outputs that nobody wants."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import DeliveryFailed
from engine.record import Labels, Position


class DiscardSink:
    """Takes outputs and forgets them; a position counts the records taken."""

    def __init__(self) -> None:
        self._n_taken = 0
        self._is_closed = False

    wants_labels = False

    def write(self, values: Sequence[bytes], labels: Labels | None = None) -> None:  # noqa: ARG002 -- none are kept
        """Count the records."""
        if self._is_closed:
            raise DeliveryFailed("discard", "it is closed")
        self._n_taken += len(values)

    def flush(self) -> Position:
        """Return how many records were taken."""
        return self._n_taken

    def cut(self, position: Position) -> None:
        """Count on from there."""
        self._n_taken = position

    def close(self) -> None:
        """Take no more."""
        self._is_closed = True

    @property
    def identity(self) -> str:
        """None."""
        return ""
