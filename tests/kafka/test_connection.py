import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from engine.kafka.connection import Connection

SETTINGS = {"sasl.password": "hunter2", "socket.timeout.ms": 500, "fetch.wait.max.ms": 5, "linger.ms": 7}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_librdkafka_takes_what_every_client_is_made_with(protocol):
    connection = Connection("127.0.0.1:1", {"group.protocol": protocol, "log_level": 0})
    Consumer(connection.consumer(**{"group.id": "g"})).close()
    Producer(connection.producer(**{"transactional.id": "t"}))
    AdminClient(connection.admin())


def test_a_client_gets_no_settings_of_other_kinds_of_clients():
    connection = Connection("broker:9092", SETTINGS)
    common = {"bootstrap.servers", "client.id", "logger", "sasl.password", "socket.timeout.ms"}
    assert connection.admin().keys() == common
    assert "linger.ms" not in connection.consumer()
    assert connection.consumer()["fetch.wait.max.ms"] == 5
    assert "fetch.wait.max.ms" not in connection.producer()
    assert connection.producer()["linger.ms"] == 7


def test_a_consumer_commits_nothing_and_reads_only_what_was_committed():
    settings = Connection("broker").consumer(**{"group.id": "g"})
    assert settings["enable.auto.commit"] is settings["enable.auto.offset.store"] is False
    assert (settings["isolation.level"], settings["auto.offset.reset"]) == ("read_committed", "error")


@pytest.mark.parametrize(
    ("protocol", "setting"), [("classic", "partition.assignment.strategy"), ("consumer", "group.remote.assignor")]
)
def test_partitions_of_one_number_come_together_by_either_protocol(protocol, setting):
    settings = Connection("broker", {"group.protocol": protocol}).consumer()
    assert settings[setting] == "range"
    assert len(settings.keys() & {"partition.assignment.strategy", "group.remote.assignor"}) == 1


def test_what_the_engine_owns_holds_over_the_descriptor_and_the_caller_over_both():
    connection = Connection("broker", {"acks": "0", "client.id": "mine"})
    assert (connection.producer()["acks"], connection.producer()["client.id"]) == ("all", "mine")
    assert connection.producer(acks="1")["acks"] == "1"


def test_what_a_connection_prints_holds_no_password():
    assert "hunter2" not in repr(Connection("broker", SETTINGS))
