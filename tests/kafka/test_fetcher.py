import threading
import time
from collections import defaultdict
from types import SimpleNamespace

import pytest
from confluent_kafka import Producer

from engine.errors import SlotsUnfit
from engine.kafka.connection import Connection
from engine.kafka.fetcher import STALL_S, Fetcher
from engine.kafka.places import Inlet
from engine.record import Oversized

LIMIT_S = 60


class Listener:
    """Takes everything that it is given at once; or, when it holds, when it is told."""

    def __init__(self, is_holding=False):
        self.is_holding, self.held = is_holding, []
        self.values = defaultdict(list)
        self.batches, self.assigned, self.errors, self.n_silent = [], [], [], 0
        self.memberships = set()
        self.changed = threading.Condition()

    def until(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, LIMIT_S), vars(self)

    def _note(self, change):
        with self.changed:
            change()
            self.changed.notify_all()

    def on_assigned(self, places, telling):
        self._note(lambda: self.assigned.append(places))
        self.fetcher.go(places, telling)

    def on_revoked(self, tasks, budget_s):
        pass

    def on_lost(self, tasks):
        pass

    def on_membership(self, membership):
        self.memberships.add(membership)

    def on_fetched(self, batches):
        def take():
            for slot, task, batch in batches:
                self.values[slot, task] += batch.values
                self.batches.append(batch)
                self.held.append((slot, task))

        self._note(take)
        if not self.is_holding:
            self.let_go()

    def let_go(self):
        held, self.held = self.held, []
        for slot, task in held:
            self.fetcher.more(slot, task)

    def on_silent(self):
        self._note(lambda: setattr(self, "n_silent", self.n_silent + 1))

    def on_fetch_trouble(self, reason):
        pass

    def on_fetch_broken(self, error):
        self._note(lambda: self.errors.append(error))


class Bench:
    """librdkafka's own mock of a broker, which lives as long as the producer that has it."""

    def __init__(self):
        self.producer = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "none", "batch.num.messages": 100, "linger.ms": 0}
        )
        brokers = self.producer.list_topics(timeout=LIMIT_S).brokers.values()
        self.connection = Connection(",".join(f"{broker.host}:{broker.port}" for broker in brokers))
        self.fetchers = []

    def write(self, topic, partition, values, **more):
        for value in values:
            self.producer.produce(topic, value, partition=partition, **more)
        assert self.producer.flush(LIMIT_S) == 0

    def fetcher(self, listener, *inlets, **more):
        fetcher = listener.fetcher = Fetcher(self.connection, "group", inlets, listener, **more)
        self.fetchers.append(fetcher)
        fetcher.start()
        return fetcher


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    for fetcher in bench.fetchers:
        fetcher.stop(is_leaving=False)


def numbered(n_values, start=0):
    return [b"%d" % i for i in range(start, start + n_values)]


def test_records_come_by_slot_and_partition_in_order_with_what_they_carry(bench):
    bench.write("prices", 0, numbered(300), key=b"a", timestamp=1234, headers=[("h", b"1"), ("h", None)])
    bench.write("prices", 1, numbered(200))
    listener = Listener()
    bench.fetcher(listener, Inlet(4, "prices", "earliest"))

    listener.until(lambda: sum(map(len, listener.values.values())) == 500)
    assert listener.values == {(4, 0): numbered(300), (4, 1): numbered(200)}
    first = next(batch for batch in listener.batches if batch.labels[0].key == b"a")
    assert first.labels[0] == (b"a", 1234, (("h", b"1"), ("h", None)), 0)
    assert first.positions[0] == 1
    assert all(len(batch) == len(batch.positions) == len(batch.labels) for batch in listener.batches)


@pytest.mark.parametrize(
    ("first", "expected"), [("earliest", numbered(5)), (3, numbered(2, 3)), (99, []), ("latest", [])]
)
def test_a_new_group_begins_where_the_stream_says(bench, first, expected):
    bench.write("prices", 0, numbered(5))
    listener = Listener()
    bench.fetcher(listener, Inlet(0, "prices", first), partition=0)
    listener.until(lambda: listener.assigned)
    bench.write("prices", 0, [b"new"])
    listener.until(lambda: listener.values[0, 0][-1:] == [b"new"])
    assert listener.values[0, 0] == [*expected, b"new"]


