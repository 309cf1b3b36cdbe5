"""Whether the brokers let a stream do what its descriptor asks for."""

from __future__ import annotations

from engine.errors import BrokerRefused
from engine.kafka.brokers import Brokers
from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error
from engine.kafka.groups import find_group
from engine.kafka.topics import READ, WRITE, Topic, find_topic, first_offsets, last_offsets


def check_input(brokers: Brokers, name: str, partition: int | None = None, group: str | None = None) -> str:
    """Return, as a sentence, what is there to read.

    Parameters
    ----------
    brokers : Brokers
        Who is asked.
    name : str
        The topic's.
    partition : int, optional
        The one that is read; all of them without.
    group : str, optional
        Who reads; not looked at without.

    Raises
    ------
    BrokerRefused
        There is no such topic or partition, or no permission to read it.
    BrokerUnreachable
        Nobody answers.
    """
    what = f"read topic {name!r}"
    _make_consumer(brokers.connection, what)
    topic = find_topic(brokers, name, what, is_patient=True)
    require(topic.allows(READ), what, f"topic {name!r}", READ)
    if partition is not None and partition >= topic.n_partitions:
        reason = f"there is no partition {partition}: its partitions are 0 to {topic.n_partitions - 1}"
        raise BrokerRefused(what, reason, "Name one of them as Partition, or leave it out to read them all.")
    if group is not None:
        operations = find_group(brokers, group).operations
        require(operations is None or READ in operations, f"read as group {group!r}", f"group {group!r}", READ)
    partitions = range(topic.n_partitions) if partition is None else [partition]
    firsts = first_offsets(brokers, name, partitions)
    lasts = last_offsets(brokers, name, partitions)
    n_records = sum(max(lasts[each] - firsts[each], 0) for each in partitions)
    place = "" if partition is None else f", and partition {partition} is read"
    return f"{_shape(topic)}{place}; it holds {n_records} records at most."


def check_output(brokers: Brokers, name: str) -> str:
    """Return, as a sentence, what can be written to; raises as `check_input`."""
    what = f"write to topic {name!r}"
    _make_producer(brokers.connection, what)
    topic = find_topic(brokers, name, what, is_patient=True)
    require(topic.allows(WRITE), what, f"topic {name!r}", WRITE)
    return f"{_shape(topic)}, and can be written."


def check_topic(brokers: Brokers, name: str) -> str:
    """Return, as a sentence, what is there; raises as `check_input`."""
    what = f"look at topic {name!r}"
    _make_consumer(brokers.connection, what)
    _make_producer(brokers.connection, what)
    return f"{_shape(find_topic(brokers, name, what))}."


def _make_consumer(connection: Connection, what: str) -> None:
    """Look whether librdkafka takes the settings: of whoever only asks, those of readers and writers are kept away."""
    from confluent_kafka import Consumer, KafkaException

    try:
        Consumer(connection.consumer(**{"group.id": "settings"})).close()
    except KafkaException as exc:
        raise broker_error(what, exc, connection.servers) from exc


def _make_producer(connection: Connection, what: str) -> None:
    from confluent_kafka import KafkaException, Producer

    try:
        Producer(connection.producer())
    except KafkaException as exc:
        raise broker_error(what, exc, connection.servers) from exc


def _shape(topic: Topic) -> str:
    return f"Topic {topic.name!r} is there, with {topic.n_partitions} partition{'s' * (topic.n_partitions != 1)}"


def require(is_allowed: bool, what: str, thing: str, operation: str) -> None:
    """Raise `BrokerRefused` unless something is allowed; the sentence names the ACL."""
    if not is_allowed:
        raise BrokerRefused(what, "the user has no permission", f"Add an ACL for {thing}: {operation}.")
