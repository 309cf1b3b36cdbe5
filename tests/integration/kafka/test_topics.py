"""What brokers say of topics and groups, and what a reader without a group gets."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from engine.errors import BrokerRefused, EndOfStream
from engine.kafka.brokers import Brokers
from engine.kafka.connection import Connection
from engine.kafka.groups import Group, committed_offsets, find_group, move_offsets
from engine.kafka.reader import KafkaReader
from engine.kafka.topics import (
    Topic,
    begin_offsets,
    create_topic,
    find_topic,
    first_offsets,
    last_offsets,
    offsets_at,
    topic_names,
)
from engine.kafka.transaction import Transaction
from engine.record import Label, Oversized
from testbed.kafka import KafkaCluster

QUICK: dict[str, Any] = {"topic.metadata.refresh.interval.ms": 100, "topic.metadata.propagation.max.ms": 500}
"""For a client that is to notice soon what becomes of a topic."""


@pytest.fixture
def connection(kafka: KafkaCluster) -> Connection:
    return Connection(kafka.bootstrap)


@pytest.fixture
def brokers(connection: Connection) -> Brokers:
    return Brokers(connection)


def write(connection: Connection, topic: str, partition: int, *values: bytes, **more: Any) -> None:
    producer = Producer(connection.producer())
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=partition, timestamp=1000 * (number + 1), **more)
    assert producer.flush(30) == 0


def read_on(reader: KafkaReader, values: list[bytes] | None = None) -> None:
    """Read until something is raised."""
    while True:
        found = reader.read(10, 1).values
        if values is not None:
            values += found


def test_a_topic_is_made_once_and_found_with_its_partitions(brokers: Brokers, name: str) -> None:
    assert create_topic(brokers, name, 3, {"cleanup.policy": "compact"}) is True
    assert create_topic(brokers, name, 3, {}) is False
    found = find_topic(brokers, name)
    assert (found.name, found.n_partitions, found.allows("READ")) == (name, 3, True)
    assert name in topic_names(brokers)


def test_a_topic_that_the_brokers_will_not_make_is_refused_with_their_words(brokers: Brokers, name: str) -> None:
    with pytest.raises(BrokerRefused, match=f"cannot create topic '{name}': .*nonsense"):
        create_topic(brokers, name, 1, {"cleanup.policy": "nonsense"})


def test_to_ask_for_a_topic_does_not_make_it(brokers: Brokers, name: str) -> None:
    with pytest.raises(BrokerRefused, match="no such topic"):
        find_topic(brokers, name)
    assert name not in topic_names(brokers)


def test_what_a_user_may_do_is_not_known_of_brokers_that_do_not_say() -> None:
    assert Topic("t", 1, None).allows("WRITE")
    assert not Topic("t", 1, frozenset({"READ"})).allows("WRITE")


def test_offsets_count_what_was_committed(brokers: Brokers, connection: Connection, topic: Any, name: str) -> None:
    prices = topic(2)
    write(connection, prices, 0, b"1", b"2", b"3")
    transaction = Transaction(connection, name)
    transaction.init()
    transaction.produce(prices, b"open", partition=1)
    transaction.commit({})  # the record, and the end of the transaction
    transaction.produce(prices, b"open", partition=1)
    while (lasts := last_offsets(brokers, prices, [0, 1]))[1] < 2:  # that end comes to the partition a bit later
        pass  # each turn asks a broker; the test's own time-out ends it
    assert lasts == {0: 3, 1: 2}
    transaction.abort()
    transaction.close()
    assert first_offsets(brokers, prices, [0, 1]) == {0: 0, 1: 0}
    assert offsets_at(brokers, prices, [0], 1001) == {0: 1}
    assert offsets_at(brokers, prices, [0], 9000) == {0: 3}
    assert first_offsets(brokers, prices, []) == {}


@pytest.mark.parametrize(
    ("first_record", "expected"), [("earliest", 2), ("latest", 5), (0, 2), (2, 2), (3, 3), (5, 5), (99, 5)]
)
def test_reading_begins_at_what_is_there(
    brokers: Brokers, connection: Connection, kafka: KafkaCluster, topic: Any, first_record: Any, expected: int
) -> None:
    prices = topic()
    write(connection, prices, 0, b"1", b"2", b"3", b"4", b"5")
    admin = kafka.admin()  # what is asked of it ends with it
    for deleted in admin.delete_records([TopicPartition(prices, 0, 2)]).values():
        deleted.result(30)
    assert begin_offsets(brokers, prices, [0], first_record) == {0: expected}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_is_found_with_its_members_and_moved_without(
    brokers: Brokers, kafka: KafkaCluster, topic: Any, name: str, protocol: str
) -> None:
    prices = topic(2)
    assert find_group(brokers, name).members == ()
    connection = Connection(kafka.bootstrap, {"group.protocol": protocol})
    consumer = Consumer(connection.consumer(**{"group.id": name, "group.instance.id": "one"}))
    consumer.subscribe([prices])
    while not consumer.assignment():
        consumer.poll(0.1)
    assert find_group(brokers, name).members == ("one",)
    with pytest.raises(BrokerRefused, match="members"):
        move_offsets(brokers, name, prices, {0: 0})
    consumer.unsubscribe()
    while find_group(brokers, name) != Group(name, (), find_group(brokers, name).operations):
        consumer.poll(0.1)
    consumer.close()
    move_offsets(brokers, name, prices, {0: 0})
    assert committed_offsets(brokers, name, prices, [0, 1]) == {0: 0, 1: None}


def test_a_reader_gives_values_with_their_labels_and_the_offset_behind_them(connection: Connection, topic: Any) -> None:
    prices = topic()
    write(connection, prices, 0, b"1.5", b"2.5", key=b"AAPL", headers=[("traceparent", b"00-1"), ("none", None)])
    reader = KafkaReader(connection, prices, {0: 1}, is_bounded=True)
    batch = reader.read(10, 10)
    assert (batch.values, list(batch.positions)) == ([b"2.5"], [2])
    assert batch.labels == [Label(b"AAPL", 2000, (("traceparent", b"00-1"), ("none", None)))]
    with pytest.raises(EndOfStream):
        reader.read(10, 10)
    reader.close()
    reader.close()


def test_a_record_without_a_value_is_empty_and_a_long_one_is_its_head(connection: Connection, topic: Any) -> None:
    prices = topic()
    producer = Producer(connection.producer())
    producer.produce(prices, None, b"key")
    producer.produce(prices, b"x" * 2000)
    producer.flush(30)
    reader = KafkaReader(connection, prices, {0: 0}, is_bounded=True, max_record_bytes=1000)
    values: list[bytes] = []
    with pytest.raises(EndOfStream):
        read_on(reader, values)
    reader.close()
    assert values[0] == b""
    assert isinstance(values[1], Oversized)
    assert values[1].size_bytes == 2000


def test_a_reader_that_waits_is_woken_when_it_is_closed(connection: Connection, topic: Any) -> None:
    reader = KafkaReader(connection, topic(), {0: 0})
    assert reader.read(10, 0.0).values == []
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(EndOfStream):
            read_on(reader)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    reader.close()
    assert ended.wait(90)
    thread.join()


def test_a_topic_that_is_deleted_while_it_is_read_is_said(
    connection: Connection, kafka: KafkaCluster, topic: Any
) -> None:
    prices = topic()
    write(connection, prices, 0, b"1")
    reader = KafkaReader(Connection(kafka.bootstrap, QUICK), prices, {0: 0})
    while not reader.read(10, 1).values:
        pass
    kafka.delete_topic(prices)
    with pytest.raises(BrokerRefused, match="no such topic"):
        read_on(reader)
    reader.close()
