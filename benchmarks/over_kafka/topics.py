"""Topics of a benchmark: made, filled, watched, read back, removed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from benchmarks.over_kafka.loads import N_PARTITIONS, Load, key_of, pack_double, partition_of, unpack_double

TIMEOUT_S = 60.0
QUIET = 0  # what goes wrong is raised; librdkafka would write of every broker that ends
ROOM_S = 0.05  # a full queue of the producer is tried again


class Topics:
    """The topics of one broker.

    Parameters
    ----------
    brokers : str
        Its address.
    """

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": QUIET})

    def make(self, *names: str) -> None:
        """Make topics, and wait until their partitions have leaders."""
        new = [NewTopic(name, N_PARTITIONS, 1) for name in names]
        for made in self._admin.create_topics(new, operation_timeout=TIMEOUT_S).values():
            made.result(TIMEOUT_S)
        for name in names:
            deadline_s = time.monotonic() + TIMEOUT_S
            while not self._is_there(name):
                if time.monotonic() > deadline_s:
                    raise RuntimeError(f"{name} has no leaders after {TIMEOUT_S:g} s")
                time.sleep(ROOM_S)

    def _is_there(self, name: str) -> bool:
        # This question fills the cache of the client too, without which `n_visible` finds no leaders for a minute.
        found = self._admin.list_topics(name, timeout=TIMEOUT_S).topics[name].partitions
        if len(found) < N_PARTITIONS or any(one.leader < 0 for one in found.values()):
            return False
        try:
            self.n_visible(name)
        except KafkaException:
            return False
        return True

    def remove(self, *names: str) -> None:
        """Remove topics, as far as they are there."""
        for removed in self._admin.delete_topics(list(names)).values():
            with suppress(KafkaException):
                removed.result(TIMEOUT_S)

    def names(self) -> set[str]:
        """Return what there is."""
        return set(self._admin.list_topics(timeout=TIMEOUT_S).topics)

    def fill(self, name: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Write keys and values; the n-th goes where `partition_of` says."""
        producer = Producer(
            {
                "bootstrap.servers": self.brokers,
                "log_level": QUIET,
                "enable.idempotence": True,
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        for nth, (key, value) in enumerate(records):
            while True:
                try:
                    producer.produce(name, value, key, partition=partition_of(nth))
                    break
                except BufferError:
                    producer.poll(ROOM_S)
        if producer.flush(TIMEOUT_S):
            raise RuntimeError(f"the broker did not take all records of {name}")

    def fill_with(self, name: str, load: Load) -> None:
        """Write the records of a load."""
        self.fill(name, ((key_of(nth), pack_double(value)) for nth, value in enumerate(load.values)))

    def n_visible(self, name: str) -> int:
        """Return how far a `read_committed` reader gets; the marks of transactions count too."""
        asked = {TopicPartition(name, partition): OffsetSpec.latest() for partition in range(N_PARTITIONS)}
        found = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED)
        return sum(one.result(TIMEOUT_S).offset for one in found.values())

    def outputs(self, name: str) -> dict[bytes, list[float]]:
        """Return all doubles that were committed, by key."""
        found: dict[bytes, list[float]] = defaultdict(list)
        consumer = self._reader(name, **{"enable.partition.eof": True})
        consumer.assign([TopicPartition(name, partition, 0) for partition in range(N_PARTITIONS)])
        n_open, heard_s = N_PARTITIONS, time.monotonic()
        try:
            while n_open:
                if time.monotonic() - heard_s > TIMEOUT_S:
                    raise RuntimeError(f"the broker gave nothing of {name} for {TIMEOUT_S:g} s")
                for message in consumer.consume(10_000, ROOM_S):  # it waits so long for the last of them
                    heard_s = time.monotonic()
                    if message.error():
                        n_open -= 1
                        continue
                    found[message.key()].append(unpack_double(message.value())[0])
        finally:
            consumer.close()
        return dict(found)

    @contextmanager
    def reader_of_new(self, name: str) -> Iterator[Consumer]:
        """Give a consumer of what is committed from now on, as soon as it can be had."""
        consumer = self._reader(name, **{"fetch.wait.max.ms": 10})
        try:
            ends = [
                TopicPartition(name, nth, consumer.get_watermark_offsets(TopicPartition(name, nth), TIMEOUT_S)[1])
                for nth in range(N_PARTITIONS)
            ]
            consumer.assign(ends)
            yield consumer
        finally:
            consumer.close()

    def _reader(self, name: str, **more: Any) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.brokers,
                "log_level": QUIET,
                "group.id": f"reader-of-{name}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 5,  # its default, a second, makes waves
                **more,
            }
        )
