"""An engine at three brokers loses one of them, and no record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest

from engine.kafka.brokers import Brokers
from engine.kafka.connection import Connection
from engine.kafka.topics import find_topic
from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import ROLLING, Reader, Site, by_key, read_all, rolled, write

N_KEYS, N_PARTITIONS, N_RECORDS = 12, 4, 6000
# Slow enough to be at work when the broker goes, and when it comes back.
PACED = "import time\n" + ROLLING.replace("    n_seen += 1", "    time.sleep(0.002)\n    n_seen += 1")


@pytest.fixture(scope="module")
def three() -> Iterator[KafkaCluster]:
    with KafkaCluster(3) as cluster:
        yield cluster


@pytest.fixture
def site(tmp_path: Path, three: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, three)
    yield site
    site.close()


def leader_of(cluster: KafkaCluster, topic: str) -> int:
    """Return the number of the broker that leads partition 0 of a topic."""
    return cluster.admin().list_topics(topic, timeout=60).topics[topic].partitions[0].leader


@pytest.mark.parametrize("victim", ["input", "coordinator"])
def test_a_broker_of_three_is_killed_under_load_and_no_record_is_lost_or_repeated(site, three, name, victim) -> None:
    source, output = (three.create_topic(f"{name}-{which}", N_PARTITIONS) for which in ("in", "out"))
    records = [(n % N_KEYS % N_PARTITIONS, b"k%d" % (n % N_KEYS), n) for n in range(N_RECORDS)]
    write(three, source, records)
    script = site.script(PACED)
    read = site.topic(source, Group=name, SkipToRecord="earliest")
    engine = site.start("run", script, read, site.topic(output))
    reader = Reader(three, output)
    reader.until(N_RECORDS // 10, engine)
    number = leader_of(three, source if victim == "input" else "__transaction_state")
    three.kill(number)
    back = threading.Timer(5, three.start, [number])
    back.start()
    reader.until(N_RECORDS, engine)
    back.join()
    engine.send(SIGTERM)
    engine.wait()
    reader.close()
    assert by_key(read_all(three, output)) == rolled(records)


def test_two_of_three_answer_what_the_third_was_to(three, name) -> None:
    topic = three.create_topic(name)
    for _ in range(2):  # without asking another one it goes well in one of four tries
        with Brokers(Connection(three.bootstrap)) as brokers:
            number = brokers._metadata("find the controller").controller_id  # any of them: it hands on
            three.kill(number)
            try:
                assert find_topic(brokers, topic).n_partitions == 1
            finally:
                three.start(number)
