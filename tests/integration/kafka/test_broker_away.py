"""What an engine says and does while nobody answers where its brokers should be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM

import httpx
import pytest

from testbed.kafka import KafkaCluster
from tests.integration.kafka.door import Door
from tests.integration.kafka.engines import LIMIT_S, EngineProcess, Reader, Site, url_of, write


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    yield site
    site.close()


@pytest.fixture
def door(kafka: KafkaCluster) -> Iterator[Door]:
    with Door(kafka.bootstrap.split(",")[0]) as door:
        yield door


def health_of(server: EngineProcess) -> httpx.Response:
    """Ask a server that waits how it is."""
    server.until(lambda: "/health says when" in server.said, "it says that it waits")
    url = next(word for word in server.said.split() if word.endswith("/health"))
    return httpx.get(url, timeout=LIMIT_S)


def test_a_server_that_starts_before_its_broker_waits_for_it_and_goes_on(site, kafka, topic, name, door):
    source, output = topic(1), topic(1)
    site.script("def action(x):\n    yield x + 1\n", "plus")
    site.topic(source, "in", Group=name, SkipToRecord="earliest", BootstrapServers=[door.address])
    site.topic(output, "out", BootstrapServers=[door.address])
    door.open()
    server = site.start("serve", "--port", "0")
    with httpx.Client(base_url=url_of(server), timeout=LIMIT_S) as client:
        assert client.put("/engine/model", json={"name": "plus"}).is_success
        assert client.put("/engine/streams/1", json={"name": "out"}).is_success
        assert client.put("/engine/streams/0", json={"name": "in"}).is_success
    server.send(SIGTERM)
    assert server.wait() == 0, server.said
    door.shut()

    server = site.start("serve", "--port", "0")
    health = health_of(server)
    assert health.status_code == 503
    assert door.address in health.json()["detail"]
    assert door.address in server.said
    assert "--fresh" not in server.said
    door.open()
    url = url_of(server)
    assert server.said.count("The engine waits") == 1
    write(kafka, source, [(0, None, 1)])
    reader = Reader(kafka, output)
    assert [value for _, _, value in reader.until(1, server)] == [2]
    reader.close()
    assert httpx.get(f"{url}/health", timeout=LIMIT_S).is_success
    server.kill()
    door.shut()

    server = site.start("serve", "--port", "0")
    health_of(server)
    server.send(SIGINT)
    assert server.wait() == 0, server.said


def test_a_run_says_whose_answer_it_waits_for(site, topic, door):
    script = site.script("def action(x):\n    yield x\n")
    engine = site.start("run", script, f"kafka:{door.address}/{topic(1)}", "discard:")
    engine.until(lambda: f"Waiting for an answer of the Kafka brokers at {door.address}." in engine.said, "it says so")


def test_a_run_without_a_partition_says_so_and_the_one_that_begins_at_the_end_that_too(site, kafka, topic, name):
    source = topic(1)
    write(kafka, source, [(0, None, 1)])
    script = site.script("def action(x):\n    yield x\n")
    literal = f"kafka:{kafka.bootstrap}/{source}?Group={name}"
    first = site.start("run", script, literal, "discard:", state="first")
    first.until(lambda: f"Slot 0 begins at the end of topic '{source}'" in first.said, "it says where it begins")
    second = site.start("run", script, literal, "discard:", state="second")
    # The group decides which of them has the only partition.
    second.until(lambda: "gives it no partition" in first.said + second.said, "one of them says what it waits for")
    second.send(SIGINT)
    assert second.wait() == 130, second.said
    first.send(SIGINT)
    assert first.wait() == 130, first.said
    assert "begins at the end" not in second.said

    again = site.start("run", script, f"{literal}&SkipToRecord=earliest&MaxWaitTime=300", "discard:", state="third")
    assert again.wait() == 0, again.said
    assert "0 records in" in again.said, "where it began is committed"


def test_a_cluster_may_be_named_by_two_of_its_addresses(site, kafka, topic, name, door):
    source, output = topic(1), topic(1)
    write(kafka, source, [(0, None, 1)])
    door.open()
    script = site.script("def action(x):\n    yield x + 1\n")
    first = f"kafka:{kafka.bootstrap}/{source}?Group={name}&SkipToRecord=earliest&MaxWaitTime=300"
    engine = site.start("run", script, first, f"kafka:{door.address}/{output}")
    assert engine.wait() == 0, engine.said
    assert "1 record in, 1 out" in engine.said
