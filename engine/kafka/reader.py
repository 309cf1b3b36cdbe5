"""A topic as a source that belongs to no group: it moves nobody's offsets, and nobody moves its own."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import BrokerUnreachable, EndOfStream, EngineError
from engine.kafka.batching import batch_of
from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error
from engine.record import MAX_RECORD_BYTES, Batch

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

_END_MS = 50  # how long a broker thinks before it says that a partition has no more
_SLICE_S = 0.1  # a consumer is closed only between two of its calls


class KafkaReader:
    """Committed records of some partitions, each partition in order.

    A position is the offset behind a record, in its own partition.

    Parameters
    ----------
    connection : Connection
        The brokers.
    topic : str
        What is read.
    starts : mapping of int to int
        For each partition that is read, the offset of its first record.
    is_bounded : bool
        End when every partition was read to where it ends then; else wait for more.
    max_record_bytes : int
        A longer record comes as `Oversized`.

    Raises
    ------
    BrokerRefused
        A setting of the connection is wrong.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        starts: Mapping[int, int],
        *,
        is_bounded: bool = False,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        self._connection, self._topic = connection, topic
        self._is_bounded, self._max_record_bytes = is_bounded, max_record_bytes
        self._unread: set[int | None] = set(starts)
        self.counts: Counter[int | None] = Counter()
        """How many records were read of each partition."""
        self._fault: EngineError | None = None
        self._is_closed = False
        self._turn = threading.Lock()
        # librdkafka wants a group in any case. Nothing is ever committed to this one, so that no broker hears of it.
        own: dict[str, Any] = {
            "group.id": f"reader-{uuid.uuid4()}",
            "enable.partition.eof": True,
            "error_cb": self._note,
        }
        if is_bounded:
            own["fetch.wait.max.ms"] = _END_MS
        try:
            self._consumer = Consumer(connection.consumer(**own))
        except KafkaException as exc:
            raise broker_error(f"read topic {topic!r}", exc, connection.servers) from exc
        self._consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in starts.items()])

    def read(self, max_records: int, timeout_s: float) -> Batch:
        """Return records that have arrived; see `engine.ports.Source.read`.

        Raises
        ------
        BrokerRefused, BrokerUnreachable
            The topic cannot be read, or not any more.
        """
        give_up_at = time.monotonic() + timeout_s
        while True:
            with self._turn:
                if self._is_closed or (self._is_bounded and not self._unread):
                    raise EndOfStream
                wait_s = give_up_at - time.monotonic()
                messages = self._consumer.consume(max_records, max(min(wait_s, _SLICE_S), 0.0))
            if self._fault is not None:
                raise self._fault
            records = [message for message in messages if not self._is_end(message)]
            self.counts.update(message.partition() for message in records)
            if records or wait_s <= 0:
                return batch_of(records, 0, self._max_record_bytes) if records else Batch([], [])

    def close(self) -> None:
        """Let go of the brokers; a read that waits ends soon."""
        with self._turn:
            if not self._is_closed:
                self._is_closed = True
                self._consumer.close()

    def _note(self, error: KafkaError) -> None:
        """Note what librdkafka says beside the records, unless it may go by."""
        fault = broker_error(f"read topic {self._topic!r}", error, self._connection.servers)
        if not isinstance(fault, BrokerUnreachable):
            self._fault = fault

    def _is_end(self, message: Message) -> bool:
        """Return whether it is no record but the end of a partition, and note it."""
        from confluent_kafka import KafkaError

        error = message.error()
        if error is None:
            return False
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes are named so
            raise broker_error(f"read topic {self._topic!r}", error, self._connection.servers)
        self._unread -= {message.partition()}
        return True
