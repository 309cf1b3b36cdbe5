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
