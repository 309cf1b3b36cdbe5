"""Brokers that go and come back in the middle of commits cost time, and nothing else."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from engine.errors import CommitAborted
from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from engine.kafka.groups import read_offsets
from engine.kafka.log import KafkaLog
from engine.kafka.sink import KafkaSink
from engine.kafka.transaction import Transaction
from engine.state.commits import Commit, Entry, Fence, InputFence, TaskFence
from engine.state.sqlite import SqliteStore
from testbed.kafka import KafkaCluster
from tests.integration.kafka.reading import read_values

pytestmark = pytest.mark.integration


def test_commits_go_on_when_the_broker_was_killed_and_is_back(name: str, tmp_path: Path) -> None:
    with KafkaCluster() as kafka, SqliteStore(tmp_path) as store, ThreadPoolExecutor(1) as beside:
        connection = Connection(kafka.bootstrap)
        source, target = kafka.create_topic("in"), kafka.create_topic("out")
        changelog = Changelog(connection, name)
        changelog.ensure(1)
        consumer = Consumer(connection.consumer(**{"group.id": name}))
        consumer.assign([TopicPartition(source, 0, 0)])
        transaction = Transaction(connection, name)
        log = KafkaLog(store, transaction, changelog, topics={0: source}, group=name)
        sink = KafkaSink(transaction, target, 1)
        membership = consumer.consumer_group_metadata()
        started: Future[None] | None = None
        number = 0
        for last in (10, 20, 30):
            while number < last:
                tasks = {0: TaskFence({0: InputFence(0, number + 1)})}
                value = b"%d" % (number + 1)
                commit = Commit(
                    Fence(number + 1, "m", "d", tasks=tasks), [Entry("script", b"", "n", value)], membership=membership
                )
                try:
                    sink.write([value])
                    log.commit(commit).result()
                except CommitAborted:
                    sink.cut(0)
                else:
                    number += 1
            if started is not None:
                started.result()
            # What partitions have not heard yet a single broker may forget: each of them is waited for.
            assert read_values(kafka, target) == [b"%d" % one for one in range(1, number + 1)]
            assert [entry.value for entry in log.entries()] == [b"%d" % number]
            assert read_offsets(connection, name, [TopicPartition(source, 0)])[0].offset == number
            if last < 30:
                kafka.kill()
                started = beside.submit(kafka.start)
        log.close()
        consumer.close()
