"""Whole engines go on where `engine stream seek` says, and with the state that it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from engine.kafka.connection import Connection
from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import Reader, Site, by_key, read_all, write

COUNT = """\
# engine.key.0: $key
n = 0


def action(price):
    global n
    n += 1
    yield [n, price]
"""
N_PARTITIONS = 2
N_RECORDS = 6  # in each partition


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    yield site
    site.close()


class Counting:
    """A model that counts the records of each key, and the topics that it reads and writes."""

    def __init__(self, site: Site, kafka: KafkaCluster, topic: Any, group: str) -> None:
        self.site, self.kafka, self.group = site, kafka, group
        self.source, self.output = topic(N_PARTITIONS), topic(N_PARTITIONS)
        self.script = site.script(COUNT, "counter")
        self.describe(MaxWaitTime=2000)
        site.topic(self.output, "scores")
        write(kafka, self.source, [(i % N_PARTITIONS, b"k%d" % (i % N_PARTITIONS), i) for i in range(12)])

    def describe(self, **fields: Any) -> None:
        """Write the descriptor of the stream that is read."""
        self.site.topic(self.source, "prices", Group=self.group, SkipToRecord="earliest", **fields)

    def run(self, **environ: str) -> tuple[int, str]:
        """Run to the end of the topic; return the exit code and what was said."""
        engine = self.site.start("run", self.script, "prices", "scores", **environ)
        return engine.wait(), engine.said

    def seek(self, *words: str) -> tuple[int, str]:
        """Return exit code and what was said."""
        command = self.site.start("stream", "seek", "prices", *words)
        return command.wait(), command.said

    @property
    def counts(self) -> list[list[list[int]]]:
        """Return what was written for each key."""
        return [values for _, values in sorted(by_key(read_all(self.kafka, self.output)).items())]


@pytest.fixture
def counting(site: Site, kafka: KafkaCluster, topic: Any, name: str) -> Counting:
    return Counting(site, kafka, topic, name)


def ran(numbers: range, first_count: int = 1) -> list[list[int]]:
    return [[first_count + i, number] for i, number in enumerate(numbers)]


def test_state_that_was_cleared_begins_anew_where_the_group_was_moved(counting: Counting) -> None:
    assert counting.run()[0] == 0
    code, said = counting.seek("--to", "earliest", "--clear-state")
    assert code == 0, said
    assert "was forgotten" in said
    code, said = counting.run()
    assert code == 0, said
    even, odd = ran(range(0, 12, 2)), ran(range(1, 12, 2))
    assert counting.counts == [even + even, odd + odd]


def test_state_that_is_kept_goes_on_where_the_group_was_moved(counting: Counting) -> None:
    assert counting.run()[0] == 0
    code, said = counting.seek("--to", "4", "--keep-state")
    assert code == 0, said
    assert "was kept" in said
    code, said = counting.run()
    assert code == 0, said
    assert counting.counts == [
        ran(range(0, 12, 2)) + ran(range(8, 12, 2), 7),
        ran(range(1, 12, 2)) + ran(range(9, 12, 2), 7),
    ]


def test_an_engine_refuses_offsets_that_another_tool_has_moved_until_it_is_said_which_hold(counting: Counting) -> None:
    assert counting.run()[0] == 0
    consumer = Consumer(Connection(counting.kafka.bootstrap).consumer(**{"group.id": counting.group}))
    consumer.commit(offsets=[TopicPartition(counting.source, 1, 5)], asynchronous=False)
    consumer.close()
    code, said = counting.run()
    assert code == 6, said
    assert "goes on at offset 5" in said
    assert "engine stream seek" in said
    code, said = counting.seek("--to", "group", "--keep-state")
    assert code == 0, said
    code, said = counting.run()
    assert code == 0, said
    assert counting.counts == [ran(range(0, 12, 2)), [*ran(range(1, 12, 2)), [7, 11]]]


def test_a_group_that_another_program_has_read_in_is_taken_over_when_that_is_said(counting: Counting) -> None:
    consumer = Consumer(Connection(counting.kafka.bootstrap).consumer(**{"group.id": counting.group}))
    consumer.commit(offsets=[TopicPartition(counting.source, each, 4) for each in range(2)], asynchronous=False)
    consumer.close()
    code, said = counting.run()
    assert code == 6, said
    code, said = counting.seek("--model", "counter", "--to", "group")
    assert code == 0, said
    code, said = counting.run()
    assert code == 0, said
    assert counting.counts == [ran(range(8, 12, 2)), ran(range(9, 12, 2))]


def test_a_model_that_was_never_run_begins_where_it_is_told(counting: Counting) -> None:
    code, said = counting.seek("--model", "counter", "--to", "3")
    assert code == 0, said
    code, said = counting.run()
    assert code == 0, said
    assert counting.counts == [ran(range(6, 12, 2)), ran(range(7, 12, 2))]


def test_while_an_engine_works_nothing_is_moved(counting: Counting) -> None:
    counting.describe(MaxWaitTime=None)
    engine = counting.site.start("run", counting.script, "prices", "scores")
    reader = Reader(counting.kafka, counting.output)
    reader.until(12, engine)
    code, said = counting.seek("--to", "earliest", "--clear-state")
    assert code == 1, said
    assert "engines are in it" in said
    write(counting.kafka, counting.source, [(0, b"k0", 12)])
    reader.until(13, engine)
    reader.close()
    assert counting.counts == [ran(range(0, 13, 2)), ran(range(1, 12, 2))]


def test_an_engine_outside_of_the_group_goes_on_where_it_is_told_while_it_works(counting: Counting) -> None:
    counting.describe(MaxWaitTime=None, Partition=0)
    engine = counting.site.start("run", counting.script, "prices", "scores")
    reader = Reader(counting.kafka, counting.output)
    reader.until(6, engine)
    code, said = counting.seek("--to", "4", "--keep-state")
    assert code == 0, said
    write(counting.kafka, counting.source, [(0, b"k0", 12)])  # with which it notices that it was shut out
    reader.until(9, engine)
    reader.close()
    assert counting.counts == [[*ran(range(0, 12, 2)), [7, 8], [8, 10], [9, 12]]]
