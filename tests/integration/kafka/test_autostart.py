"""A model that runs by itself between topics: its state is with the brokers, whatever becomes of its container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import httpx
import pytest

from testbed.kafka import KafkaCluster
from tests.integration.kafka.door import Door
from tests.integration.kafka.engines import LIMIT_S, Reader, Site, url_of, write

TOTAL = """total = 0

def action(x):
    global total
    total += x
    yield total
"""
SERVE = ("serve", "--port", "0", "--model", "total", "--stream", "0=in", "--stream", "1=out")
NOBODY = ["127.0.0.1:9"]  # of no descriptor here the brokers are right


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    site.script(TOTAL, "total")
    yield site
    site.close()


def test_a_fresh_container_goes_on_with_the_state_that_the_brokers_have(site, kafka, topic, name):
    source, output = topic(1), topic(1)
    site.topic(source, "in", Group=name, SkipToRecord="earliest", BootstrapServers=NOBODY)
    site.topic(output, "out", BootstrapServers=NOBODY)
    environ = {"ENGINE_BROKERS": kafka.bootstrap, "ENGINE_INSTANCE": "pod-0"}
    write(kafka, source, [(0, None, value) for value in (1, 2, 3)])
    reader = Reader(kafka, output)
    first = site.start(*SERVE, state="one", **environ)
    assert [value for _, _, value in reader.until(3, first)] == [1, 3, 6]
    first.kill()
    second = site.start(*SERVE, state="two", **environ)
    write(kafka, source, [(0, None, 4)])
    assert [value for _, _, value in reader.until(4, second)] == [1, 3, 6, 10]
    second.send(SIGTERM)
    assert second.wait() == 0, second.said
    reader.close()


def test_a_first_start_waits_for_brokers_that_do_not_answer_yet(site, kafka, topic, name):
    source, output = topic(1), topic(1)
    site.topic(source, "in", Group=name, SkipToRecord="earliest", BootstrapServers=NOBODY)
    site.topic(output, "out", BootstrapServers=NOBODY)
    with Door(kafka.bootstrap.split(",")[0]) as door:
        server = site.start(*SERVE, ENGINE_BROKERS=door.address)
        server.until(lambda: "/health says when" in server.said, "it says that it waits")
        door.open()
        assert httpx.get(f"{url_of(server)}/health", timeout=LIMIT_S).json()["state"] == "RUNNING"
        server.send(SIGTERM)
        assert server.wait() == 0, server.said
