"""Reads what is committed of a topic, up to where it ends."""

from __future__ import annotations

import time
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from testbed.kafka import KafkaCluster

PATIENCE_S = 90.0
"""How long nothing may happen on a machine that is busy with other things."""


def ends_of(kafka: KafkaCluster, topic: str) -> dict[int, int]:
    """Return, by partition, the offset behind all that was written, committed or not.

    A commit is over when the coordinator has it; the partitions hear of it one after the other, a little later. So
    who reads what is committed finds too little if it ends where a partition seems to, and all when it gets so far.
    """
    settings = {"group.id": "reader", "isolation.level": "read_uncommitted", "enable.auto.commit": False}
    with closing(Consumer({**kafka.client_settings, **settings})) as consumer:
        partitions = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        return {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=PATIENCE_S)[1]
            for number in partitions
        }


def read_messages(kafka: KafkaCluster, topic: str) -> list[Message]:
    """Return all that is committed of a topic, each partition in order; waits for transactions that are open."""
    ends = ends_of(kafka, topic)
    settings = {"group.id": "reader", "isolation.level": "read_committed", "enable.auto.commit": False}
    with closing(Consumer({**kafka.client_settings, **settings, "enable.partition.eof": True})) as consumer:
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends])
        found: list[Message] = []
        deadline_s = time.monotonic() + PATIENCE_S
        while ends:
            for message in consumer.consume(1000, 0.1):
                deadline_s = time.monotonic() + PATIENCE_S
                error, number = message.error(), message.partition() or 0
                if error is None:
                    found.append(message)
                else:
                    assert error.name() == "_PARTITION_EOF", error
                    if (message.offset() or 0) >= ends.get(number, 0):
                        ends.pop(number, None)
            assert time.monotonic() < deadline_s, f"{topic}: the ends {ends} were not reached, of {len(found)} records"
    return found


def read_values(kafka: KafkaCluster, topic: str) -> list[bytes | None]:
    """Return the values of all that is committed of a topic, each partition in order."""
    return [message.value() for message in read_messages(kafka, topic)]
