"""The one broker of the test run: what the other tests of this folder rely on."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from testbed.errors import ServerDied
from testbed.kafka import KafkaCluster

ROOT = Path(__file__).parents[3]


def test_what_a_transaction_wrote_is_read_back(kafka: KafkaCluster, topic, name: str) -> None:
    made = topic(2)
    producer = Producer(kafka.client_settings | {"transactional.id": name})
    producer.init_transactions(90)
    producer.begin_transaction()
    producer.produce(made, b"1.5", b"key", partition=1)
    producer.commit_transaction(90)
    consumer = Consumer(kafka.client_settings | {"group.id": name, "auto.offset.reset": "earliest"})
    consumer.subscribe([made])
    message = consumer.poll(90)
    consumer.close()
    assert message is not None
    assert (message.partition(), message.key(), message.value()) == (1, b"key", b"1.5")


def test_two_topics_of_a_test_have_different_names(topic) -> None:
    assert topic() != topic()


def is_listening(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_broker_in_the_foreground_says_its_address_and_ends_with_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "testbed", "kafka"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert is_listening(address)
        process.send_signal(number)
        assert process.wait(90) == 0
    assert not is_listening(address)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [(("log.segment.bytes", "-1"), "could not make its data folder"), (("authorizer.class.name", "no.such"), "ended")],
)
def test_a_broker_that_does_not_start_is_said_with_what_it_said(setting: tuple[str, str], problem: str) -> None:
    with (
        pytest.raises(ServerDied, match=rf"broker 1 at 127.0.0.1:\d+ {problem}") as died,
        KafkaCluster(config=dict([setting])),
    ):
        pytest.fail("it cannot have started")
    assert setting[1] in str(died.value)
    assert "\tat " not in str(died.value)
