"""An engine that reads its partitions anew keeps them: nobody else has them before it lets go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from engine.kafka.connection import Connection
from engine.kafka.fetcher import Fetcher
from engine.kafka.places import Inlet, Place
from testbed.kafka import KafkaCluster

N_PARTITIONS = 4
LIMIT_S = 60.0


class Listener:
    """Notes what it is told; what it is given it takes at once."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.n_assigned = 0
        self.on_let_go: Callable[[], None] = lambda: None
        self.fetcher: Any

    def on_assigned(self, places: Mapping[int, Mapping[int, Place]], telling: int) -> None:
        self.n_assigned += len(places)
        self.fetcher.go(places, telling)

    def on_revoked(self, _tasks: frozenset[int], _budget_s: float) -> None:
        self.on_let_go()

    def on_lost(self, _tasks: frozenset[int]) -> None:
        self.on_let_go()

    def on_membership(self, membership: Any) -> None:
        pass

    def on_fetched(self, batches: Any) -> None:
        for slot, task, batch in batches:
            self.values += batch.values
            self.fetcher.more(slot, task)

    def on_fetch_trouble(self, reason: str) -> None:
        pass

    def on_silent(self) -> None:
        pass

    def on_fetch_broken(self, error: Exception) -> None:
        raise error


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_partitions_that_are_taken_once_more_have_one_owner(
    protocol: str, kafka: KafkaCluster, topic: Any, name: str
) -> None:
    prices = topic(N_PARTITIONS)
    producer = Producer(kafka.client_settings)
    for number in range(20):
        producer.produce(prices, b"%d" % number, partition=number % N_PARTITIONS)
    producer.flush()
    listener = Listener()
    connection = Connection(kafka.bootstrap, {"group.protocol": protocol})
    fetcher = listener.fetcher = Fetcher(connection, name, [Inlet(0, prices, "earliest")], listener)
    other = Consumer(connection.consumer(**{"group.id": name, "enable.auto.commit": False}))
    given: list[int] = []
    given_early: list[list[int]] = []
    listener.on_let_go = lambda: given_early.append(list(given))
    is_over = threading.Event()

    def join() -> None:
        # It begins where nothing is: the partitions are all that matters.
        other.subscribe([prices], on_assign=lambda _, partitions: given.extend(each.partition for each in partitions))
        while not is_over.is_set():
            other.poll(0.05)

    joining = threading.Thread(target=join)

    def retake_in_the_middle_of_a_rebalance() -> None:
        joining.start()
        time.sleep(2.0)  # by now the group wants partitions of the fetcher, which does not hear of it
        fetcher._retake(frozenset(range(N_PARTITIONS)))
        time.sleep(2.0)  # two heartbeats, and more

    try:
        fetcher.start()
        wait(lambda: len(listener.values) == 20)
        fetcher._commands.put(retake_in_the_middle_of_a_rebalance)
        wait(lambda: given_early and given)
        wait(lambda: len(listener.values) > 20)
        assert given_early[0] == []
    finally:
        is_over.set()
        if joining.ident is not None:
            joining.join()
        other.close()
        fetcher.stop(is_leaving=True)
