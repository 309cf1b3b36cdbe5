"""Consumer groups: who is in them, and where they go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import BrokerRefused
from engine.kafka.brokers import TIMEOUT_S, Brokers
from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error
from engine.kafka.topics import names_of

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group; one that nobody was in yet is empty.

    Parameters
    ----------
    name : str
        Its name.
    members : tuple of str
        What its members call themselves.
    operations : frozenset of str, optional
        What the engine's user may do with it; None where the brokers do not say.
    """

    name: str
    members: tuple[str, ...] = ()
    operations: frozenset[str] | None = None


def find_group(brokers: Brokers, name: str) -> Group:
    """Return a group; raises `BrokerRefused` where the user may not see it."""
    try:
        found = brokers.ask(
            f"look at group {name!r}",
            lambda client, timeout_s: client.describe_consumer_groups(
                [name], include_authorized_operations=True, request_timeout=timeout_s
            ),
        )[name]
    except BrokerRefused as exc:
        if "GROUP_ID_NOT_FOUND" in str(exc.__cause__):
            return Group(name)
        raise
    members = tuple(member.group_instance_id or member.member_id for member in found.members)
    return Group(name, members, names_of(found.authorized_operations))


def read_offsets(connection: Connection, group: str, places: Iterable[TopicPartition]) -> list[TopicPartition]:
    """Return where a group goes on, and what was noted with it; waits for transactions.

    A consumer asks that never joins: an admin client of librdkafka 2.16 ends the process when the broker that it asks
    does not keep the group any more.
    """
    from confluent_kafka import Consumer, KafkaException

    what = f"read the offsets of group {group!r}"
    consumer = Consumer(connection.consumer(**{"group.id": group}))
    try:
        found: list[TopicPartition] = consumer.committed(list(places), TIMEOUT_S)
    except KafkaException as exc:
        raise broker_error(what, exc, connection.servers) from exc
    finally:
        consumer.close()
    _check(found, what, connection.servers)
    return found


def committed_offsets(brokers: Brokers, group: str, topic: str, partitions: Iterable[int]) -> dict[int, int | None]:
    """Return where a group goes on, for each partition; None where it has committed nothing. Waits for transactions."""
    from confluent_kafka import TopicPartition

    found = read_offsets(brokers.connection, group, [TopicPartition(topic, partition) for partition in partitions])
    return {place.partition: place.offset if place.offset >= 0 else None for place in found}


def move_offsets(brokers: Brokers, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Let a group go on at other offsets; raises `BrokerRefused` while it has members."""
    from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

    places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    what = f"move the offsets of group {group!r}"
    found = brokers.ask(
        what,
        lambda client, timeout_s: client.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, places)], request_timeout=timeout_s
        ),
    )[group]
    _check(found.topic_partitions, what, brokers.connection.servers)


def _check(places: Iterable[TopicPartition], what: str, servers: str) -> None:
    """Raise what is wrong with a partition, though the answer as a whole is none."""
    for place in places:
        if place.error is not None:
            raise broker_error(what, place.error, servers)
