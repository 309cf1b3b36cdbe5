"""Consumer groups: who is in them, and where they go on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import BrokerRefused, BrokerUnreachable
from engine.kafka.brokers import TIMEOUT_S, Brokers
from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error

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
    """Return a group; raises `BrokerRefused` where the user may not see it.

    A process of its own asks: an admin client of librdkafka 2.16 ends its process when the broker that it asks does not
    keep the group any more, and only such a client knows who is in a group. Then it is asked again, by another one.
    """
    connection = brokers.connection
    asked = json.dumps({"servers": connection.servers, "settings": dict(connection.settings), "group": name})
    until_s = time.monotonic() + TIMEOUT_S
    while True:
        child = subprocess.run(
            [sys.executable, "-P", "-m", "engine.kafka.describing"],
            input=asked.encode(),
            capture_output=True,
            check=False,
        )
        if child.returncode == 0:
            break
        if time.monotonic() > until_s:
            raise BrokerUnreachable(
                connection.servers, f"whoever looks at group {name!r} is ended with {child.returncode}"
            )
    said = json.loads(child.stdout)
    if "refused" in said:
        raise BrokerRefused(*said["refused"])
    if "unreachable" in said:
        raise BrokerUnreachable(*said["unreachable"])
    operations = said["operations"]
    return Group(name, tuple(said["members"]), None if operations is None else frozenset(operations))


def read_offsets(
    connection: Connection,
    group: str,
    places: Iterable[TopicPartition],
    timeout_s: float = TIMEOUT_S,
    *,
    is_stable: bool = True,
) -> list[TopicPartition]:
    """Return where a group goes on, and what was noted with it; waits for transactions, unless it need not be stable.

    A consumer asks that never joins: an admin client of librdkafka 2.16 ends the process when the broker that it asks
    does not keep the group any more.
    """
    from confluent_kafka import Consumer, KafkaException

    what = f"read the offsets of group {group!r}"
    more = {} if is_stable else {"isolation.level": "read_uncommitted"}
    consumer = Consumer(connection.consumer(**{"group.id": group, **more}))
    try:
        found: list[TopicPartition] = consumer.committed(list(places), timeout_s)
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
    """Let a group go on at other offsets; raises `BrokerRefused` while it has members.

    A consumer says it that never joins, for the reason that `read_offsets` has.
    """
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    connection, what = brokers.connection, f"move the offsets of group {group!r}"
    places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    until_s = time.monotonic() + TIMEOUT_S
    consumer = Consumer(connection.consumer(**{"group.id": group}))
    try:
        while True:
            try:
                found = consumer.commit(offsets=places, asynchronous=False)
            except KafkaException as exc:
                if not exc.args[0].retriable() or time.monotonic() > until_s:
                    raise broker_error(what, exc, connection.servers) from exc
            else:
                break
    finally:
        consumer.close()
    _check(found or (), what, connection.servers)


def _check(places: Iterable[TopicPartition], what: str, servers: str) -> None:
    """Raise what is wrong with a partition, though the answer as a whole is none."""
    for place in places:
        if place.error is not None:
            raise broker_error(what, place.error, servers)
