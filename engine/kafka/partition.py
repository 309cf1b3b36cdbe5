"""One partition, read from an offset to an offset, by nobody's leave: no group hears of it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from engine.errors import BrokerUnreachable
from engine.kafka.brokers import Brokers
from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error

if TYPE_CHECKING:
    from confluent_kafka import Message

PATIENCE_S = 60.0
"""How long a broker may say nothing: longer than it takes to elect another leader, or to start again."""

IS_OPEN = "a transaction of another engine is open"
"""What is waited for, where the broker is there."""

_N_MESSAGES = 1000  # at a time: with more of them the processor's cache overflows, and each takes twice as long
_SLICE_S = 0.05  # so often is looked whether somebody wants an end

_WINDOW = 1000  # offsets that are read first when the newest record of a key is looked for
_GROWTH = 8  # the factor of the next window; a partition of a million records is looked through in four steps


class Partition:
    """A partition that is read; for one thread, but for `close`.

    Parameters
    ----------
    connection : Connection
        The brokers.
    topic : str
        Whose it is.
    number : int
        Its number.
    on_wait : callable
        Called with a reason when something of somebody else is waited for, and with nothing when that is over.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        number: int,
        on_wait: Callable[[str], None] = lambda reason: None,  # noqa: ARG005
    ) -> None:
        from confluent_kafka import Consumer

        self._topic, self._number, self._on_wait = topic, number, on_wait
        self._connection = connection
        self._end = threading.Event()
        self._is_waiting = False
        own: dict[str, Any] = {
            "group.id": f"reader-{uuid.uuid4()}",  # librdkafka wants one, and no broker hears of it
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,  # by default, a reader that keeps up waits for a second
            "fetch.wait.max.ms": 20,  # the end of what is read is seen by a fetch that brings nothing
            "queued.min.messages": 200_000,
            "max.partition.fetch.bytes": 8 << 20,  # a million states are 300 MB: some forty fetches
        }
        self._consumer = Consumer(connection.consumer(**own))

    def ends(self) -> tuple[int, int]:
        """Return the offset of the first record, and the one behind the last, which may not be committed yet."""
        from confluent_kafka import IsolationLevel, TopicPartition
        from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # its stubs forget it

        def asked(where: str) -> int:
            spec = getattr(OffsetSpec, where)()
            found = brokers.ask(
                f"read topic {self._topic!r}",
                lambda client, timeout_s: client.list_offsets(
                    {TopicPartition(self._topic, self._number): spec},
                    isolation_level=IsolationLevel.READ_UNCOMMITTED,
                    request_timeout=timeout_s,
                ),
                is_known=True,
            )
            return int(next(iter(found.values())).offset)

        with Brokers(self._connection) as brokers:
            high = asked("latest")
            return asked("earliest"), high

    def read(self, start: int, end: int) -> Iterator[list[Message]]:
        """Return the committed records between two offsets, after the end of every transaction in between.

        Raises
        ------
        BrokerRefused, BrokerUnreachable
            It cannot be read.
        """
        from confluent_kafka import TopicPartition

        if start >= end:
            return
        self._consumer.assign([TopicPartition(self._topic, self._number, start)])
        heard_s, behind = time.monotonic(), start
        while behind < end and not self._end.is_set():
            messages = self._consumer.consume(_N_MESSAGES, _SLICE_S)
            records = [message for message in messages if message.error() is None]
            ends = [self._end_of(message) for message in messages if message.error() is not None]
            behind = max([behind, *ends, *[(message.offset() or 0) + 1 for message in records[-1:]]])
            found = records if behind <= end else [message for message in records if (message.offset() or 0) < end]
            if found:
                yield found
            if max(ends, default=-1) >= 0 and behind < end:
                self._on_wait(IS_OPEN)
                self._is_waiting = True
            elif messages:
                self._is_waiting = False
            if messages or self._is_waiting:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > PATIENCE_S:
                raise BrokerUnreachable(self._connection.servers, f"it said nothing for {PATIENCE_S:g} s")
        self._on_wait("")

    def _end_of(self, message: Message) -> int:
        """Return up to where a partition has been read, if that is what a message says, else -1; raise for an error."""
        from confluent_kafka import KafkaError

        error: Any = message.error()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes are named so
            return message.offset() or 0
        failure = broker_error(f"read topic {self._topic!r}", error, self._connection.servers)
        if not isinstance(failure, BrokerUnreachable):
            raise failure
        self._on_wait(failure.reason)  # librdkafka goes on trying
        return -1

    def newest(self, keys: set[bytes]) -> Iterator[tuple[bytes, bytes | None]]:
        """Return key and value of the committed records of some keys, the last one first."""
        low, end = self.ends()
        size = _WINDOW
        while end > low and not self._end.is_set():
            start = max(low, end - size)
            found = [
                (key, message.value())
                for messages in self.read(start, end)
                for message in messages
                if (key := message.key()) in keys
            ]
            yield from reversed(found)
            end, size = start, size * _GROWTH

    @property
    def is_closed(self) -> bool:
        """Whether somebody wants an end."""
        return self._end.is_set()

    def stop(self) -> None:
        """End what is read soon, from any thread."""
        self._end.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._consumer.close()
