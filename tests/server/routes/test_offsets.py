"""What is refused before a broker is asked; the rest is asked of real ones."""

import socket

import pytest

from tests.server.conftest import Ask


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"stream": "rest"}, 400, "only a topic has offsets"),
        ({"stream": "rest:", "group": "g"}, 400, "only a topic has offsets"),
        ({"stream": "nothing"}, 404, "'nothing' not found"),
        ({"stream": "kafka:broker/prices"}, 400, "Say with --group which one"),
        ({"stream": "kafka:broker"}, 400, "Transport.Topic"),
        ({"stream": {"Transport": "discard"}, "group": "g"}, 400, "only a topic has offsets"),
        ({"stream": "rest", "state": "drop"}, 400, "state"),
        ({"stream": "rest", "offset": 3}, 400, "offset"),
        ({"stream": "rest", "partition": -1}, 400, "partition"),
        ({}, 400, "stream"),
    ],
    ids=str,
)
def test_what_has_no_offsets_is_refused(ask: Ask, body: dict[str, object], status: int, words: str) -> None:
    response = ask("POST", "/streams/offsets", json=body)
    assert (response.status_code, words in response.text) == (status, True)


def test_one_partition_of_a_stream_of_another_is_refused(ask: Ask) -> None:
    transport = {"Type": "Kafka", "BootstrapServers": ["b"], "Topic": "t", "Group": "g", "Partition": 2}
    response = ask("POST", "/streams/offsets", json={"stream": {"Transport": transport}, "partition": 1})
    assert (response.status_code, response.json()["detail"]) == (400, "The stream is partition 2 alone.")


def test_a_place_that_is_none_is_refused_by_what_there_is(ask: Ask) -> None:
    response = ask("POST", "/streams/offsets", json={"stream": "kafka:b/t", "group": "g", "to": "yesterday"})
    assert (response.status_code, "earliest" in response.json()["detail"]) == (400, True)


def test_brokers_that_nobody_is_at_are_a_conflict(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.kafka.brokers.TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    literal = f"kafka:127.0.0.1:{port}/prices"
    response = ask("POST", "/streams/offsets", json={"stream": literal, "group": "g"})
    assert (response.status_code, response.json()["type"]) == (409, "urn:engine:error:BrokerUnreachable")
