"""A topic as a sink: what is written becomes part of the engine's open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.record import Label, Labels, Position

if TYPE_CHECKING:
    from engine.kafka.transaction import Transaction


class KafkaSink:
    """Writes records to a topic; the commit makes them true, and nothing before it.

    A record without a key goes to the partition of its task, so that records of one input partition stay in order.

    Parameters
    ----------
    transaction : Transaction
        The engine's.
    topic : str
        Where to.
    n_partitions : int
        Of the topic.
    """

    wants_labels = True
    identity = ""
    """Nothing: a transaction that is not committed leaves nothing behind that could be another's."""

    def __init__(self, transaction: Transaction, topic: str, n_partitions: int) -> None:
        self._transaction, self.topic, self._n_partitions = transaction, topic, n_partitions

    def write(self, values: Sequence[bytes], labels: Labels | None = None) -> None:
        """Write the records into the open transaction, or into a new one.

        Raises
        ------
        CommitAborted, DeliveryFailed, EngineFenced
            As `Transaction` says: nothing of what was written since the last commit will be seen.
        """
        n = self._n_partitions
        labels = Labels.of([Label()] * len(values)) if labels is None else labels
        partitions = [task % n if key is None else None for key, task in zip(labels.keys, labels.tasks, strict=True)]
        self._transaction.write(
            self.topic, zip(values, labels.keys, partitions, labels.timestamps_ms, labels.headers, strict=True)
        )

    def flush(self) -> Position:
        """Return 0: a commit flushes the transaction."""
        return 0

    def cut(self, position: Position) -> None:  # noqa: ARG002  there is no position but 0
        """Take back what was written since the last commit, by this sink and by all others of the transaction."""
        self._transaction.abort()

    def close(self) -> None:
        """Do nothing: the transaction has its own end."""
