"""What a server verifies, samples and moves of topics."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from confluent_kafka import Producer

from engine.kafka.connection import Connection
from testbed.kafka import KafkaCluster
from tests.server.conftest import Ask, ask, engine, library, settings  # noqa: F401  fixtures


@pytest.fixture
def prices(ask: Ask, kafka: KafkaCluster, topic: Any, name: str) -> str:  # noqa: F811
    """Put a stream into the library whose topic has three records, and return the topic's name."""
    made: str = topic(2)
    producer = Producer(Connection(kafka.bootstrap).producer())
    for number in range(3):
        producer.produce(made, b"%d" % number, partition=number % 2, timestamp=number + 1)
    producer.flush(30)
    transport = {"Type": "Kafka", "BootstrapServers": [kafka.bootstrap], "Topic": made, "Group": name}
    ask("PUT", "/streams/prices", content=json.dumps({"Transport": transport, "Encoding": "json"}).encode())
    return made


def test_a_server_says_what_a_stream_reaches(ask: Ask, prices: str) -> None:  # noqa: F811
    reply = ask("POST", "/streams/prices/verify", params={"slot": 0}).json()
    assert reply["found"] == f"Topic {prices!r} is there, with 2 partitions; it holds 3 records at most."
    assert (reply["descriptor"]["SkipToRecord"], reply["notes"]) == ("latest", [])
    assert ask("POST", "/streams/rest/verify").json()["found"] is None


def test_a_server_refuses_a_topic_that_is_not_there(ask: Ask, kafka: KafkaCluster) -> None:  # noqa: F811
    transport = {"Type": "Kafka", "BootstrapServers": [kafka.bootstrap], "Topic": "nothing"}
    ask("PUT", "/streams/nothing", content=json.dumps({"Transport": transport}).encode())
    response = ask("POST", "/streams/nothing/verify")
    assert (response.status_code, response.json()["type"]) == (409, "urn:engine:error:BrokerRefused")


def test_a_server_samples_the_last_records(ask: Ask, prices: str) -> None:  # noqa: F811
    reply = ask("GET", "/streams/prices/sample", params={"count": 2}).json()
    assert [base64.b64decode(each) for each in reply["records"]] == [b"1", b"2"]


def test_a_server_shows_and_moves_a_group(ask: Ask, prices: str, name: str) -> None:  # noqa: F811
    shown = ask("POST", "/streams/offsets", json={"stream": "prices"}).json()
    assert (shown["topic"], shown["group"], shown["members"], shown["changelog"]) == (prices, name, [], None)
    assert [(one["last"], one["offset"], one["lag"]) for one in shown["partitions"]] == [
        (2, None, None),
        (1, None, None),
    ]
    moved = ask("POST", "/streams/offsets", json={"stream": "prices", "to": "1", "partition": 0}).json()
    assert [(one["partition"], one["offset"], one["lag"]) for one in moved["partitions"]] == [(0, 1, 1)]


def test_a_topic_that_is_not_there_is_refused_when_it_is_attached_and_the_engine_goes_on(
    ask: Ask,  # noqa: F811
    kafka: KafkaCluster,
    prices: str,
) -> None:
    descriptor = {"Transport": {"Type": "Kafka", "BootstrapServers": [kafka.bootstrap], "Topic": "nothing"}}
    response = ask("PUT", "/engine/streams/0", json={"descriptor": descriptor})
    assert (response.status_code, response.json()["type"]) == (409, "urn:engine:error:BrokerRefused")
    assert "cannot read topic 'nothing': there is no such topic" in response.json()["detail"]
    assert "cannot write to topic 'nothing'" in ask("PUT", "/engine/streams/1", json={"descriptor": descriptor}).text
    attached = ask("PUT", "/engine/streams/0", json={"name": "prices"}).json()
    assert attached["waits_for"] == []


def test_a_topic_whose_brokers_do_not_answer_is_attached_with_a_warning(
    ask: Ask,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.streams.reaching.ATTACH_S", 0.2)
    descriptor = {"Transport": {"Type": "Kafka", "BootstrapServers": ["127.0.0.1:1"], "Topic": "prices"}}
    attached = ask("PUT", "/engine/streams/0", json={"descriptor": descriptor}).json()
    assert "the brokers of topic 'prices'" in attached["waits_for"][-1]
    assert "127.0.0.1:1" in attached["waits_for"][-1]
