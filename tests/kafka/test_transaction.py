"""The transactions of a producer, against the brokers that librdkafka has inside: they know no committed from aborted.

What is seen of a transaction, and what becomes of one that fails, is tested with real brokers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from engine.errors import BrokerRefused, BrokerUnreachable, CommitAborted, DeliveryFailed
from engine.kafka import producing
from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error
from engine.kafka.producing import open_producer
from engine.kafka.transaction import Transaction


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    """Return the address of brokers inside a producer."""
    inside = Producer({"bootstrap.servers": "unused:1", "test.mock.num.brokers": 1})
    (broker,) = inside.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del inside


@pytest.fixture
def transaction(servers: str, request: pytest.FixtureRequest) -> Iterator[Transaction]:
    transaction = Transaction(Connection(servers), request.node.name)
    transaction.init()
    yield transaction
    transaction.close()


def test_a_record_keeps_its_key_partition_time_and_headers(servers: str, transaction: Transaction) -> None:
    headers = (("h", b"1"), ("h", None))
    transaction.write("keeps", [(b"a", b"k", 3, 1_700_000_000_123, headers), (None, None, 2, None, ())])
    transaction.commit({})
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader"})
    consumer.assign([TopicPartition("keeps", partition, 0) for partition in (2, 3)])
    found = {message.partition(): message for message in consumer.consume(2, 10)}
    assert (found[3].key(), found[3].value(), found[3].headers()) == (b"k", b"a", list(headers))
    assert found[3].timestamp()[1] == 1_700_000_000_123
    assert (found[2].key(), found[2].value(), found[2].headers()) == (None, None, None)
    assert abs(found[2].timestamp()[1] - time.time() * 1000) < 60_000
    consumer.close()


def records_of(servers: str, topic: str) -> list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]] | None]]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(4)])
    found, n_ends = [], 0
    while n_ends < 4:
        message = consumer.poll(10)
        assert message is not None
        if message.error() is not None:
            n_ends += 1
        else:
            found.append((message.key(), message.value(), message.headers()))
    consumer.close()
    return found


def test_a_transaction_begins_with_the_first_record_and_ends_with_the_commit(
    servers: str, transaction: Transaction
) -> None:
    assert not transaction.is_open
    transaction.produce("begins", b"a", b"k", headers=(("h", b"1"), ("h", b"2")))
    assert transaction.is_open
    transaction.commit({})
    assert not transaction.is_open
    assert records_of(servers, "begins") == [(b"k", b"a", [("h", b"1"), ("h", b"2")])]


def test_a_commit_of_nothing_is_nothing(transaction: Transaction) -> None:
    transaction.commit({})
    transaction.abort()
    assert not transaction.is_open


def test_steps_are_told_when_all_is_sent_and_nothing_committed(servers: str) -> None:
    steps: list[tuple[str, bool]] = []
    transaction = Transaction(
        Connection(servers), "steps", on_step=lambda step: steps.append((step, transaction.is_open))
    )
    transaction.init()
    transaction.produce("steps", b"a")
    transaction.commit({})
    assert steps == [("sent", True)]
    transaction.close()


def test_more_records_than_there_is_room_for_wait_for_it(servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producing, "_N_QUEUED", 100)
    transaction = Transaction(Connection(servers), "room")
    transaction.init()
    transaction.write("room", ((b"%d" % number, None, 0, None, ()) for number in range(5000)))
    transaction.commit({})
    assert [value for _, value, _ in records_of(servers, "room")] == [b"%d" % number for number in range(5000)]
    transaction.close()


def test_what_was_half_written_gets_into_no_transaction_until_it_is_taken_back(transaction: Transaction) -> None:
    def records() -> Iterator[tuple[bytes, None, int, None, tuple[()]]]:
        yield b"a", None, 0, None, ()
        yield b"x" * (19 << 20), None, 0, None, ()  # longer than any message

    with pytest.raises(DeliveryFailed, match="larger than the topic takes"):
        transaction.write("half", records())
    with pytest.raises(DeliveryFailed):
        transaction.produce("half", b"b")
    with pytest.raises(DeliveryFailed):
        transaction.commit({})
    transaction.abort()
    transaction.produce("half", b"c")
    transaction.commit({})


def test_who_was_closed_writes_nothing_any_more(servers: str) -> None:
    transaction = Transaction(Connection(servers), "closed")
    transaction.init()
    transaction.produce("closed", b"a")
    transaction.close()
    assert (transaction.is_open, transaction.is_closed) == (False, True)
    with pytest.raises(CommitAborted) as caught:
        transaction.produce("closed", b"b")
    assert caught.value.is_lost


def test_settings_that_do_not_go_with_transactions_are_refused(servers: str) -> None:
    with pytest.raises(BrokerRefused, match=r"message\.timeout\.ms"):
        Transaction(Connection(servers, {"message.timeout.ms": 600_000}), "settings").init()


def test_brokers_that_do_not_answer_are_named() -> None:
    transaction = Transaction(Connection("127.0.0.1:1"), "nobody")
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1:"):
        transaction.init(0.5)


UNKNOWN_TOPIC = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
"""What brokers say of all that is done in a transaction when one of its topics is gone."""


class Stuck:
    """A producer whose records stay on the way."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    def flush(self, _timeout_s: float) -> int:
        return 1

    def send_offsets_to_transaction(self, *_given: object) -> None:
        raise KafkaException(UNKNOWN_TOPIC)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


