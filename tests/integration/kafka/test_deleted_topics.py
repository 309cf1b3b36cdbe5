"""Topics that go while an engine reads or writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import EngineProcess, Reader, Site, write

SOON = {"topic.metadata.propagation.max.ms": 1000}
"""A topic that is gone is one after a second: by default it is taken for one of which nobody has heard yet."""


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    yield site
    site.close()


@pytest.fixture
def at_work(site: Site, kafka: KafkaCluster, topic, name: str) -> tuple[EngineProcess, str, str]:
    """Start an engine that keeps a state, and return it with its input and its output when it has scored 10 records."""
    source, output = topic(2), topic(2)
    write(kafka, source, [(0, b"k", n) for n in range(10)])
    script = site.script("n = 0\n\n\ndef action(x):\n    global n\n    n += 1\n    yield n\n")
    streams = site.topic(source, Group=name, SkipToRecord="earliest", Config=SOON), site.topic(output, Config=SOON)
    engine = site.start("run", script, *streams)
    reader = Reader(kafka, output)
    reader.until(10, engine)
    reader.close()
    return engine, source, output


@pytest.mark.parametrize("which", ["output", "changelog"])
def test_an_engine_ends_with_the_name_of_the_topic_that_it_cannot_write_any_more(at_work, kafka, name, which) -> None:
    engine, source, output = at_work
    gone = {"output": output, "changelog": f"{name}-model-changelog"}[which]
    kafka.delete_topic(gone)
    write(kafka, source, [(0, b"k", 10)])
    assert engine.wait() not in (0, -9), engine.said
    last = engine.said.splitlines()[-1]
    assert gone in last
    assert "no such topic" in last


def test_an_engine_waits_for_an_input_that_is_gone_and_does_not_read_another_of_its_name(at_work, kafka) -> None:
    engine, source, _ = at_work
    kafka.delete_topic(source)
    engine.until(
        lambda: any(source in event["reason"] for event in engine.events("group.waits")), "saying that it waits"
    )
    kafka.create_topic(source, 2)
    write(kafka, source, [(0, b"k", 10)])
    assert engine.wait() not in (0, -9), engine.said
    assert "engine stream seek" in engine.said.splitlines()[-1]