def test_nothing_is_lost_when_partitions_are_paused_for_a_slow_model(bench):
    bench.write("prices", 0, numbered(20_000))
    listener = Listener(is_holding=True)
    fetcher = bench.fetcher(listener, Inlet(0, "prices", "earliest"), partition=0)

    listener.until(lambda: len(listener.held) == 4)
    waiting = threading.Event()
    while not fetcher._is_stalled:
        assert not waiting.wait(STALL_S / 100)
    assert len(listener.held) == 4, "no more is read ahead"
    listener.is_holding = False
    listener.let_go()
    listener.until(lambda: len(listener.values[0, 0]) >= 20_000)
    assert listener.values[0, 0] == numbered(20_000)


def test_a_task_is_assigned_with_the_partitions_of_its_number_of_every_topic(bench):
    bench.write("prices", 0, [b"p"])
    bench.write("trades", 0, [b"t"])
    listener = Listener()
    bench.fetcher(listener, Inlet(0, "prices", "earliest"), Inlet(2, "trades", "earliest"))
    listener.until(lambda: listener.values[0, 0] and listener.values[2, 0])
    assert all(set(places) == {0, 2} for assigned in listener.assigned for places in assigned.values())


def test_what_a_consumer_says_of_itself_that_was_put_out_of_its_group_is_no_membership(bench):
    """Brokers take a transaction's offsets from whoever does not say that he is a member."""
    bench.write("prices", 0, numbered(1))
    listener = Listener()
    fetcher = bench.fetcher(listener, Inlet(0, "prices", "earliest"))
    listener.until(lambda: listener.values[0, 0])
    (member,), nobody = listener.memberships, fetcher._no_membership
    assert nobody != member
    told, consumer = threading.Event(), fetcher._consumer

    def tell_when_put_out():
        fetcher._consumer = SimpleNamespace(consumer_group_metadata=lambda: nobody)
        fetcher._tell_membership()
        fetcher._consumer = consumer
        told.set()

    fetcher._commands.put(tell_when_put_out)
    assert told.wait(LIMIT_S)
    assert listener.memberships == {member}


class Renewed:
    """A consumer that says something else of its membership, as one does whose group has changed around it."""

    def __init__(self, consumer, membership):
        self._consumer, self.consumer_group_metadata = consumer, lambda: membership

    def __getattr__(self, name):
        return getattr(self._consumer, name)


def test_a_membership_that_changes_without_an_assignment_is_told(bench):
    bench.write("prices", 0, numbered(1))
    listener, later = Listener(), object()
    fetcher = bench.fetcher(listener, Inlet(0, "prices", "earliest"))
    listener.until(lambda: listener.values[0, 0])
    fetcher._commands.put(lambda: setattr(fetcher, "_consumer", Renewed(fetcher._consumer, later)))
    until_s = time.monotonic() + LIMIT_S
    while later not in listener.memberships and time.monotonic() < until_s:
        time.sleep(0.01)
    assert later in listener.memberships


def test_silence_is_told_when_no_record_came_for_as_long_as_the_streams_wait(bench):
    bench.write("prices", 0, numbered(10))
    listener = Listener()
    bench.fetcher(listener, Inlet(0, "prices", "earliest", max_wait_s=0.3), partition=0)
    listener.until(lambda: listener.n_silent)
    assert listener.values[0, 0] == numbered(10)


def test_an_end_that_is_read_together_with_the_last_records_is_an_end(bench, monkeypatch):
    read, n_reads = Fetcher._read, []

    def read_to_the_end(fetcher):
        messages = read(fetcher)
        while not n_reads and not any(message.error() for message in messages):
            messages += read(fetcher)
        n_reads.append(len(messages))
        return messages

    monkeypatch.setattr(Fetcher, "_read", read_to_the_end)
    bench.write("prices", 0, numbered(10))
    listener = Listener()
    bench.fetcher(listener, Inlet(0, "prices", "earliest", max_wait_s=0.3), partition=0)
    listener.until(lambda: listener.n_silent)
    assert n_reads[0] == 11


