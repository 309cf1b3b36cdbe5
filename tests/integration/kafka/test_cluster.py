"""Three brokers, of which tests take one away, and one that asks who one is."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer

from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from testbed.kafka import KafkaCluster
from tests.integration.kafka.reading import read_values

N_PARTITIONS = 3
END_LIMIT_S = 90


@pytest.fixture(scope="module")
def three() -> Iterator[KafkaCluster]:
    with KafkaCluster(3) as cluster:
        yield cluster


def values_in(cluster: KafkaCluster, topic: str) -> list[int]:
    """Return all committed values of a topic, sorted."""
    return sorted(int(value or b"") for value in read_values(cluster, topic))


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_nothing_is_lost_when_one_broker_of_three_goes_under_load(three: KafkaCluster, way: str) -> None:
    topic = three.create_topic(f"load-{way}", N_PARTITIONS)
    producer = Producer(three.client_settings | {"transactional.id": topic, "log_level": 0})
    producer.init_transactions(END_LIMIT_S)
    is_back, n_transactions = threading.Event(), itertools.count()

    def take_one_away() -> None:
        leader = three.admin().list_topics(topic, timeout=END_LIMIT_S).topics[topic].partitions[0].leader
        getattr(three, way)(leader)
        three.start(leader)
        is_back.set()

    taking = threading.Thread(target=take_one_away)
    taking.start()
    sent: list[int] = []
    while not is_back.is_set():
        first = 100 * next(n_transactions)
        producer.begin_transaction()
        for value in range(first, first + 100):
            producer.produce(topic, str(value), partition=value % N_PARTITIONS)
        producer.commit_transaction(END_LIMIT_S)
        sent.extend(range(first, first + 100))
    taking.join()
    assert values_in(three, topic) == sent


def test_engines_that_begin_together_make_a_changelog_once_and_all_find_it(three: KafkaCluster) -> None:
    """A broker that has not heard of the topic yet says that there is none."""
    connection = Connection(three.bootstrap)
    for n in range(20):
        with ThreadPoolExecutor(4) as engines:
            for made in [engines.submit(Changelog(connection, f"changelog-{n}").ensure, 4) for _ in range(4)]:
                made.result()


def test_topics_have_three_copies_and_wait_for_two(three: KafkaCluster) -> None:
    topic = three.create_topic("copies", 1)
    partition = three.admin().list_topics(topic, timeout=END_LIMIT_S).topics[topic].partitions[0]
    assert sorted(partition.replicas) == [1, 2, 3]


def test_a_bounced_broker_has_its_address_and_its_records(tmp_path: Path) -> None:
    with KafkaCluster() as cluster:
        address = cluster.bootstrap
        topic = cluster.create_topic("kept", N_PARTITIONS)
        producer = Producer(cluster.client_settings | {"acks": "all"})
        producer.produce(topic, "7", partition=0)
        assert producer.flush(END_LIMIT_S) == 0
        cluster.bounce()
        assert cluster.bootstrap == address
        assert values_in(cluster, topic) == [7]
        cluster.kill()
        cluster.start()
        assert values_in(cluster, topic) == [7]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_with_a_right_may_write_and_no_other_topic(guarded: KafkaCluster, mechanism: str) -> None:
    mine, other = (guarded.create_topic(f"{name}-{mechanism}") for name in ("mine", "other"))
    guarded.grant("alice", "topic", mine, "write", "describe")
    assert guarded.security is not None
    producer = Producer(
        {"bootstrap.servers": guarded.bootstrap} | guarded.security.client_settings("alice", mechanism=mechanism)
    )

    def failure_of_writing(topic: str) -> str | None:
        failures: list[str | None] = []
        try:
            producer.produce(topic, b"1", on_delivery=lambda error, _: failures.append(error and error.name()))
        except KafkaException as exc:  # what the producer knows by then, it does not even take
            return str(exc.args[0].name())
        assert producer.flush(END_LIMIT_S) == 0
        return failures[0]

    assert [failure_of_writing(topic) for topic in (mine, other)] == [None, "TOPIC_AUTHORIZATION_FAILED"]
