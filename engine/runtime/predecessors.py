"""Who was at work before a job over Kafka is opened, or is still: a script that had state, or members of its group."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import BrokerRefused
from engine.kafka.brokers import Brokers
from engine.kafka.changelog import Changelog
from engine.kafka.groups import find_group
from engine.kafka.standing import read_fences
from engine.kafka.topics import topic_names
from engine.runtime.topics import Topics


def with_saved_state(topics: Topics, brokers: Brokers, n_tasks: int) -> Topics:
    """Return what of a job is Kafka, with the topic of the state where the script has none now and had some before.

    So the state is looked at as that of any other script, and not left behind where the offsets were.

    Parameters
    ----------
    topics : Topics
        As the script is.
    brokers : Brokers
        Who is asked.
    n_tasks : int
        How many partitions the inputs have.
    """
    if topics.has_changelog or not topics.inlets or topics.changelog not in topic_names(brokers):
        return topics
    has_fence = bool(read_fences(Changelog(topics.connection, topics.changelog), n_tasks))
    return replace(topics, has_changelog=has_fence)


def refuse_members(topics: Topics, brokers: Brokers) -> None:
    """Refuse to read one partition outside of a group's balance while members of the group read them all.

    Brokers take the offsets of both, so that every record of the partition would be scored twice.

    Raises
    ------
    BrokerRefused
        The group has members; the sentence names them.
    """
    if topics.partition is None:
        return
    if members := find_group(brokers, topics.group).members:
        raise BrokerRefused(
            f"read partition {topics.partition} alone as group {topics.group!r}",
            f"engines are in the group, and read it too: {', '.join(members)}",
            "Stop them, or give the stream with the Partition a Group of its own.",
        )
