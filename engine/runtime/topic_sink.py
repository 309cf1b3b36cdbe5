"""A topic that is attached before the transactions are there in which it is written."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import DeliveryFailed
from engine.ports import Sink
from engine.record import Labels, Position


class TopicSink:
    """Stands for a topic: written through another sink, once the whole job is known.

    Parameters
    ----------
    topic : str
        Its name.
    """

    wants_labels = True
    identity = ""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.inner: Sink | None = None

    def write(self, values: Sequence[bytes], labels: Labels | None = None) -> None:
        """As `Sink.write`."""
        if self.inner is None:
            raise DeliveryFailed(f"topic {self.topic}", "the job has not begun")
        self.inner.write(values, labels)

    def flush(self) -> Position:
        """As `Sink.flush`."""
        return self.inner.flush() if self.inner is not None else 0

    def cut(self, position: Position) -> None:
        """As `Sink.cut`."""
        if self.inner is not None:
            self.inner.cut(position)

    def close(self) -> None:
        """As `Sink.close`."""
        if self.inner is not None:
            self.inner.close()
