"""From messages to batches of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.record import Batch, Label, Oversized

if TYPE_CHECKING:
    from confluent_kafka import Message


def batch_of(messages: Sequence[Message], task: int, max_record_bytes: int) -> Batch:
    """Return the records of a task; one that is too long comes as its head, a tombstone as no bytes."""
    values: list[bytes] = []
    positions: list[int] = []
    labels: list[Label] = []
    for message in messages:
        value: Any = message.value() or b""
        values.append(value if len(value) <= max_record_bytes else Oversized(value, len(value)))
        positions.append((message.offset() or 0) + 1)
        kind, timestamp_ms = message.timestamp()
        headers: Any = message.headers()
        key: Any = message.key()
        labels.append(Label(key, timestamp_ms if kind else None, tuple(headers) if headers else (), task))
    return Batch(values, positions, labels)
