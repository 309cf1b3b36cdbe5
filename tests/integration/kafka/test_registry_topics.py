"""Topics whose records name the schemas of a registry, in and out, through a whole engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from testbed.kafka import KafkaCluster
from testbed.registry import SchemaRegistry
from tests.integration.kafka.conftest import MakeTopic
from tests.integration.kafka.engines import LIMIT_S, Site
from tests.integration.kafka.reading import read_messages
from tests.stub_registry import StubRegistry

OLD = {"type": "record", "name": "Price", "fields": [{"name": "n", "type": "int"}]}
NEW = OLD | {"fields": [{"name": "venue", "type": "string"}, {"name": "n", "type": "long"}]}
SCORE = {
    "type": "record",
    "name": "Score",
    "fields": [{"name": "n", "type": "long"}, {"name": "twice", "type": "double"}],
}
SCRIPT = """\
# engine.schema.0: price
# engine.schema.1: score
# engine.timeout: 500ms
def action(price):
    yield {"n": price["n"], "twice": 2.0 * price["n"]}
"""


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    (tmp_path / "library" / "schemas").mkdir()
    for name, schema in (("price", OLD | {"fields": [{"name": "n", "type": "long"}]}), ("score", SCORE)):
        (tmp_path / "library" / "schemas" / f"{name}.avsc").write_text(json.dumps(schema))
    yield site
    site.close()


class Topics:
    """An input and an output topic, their streams, and a producer and a consumer as Python programs have them."""

    def __init__(self, site: Site, url: str, topic: MakeTopic, group: str, **fields: Any) -> None:
        self.source, self.output = topic(2), topic(2)
        self._site, self._kafka, self._url = site, site.kafka, url
        self.streams = (
            self._stream(self.source, Group=group, **fields),
            self._stream(self.output),
        )
        self._producer = Producer(self._kafka.client_settings)

    def _stream(self, topic: str, **fields: Any) -> str:
        transport = {"Type": "Kafka", "BootstrapServers": self._kafka.bootstrap.split(","), "Topic": topic, **fields}
        encoding = {"Type": "avro-registry", "Url": self._url, "Timeout": 1000}
        skip = {"SkipToRecord": "earliest"} if "Group" in fields else {}
        return self._site.stream(topic, {"Transport": transport, "Encoding": encoding, **skip})

    def produce(self, schema: object, records: Sequence[dict[str, Any]], **conf: Any) -> None:
        """Send records as a Python program does, with their number as key."""
        with SchemaRegistryClient({"url": self._url, "timeout": 10}) as client:
            writer = AvroSerializer(client, json.dumps(schema), conf=conf)
            for record in records:
                headers: list[tuple[str, bytes]] = [("trace", b"t%d" % record["n"])]
                value = writer(record, SerializationContext(self.source, MessageField.VALUE, headers))
                self._producer.produce(
                    self.source, value, b"k%d" % record["n"], partition=record["n"] % 2, headers=headers
                )
        assert self._producer.flush(LIMIT_S) == 0

    def produce_raw(self, value: bytes) -> None:
        """Send what no serialiser has written."""
        self._producer.produce(self.source, value, partition=0)
        assert self._producer.flush(LIMIT_S) == 0

    def consume(self) -> list[tuple[Message, Any]]:
        """Return all that is committed of the output, as messages and as a Python program reads them."""
        with SchemaRegistryClient({"url": self._url, "timeout": 10}) as client:
            reader = AvroDeserializer(client)
            found = []
            for message in read_messages(self._kafka, self.output):
                context = SerializationContext(self.output, MessageField.VALUE, message.headers())
                found.append((message, reader(message.value(), context)))
        return found


def scores(numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [{"n": n, "twice": 2.0 * n} for n in numbers]


def by_number(found: list[tuple[Message, Any]]) -> list[Any]:
    return sorted((value for _, value in found), key=lambda value: value["n"])


def test_records_of_an_old_and_a_new_schema_are_scored_and_a_python_program_reads_the_scores(
    site: Site, registry: SchemaRegistry, topic: MakeTopic, name: str
) -> None:
    topics = Topics(site, registry.url, topic, name, MaxWaitTime=1500)
    topics.produce(OLD, [{"n": n} for n in range(50)])
    topics.produce_raw(b"\0\x7f\xff\xff\xff\x02")
    topics.produce_raw(b'{"n": 1}')
    topics.produce(NEW, [{"n": n, "venue": "XETR"} for n in range(50, 100)], **{"auto.register.schemas": True})
    engine = site.start("run", site.script(SCRIPT), *topics.streams)
    assert engine.wait() == 0, engine.said
    found = topics.consume()
    assert by_number(found) == scores(range(100))
    for message, value in found:
        assert (message.key(), message.headers()) == (b"k%d" % value["n"], [("trace", b"t%d" % value["n"])])
    assert "102 records in, 100 out, 2 rejected" in engine.said
    with SchemaRegistryClient({"url": registry.url, "timeout": 10}) as client:
        assert client.get_versions(f"{topics.output}-value") == [1]


def test_schemas_that_come_as_guids_in_headers_are_read_and_the_headers_are_not_handed_on(
    site: Site, topic: MakeTopic, name: str
) -> None:
    with StubRegistry() as modern:
        topics = Topics(site, modern.url, topic, name, MaxWaitTime=1500)
        conf = {"schema.id.serializer": header_schema_id_serializer}
        topics.produce(OLD, [{"n": n} for n in range(10)], **conf)
        engine = site.start("run", site.script(SCRIPT), *topics.streams)
        assert engine.wait() == 0, engine.said
        found = topics.consume()
    assert by_number(found) == scores(range(10))
    for message, value in found:
        assert message.headers() == [("trace", b"t%d" % value["n"])]


def test_an_engine_that_is_killed_while_its_registry_is_away_scores_every_record_once_when_both_are_back(
    site: Site, registry: SchemaRegistry, topic: MakeTopic, name: str
) -> None:
    topics = Topics(site, registry.url, topic, name, MaxWaitTime=4000)
    topics.produce(OLD, [{"n": n} for n in range(100)])
    script = site.script(SCRIPT)
    engine = site.start("run", script, *topics.streams)
    engine.until(lambda: bool(topics.consume()), "the first scores")
    engine.kill()
    topics.produce(NEW, [{"n": n, "venue": "XETR"} for n in range(100, 200)])

    registry.process.suspend()
    try:
        engine = site.start("run", script, *topics.streams)
        engine.until(lambda: bool(engine.events("registry.waits")), "it waits for the registry")
        engine.kill()
        engine = site.start("run", script, *topics.streams)
        engine.until(lambda: bool(engine.events("registry.waits")), "it waits for the registry again")
    finally:
        registry.process.resume()
    assert engine.wait() == 0, engine.said
    assert by_number(topics.consume()) == scores(range(200))
    assert "0 rejected" in engine.said


def test_an_engine_that_is_stopped_while_its_registry_is_away_leaves_the_records_to_the_next(
    site: Site, registry: SchemaRegistry, topic: MakeTopic, name: str
) -> None:
    topics = Topics(site, registry.url, topic, name, MaxWaitTime=4000)
    topics.produce(OLD, [{"n": n} for n in range(100)])
    script = site.script(SCRIPT)
    registry.process.suspend()
    try:
        engine = site.start("run", script, *topics.streams, ENGINE_DRAIN_TIMEOUT="1s")
        engine.until(lambda: bool(engine.events("registry.waits")), "it waits for the registry")
        engine.send(SIGTERM)
        engine.wait()
    finally:
        registry.process.resume()
    assert topics.consume() == []
    engine = site.start("run", script, *topics.streams)
    assert engine.wait() == 0, engine.said
    assert by_number(topics.consume()) == scores(range(100))
    assert "0 rejected" in engine.said


def test_partitions_that_move_while_the_registry_is_away_lose_nothing_and_bring_nothing_twice(
    site: Site, registry: SchemaRegistry, topic: MakeTopic, name: str
) -> None:
    # half of the longest poll interval is what an engine gets to finish what moves away: here it cannot
    fast = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500, "max.poll.interval.ms": 5000}
    topics = Topics(site, registry.url, topic, name, MaxWaitTime=4000, Config=fast)
    topics.produce(OLD, [{"n": n} for n in range(200)])
    script = site.script(SCRIPT)
    registry.process.suspend()
    try:
        first = site.start("run", script, *topics.streams, state="first")
        first.until(lambda: bool(first.events("registry.waits")), "it waits for the registry")
        second = site.start("run", script, *topics.streams, state="second")
        second.until(lambda: bool(second.events("group.assigned")), "it gets what the first one could not finish")
    finally:
        registry.process.resume()
    for engine in (first, second):
        assert engine.wait() == 0, engine.said
        assert "0 rejected" in engine.said
    assert by_number(topics.consume()) == scores(range(200))