def test_a_topic_that_is_gone_is_named_when_its_records_stay_on_the_way(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Librdkafka goes on asking to write to it for as long as it takes until it hears of it by chance."""
    asked: list[str] = []

    def find_topic(_brokers: object, name: str) -> None:
        asked.append(name)
        if name == "gone":
            cause = KafkaException(UNKNOWN_TOPIC)
            raise broker_error("look at topic 'gone'", cause) from cause

    monkeypatch.setattr("engine.kafka.transaction.find_topic", find_topic)
    producer: Any = Stuck(transaction._producer)
    transaction._producer = producer
    transaction.produce("there", b"a")
    with pytest.raises(CommitAborted, match="still on the way"):
        transaction.commit({})
    transaction._producer = producer
    transaction.produce("gone", b"a")
    with pytest.raises(DeliveryFailed, match=r"gone.*no such topic"):
        transaction.commit({})
    assert set(asked) == {"there", "gone"}
    transaction.produce("there", b"a")
    transaction.produce("gone", b"a")
    transaction._undelivered = "there", UNKNOWN_TOPIC
    with pytest.raises(DeliveryFailed, match=r"gone.*no such topic"):
        transaction.commit({})
    transaction._producer = producer
    transaction.produce("gone", b"a")
    with pytest.raises(DeliveryFailed, match=r"gone.*no such topic"):
        transaction.commit({("input", 0): 1})


class Waiting:
    """A producer that waits for a coordinator which has left the cluster; until then it does nothing else."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self.is_asked, self._end = threading.Event(), threading.Event()

    def send_offsets_to_transaction(self, *_given: object) -> None:
        self.is_asked.set()
        self._end.wait()

    def abort_transaction(self, _timeout_s: float) -> None:
        raise KafkaException(KafkaError(KafkaError._CONFLICT, retriable=True))

    def leave(self) -> None:
        self._end.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


@pytest.fixture
def waiting(transaction: Transaction, monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    producer: Any = Waiting(transaction._producer)
    monkeypatch.setattr(transaction, "_producer", producer)
    yield producer
    producer.leave()


def test_a_coordinator_that_is_gone_is_given_up_and_another_producer_asks_for_the_next(
    servers: str, transaction: Transaction, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction.produce("coordinator", b"a", partition=0)
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_left_s", lambda: 0.01)
        patch.setattr("engine.kafka.transaction._STEP_S", 0.5)  # the next producer has to connect within it
        with pytest.raises(CommitAborted, match="coordinator") as caught:
            transaction.commit({("input", 0): 1})
    assert not caught.value.is_lost
    assert transaction._producer is not waiting
    transaction.produce("coordinator", b"b", partition=0)
    transaction.commit({})
    assert b"b" in [value for _, value, _ in records_of(servers, "coordinator")]


def test_a_transaction_that_brokers_cannot_end_yet_is_waited_for(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of them are away: the coordinator says so for as long as it lasts, and not for as long as we wait."""
    opened: list[object] = []

    class Busy:
        def __init__(self, producer: Any) -> None:
            self._producer = producer

        def init_transactions(self, timeout_s: float) -> None:
            if len(opened) < 3:
                raise KafkaException(KafkaError(KafkaError.CONCURRENT_TRANSACTIONS, retriable=True))
            self._producer.init_transactions(max(timeout_s, 10))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._producer, name)

    def open_busy(*given: Any) -> Any:
        opened.append(Busy(open_producer(*given)))
        return opened[-1]

    monkeypatch.setattr("engine.kafka.transaction.open_producer", open_busy)
    monkeypatch.setattr("engine.kafka.transaction._STEP_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_clock", lambda: float(len(opened)))
        transaction.renew()
    assert len(opened) == 3


def test_whoever_closes_does_not_wait_for_a_coordinator_that_is_gone(
    transaction: Transaction, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "_left_s", lambda: 3600)
    monkeypatch.setattr("engine.kafka.transaction._STEP_S", 0.01)
    transaction.produce("closing", b"a", partition=0)
    failed: list[BaseException] = []

    def commit() -> None:
        try:
            transaction.commit({("input", 0): 1})
        except CommitAborted as exc:
            failed.append(exc)

    committing = threading.Thread(target=commit)
    committing.start()
    waiting.is_asked.wait()
    transaction.close()
    committing.join()
    assert len(failed) == 1
