"""What a script sees of Kafka, and what it says: times, keys, messages of its own, and a state for each partition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import LIMIT_S, Site, read_all, write

TIME_MS = 1_700_000_000_123


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    yield site
    site.close()


@pytest.fixture
def run(site, kafka, topic, name):
    """Run a script from a topic to another one until nothing more comes; return the engine and the output's name."""

    def run(source, inputs, n_partitions=1):
        output = topic(n_partitions)
        stream = site.topic(inputs, Group=name, SkipToRecord="earliest", MaxWaitTime=2000)
        engine = site.start("run", site.script(source), stream, site.topic(output))
        assert engine.wait() == 0, engine.said
        return engine, output

    return run


def messages(kafka, topic, n):
    consumer = Consumer({**kafka.client_settings, "group.id": "labels", "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found = consumer.consume(n, LIMIT_S)
    consumer.close()
    return [
        (json.loads(one.value()), one.key(), one.timestamp()[1], [tuple(pair) for pair in one.headers() or ()])
        for one in found
    ]


LABELS = """
from engine import Message, now

def action(x):
    yield [x, now()]
    yield Message(x, key="mine", timestamp_ms=5, headers={"h": "1"})
    yield Message(x, headers=None)
    yield Message(x, key=None)
"""


def test_outputs_are_labelled_as_their_input_but_for_what_the_script_says(run, kafka, topic):
    inputs = topic(1)
    producer = Producer(kafka.client_settings)
    producer.produce(inputs, b"7", b"k", timestamp=TIME_MS, headers=[("a", b"b"), ("a", None)])
    assert producer.flush(LIMIT_S) == 0
    _, output = run(LABELS, inputs)
    of_input = [("a", b"b"), ("a", None)]
    assert messages(kafka, output, 4) == [
        ([7, TIME_MS / 1000], b"k", TIME_MS, of_input),
        (7, b"mine", 5, [("h", b"1")]),
        (7, b"k", TIME_MS, []),
        (7, None, TIME_MS, of_input),
    ]


TOTAL = """
import threading
lock, total = threading.Lock(), 0

def action(x):
    global total
    with lock:
        total += x
    yield ["total", total]

def end():
    yield ["end", total]
"""


def test_without_keys_every_partition_has_a_total_and_an_end_of_its_own(run, kafka, topic):
    inputs = topic(3)
    write(kafka, inputs, [(partition, None, 10**partition) for partition in range(3) for _ in range(4)])
    _, output = run(TOTAL, inputs, n_partitions=3)
    values = sorted(value for _, _, value in read_all(kafka, output))
    totals = [["total", n * 10**partition] for partition in range(3) for n in range(1, 5)]
    assert values == sorted([*totals, ["end", 4], ["end", 40], ["end", 400]])


BY_KEY = (
    "# engine.key.0: $key\n# engine.on_error: reject\nn = 0\ndef action(x):\n    global n\n    n += x\n    yield n\n"
)


def test_records_without_a_key_are_rejected_and_a_key_in_two_partitions_is_warned_about(run, kafka, topic):
    inputs = topic(2)
    write(kafka, inputs, [(0, b"A", 1), (0, None, 1), (1, b"A", 1), (0, b"A", 1), (1, b"\xff", 1), (1, b"A", 1)])
    engine, output = run(BY_KEY, inputs, n_partitions=1)
    assert sorted(value for _, _, value in read_all(kafka, output)) == [1, 1, 1, 2, 2]
    assert "The record has no message key" in engine.said
    [warned] = engine.events("key.split")
    assert (warned["key"], warned["partitions"]) == ("'A'", [0, 1])