@pytest.mark.parametrize("is_lost", [True, False])
def test_an_engine_that_waits_for_its_partitions_has_not_come_to_their_end(bench, is_lost):
    bench.write("prices", 0, numbered(10))
    listener = Listener()
    fetcher = bench.fetcher(listener, Inlet(0, "prices", "earliest", max_wait_s=0.2))
    listener.until(lambda: len(listener.values[0, 0]) == 10)
    gone = threading.Event()

    def lose():
        fetcher._unassign(fetcher._consumer, fetcher._consumer.assignment(), is_lost=is_lost)
        listener.n_silent = 0
        gone.set()

    fetcher._commands.put(lose)
    assert gone.wait(LIMIT_S)
    with listener.changed:
        assert not listener.changed.wait_for(lambda: listener.n_silent, 5 * 0.2)
    fetcher._commands.put(lambda: fetcher._assign(fetcher._consumer, []))  # there are more engines than partitions
    listener.until(lambda: listener.n_silent)


def test_tasks_that_are_taken_once_more_are_read_again_from_where_the_group_has_committed(bench):
    bench.write("prices", 0, numbered(10))
    listener = Listener()
    fetcher = bench.fetcher(listener, Inlet(0, "prices", "earliest"))
    listener.until(lambda: len(listener.values[0, 0]) == 10)
    fetcher.retake({0, 99})
    listener.until(lambda: len(listener.values[0, 0]) == 20)
    assert listener.values[0, 0] == numbered(10) * 2
    assert list(listener.assigned[-1]) == [0]


def test_a_telling_lets_nothing_be_read_when_there_was_a_later_one(bench):
    """The takeover for the earlier one has old places; it may end after the later one was told."""

    class Slow(Listener):
        def on_assigned(self, places, telling):
            self._note(lambda: self.assigned.append(telling))

    bench.write("prices", 0, numbered(10))
    listener = Slow()
    fetcher = bench.fetcher(listener, Inlet(0, "prices", "earliest"))
    listener.until(lambda: len(listener.assigned) == 1)
    fetcher.retake({0})
    listener.until(lambda: len(listener.assigned) == 2)
    fetcher.go([0], listener.assigned[0])
    through = threading.Event()
    fetcher._commands.put(through.set)
    assert through.wait(LIMIT_S)
    assert fetcher._assigned.going == set()
    fetcher.go([0], listener.assigned[1])
    listener.until(lambda: listener.values[0, 0] == numbered(10))


def test_a_record_over_the_limit_comes_as_its_head_and_a_tombstone_as_nothing(bench):
    bench.write("prices", 0, [b"x" * 5000, None])
    listener = Listener()
    bench.fetcher(listener, Inlet(0, "prices", "earliest"), partition=0, max_record_bytes=1000)
    listener.until(lambda: len(listener.values[0, 0]) == 2)
    large, nothing = listener.values[0, 0]
    assert isinstance(large, Oversized)
    assert (large.size_bytes, nothing) == (5000, b"")


def test_what_is_wrong_with_partitions_ends_the_fetcher_before_the_consumer_says_anything_of_them(bench):
    def refuse(numbers):
        raise SlotsUnfit(f"Partitions {sorted(numbers)} are too many.")

    listener = Listener()
    bench.write("prices", 0, numbered(1))
    bench.fetcher(listener, Inlet(0, "prices", "earliest"), check=refuse)
    listener.until(lambda: listener.errors)
    assert isinstance(listener.errors[0], SlotsUnfit)


def test_an_error_of_a_callback_ends_the_fetcher_and_is_told(bench):
    class Faulty(Listener):
        def on_assigned(self, places, telling):
            raise ValueError("no")

    listener = Faulty()
    bench.write("prices", 0, [b"1"])
    bench.fetcher(listener, Inlet(0, "prices", "earliest"))
    listener.until(lambda: listener.errors)
    assert "ValueError: no" in str(listener.errors[0])
