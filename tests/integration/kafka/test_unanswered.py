"""A commit that is not answered is neither taken for done nor for undone, and a question is asked again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from engine.errors import CommitAborted
from engine.kafka import transaction as module
from engine.kafka.brokers import Brokers
from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from engine.kafka.log import KafkaLog
from engine.kafka.topics import create_topic, topic_names
from engine.kafka.transaction import Transaction
from engine.state.commits import Commit, Entry, Fence, InputFence, OutputFence, TaskFence
from engine.state.sqlite import SqliteStore
from testbed.kafka import KafkaCluster
from tests.integration.kafka.reading import read_values
from tests.integration.kafka.wire import Wire

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Wire() as wire:
        yield wire


@pytest.fixture(scope="module")
def kafka_behind(wire: Wire) -> Iterator[KafkaCluster]:
    """Return a broker that clients reach through the wire."""
    cluster = KafkaCluster()
    broker = cluster.broker(1)
    wire.to_port = broker.place.port
    says = broker._config["advertised.listeners"]
    broker._config["advertised.listeners"] = says.replace(f":{wire.to_port}", f":{wire.port}")
    with cluster:
        cluster.create_topic("in")
        cluster.create_topic("out")
        yield cluster


@pytest.mark.parametrize("has_changelog", [True, False], ids=["with state", "without state"])
@pytest.mark.parametrize(
    ("direction", "is_true"), [("back", True), ("there", False)], ids=["the answer is lost", "the order is lost"]
)
def test_a_commit_of_which_nobody_heard_is_what_the_brokers_made_of_it(
    kafka_behind: KafkaCluster,
    wire: Wire,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    direction: str,
    is_true: bool,
    has_changelog: bool,
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 2)
    renew = Transaction.renew

    def mend_and_renew(self: Transaction) -> None:
        wire.mend()
        renew(self)

    monkeypatch.setattr(Transaction, "renew", mend_and_renew)
    connection = Connection(kafka_behind.bootstrap)
    changelog = Changelog(connection, name)
    changelog.ensure(1)
    consumer = Consumer(connection.consumer(**{"group.id": name}))
    consumer.assign([TopicPartition("in", 0, 0)])
    cuts = [False, True]
    transaction = Transaction(
        connection, name, on_step=lambda step: wire.cut(direction) if step == "sent" and cuts.pop(0) else None
    )
    with SqliteStore(tmp_path) as store:
        log = KafkaLog(store, transaction, changelog if has_changelog else None, topics={0: "in"}, group=name)

        def commit(number: int) -> Commit:
            tasks = {0: TaskFence({0: InputFence(0, number, number)})}
            fence = Fence(number, "m", "d", outputs={2: OutputFence(1, 0, number)}, tasks=tasks)
            entries = [Entry("script", b"", "n", b"%d" % number)] if has_changelog else []
            return Commit(fence, entries, {2: [b"%d" % number]}, membership=consumer.consumer_group_metadata())

        log.commit(commit(1)).result()
        before = read_values(kafka_behind, "out")
        transaction.produce("out", name.encode(), partition=0)
        if is_true:
            log.commit(commit(2)).result()
        else:
            with pytest.raises(CommitAborted):
                log.commit(commit(2)).result()
        last = 2 if is_true else 1
        assert log.fence == commit(last).fence
        assert read_values(kafka_behind, "out") == before + [name.encode()] * is_true
        assert log.outputs(2).values == [b"%d" % number for number in range(1, last + 1)]
        if has_changelog:
            assert [entry.value for entry in log.entries()] == [b"%d" % last]
        (place,) = consumer.committed([TopicPartition("in", 0)], 10)
        assert place.offset == last
        cuts.append(False)
        log.commit(commit(last + 1)).result()
        assert store.prepared is None
        log.close()
    consumer.close()


def test_a_topic_is_made_although_its_broker_went_away_before_it_could_say_so(
    kafka_behind: KafkaCluster, wire: Wire, name: str
) -> None:
    with Brokers(Connection(kafka_behind.bootstrap)) as brokers, ThreadPoolExecutor() as pool:
        assert create_topic(brokers, f"{name}-before", 1, {})  # on the same connection, so that it is there
        wire.cut("back")
        made = pool.submit(create_topic, brokers, name, 1, {})
        time.sleep(1)  # it is with the broker by then
        assert not made.done()
        wire.mend()
        assert made.result() is False  # the one who asks again is told that it is there
        assert name in topic_names(brokers)
