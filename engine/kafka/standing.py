"""Where a group stands in a topic, and where the state stands that was committed with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import BrokerRefused, ConfigError, nearest
from engine.kafka.brokers import Brokers
from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from engine.kafka.forms import TASK_KEY, unpack_task
from engine.kafka.groups import committed_offsets, find_group
from engine.kafka.names import changelog_name, models_of
from engine.kafka.topics import find_topic, first_offsets, last_offsets, topic_names
from engine.state.commits import Fence


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads what.

    Parameters
    ----------
    connection : Connection
        The brokers.
    topic, group : str
        The topic, and the group whose offsets count.
    model : str
        Whose state belongs to them; empty where it is to be found out.
    slot : int, optional
        The input slot that has the topic; None where it is to be found out.
    partition : int, optional
        The one partition that is looked at, or moved; None for all.
    is_fixed : bool
        The stream names its Partition: its engine is no member of the group.
    """

    connection: Connection
    topic: str
    group: str
    model: str = ""
    slot: int | None = None
    partition: int | None = None
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """One partition.

    Parameters
    ----------
    partition : int
        Its number.
    first, last : int
        The offset of the first record that is there, and the one behind the last that is committed.
    offset : int or None
        Where the group goes on; None where it has committed nothing.
    state_offset : int or None
        Where the state goes on; None where there is none.
    """

    partition: int
    first: int
    last: int
    offset: int | None = None
    state_offset: int | None = None

    @property
    def lag(self) -> int | None:
        """How many offsets the group is behind; None where it has not begun."""
        return None if self.offset is None else max(self.last - self.offset, 0)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a group stands.

    Parameters
    ----------
    reading : Reading
        What was asked, with the model filled in where state of one was found.
    members : tuple of str
        Who is in the group.
    n_partitions : int
        Of the topic.
    changelog : str or None
        The topic of the state; None where there is none.
    places : mapping of int to Place
        By partition.
    fences : mapping of int to Fence
        By partition, the one that was committed with the state.
    """

    reading: Reading
    members: tuple[str, ...]
    n_partitions: int
    changelog: str | None
    places: Mapping[int, Place]
    fences: Mapping[int, Fence] = field(default_factory=dict)

    @property
    def slot(self) -> int:
        """The input slot that has the topic.

        Raises
        ------
        ConfigError
            The model has several, and nobody has said which.
        """
        if self.reading.slot is not None:
            return self.reading.slot
        slots = sorted({slot for task, fence in self.fences.items() for slot in fence.tasks[task].inputs})
        if len(slots) > 1:
            named = ", ".join(map(str, slots))
            raise ConfigError(f"The model reads the slots {named}. Say with --slot which of them has the topic.")
        return slots[0] if slots else 0

    def as_json(self) -> dict[str, Any]:
        """Return it for a program to read."""
        return {
            "topic": self.reading.topic,
            "group": self.reading.group,
            "members": list(self.members),
            "model": self.reading.model or None,
            "changelog": self.changelog,
            "partitions": [
                {
                    "partition": place.partition,
                    "first": place.first,
                    "last": place.last,
                    "offset": place.offset,
                    "lag": place.lag,
                    "state_offset": place.state_offset,
                }
                for place in self.places.values()
            ],
        }


def look(reading: Reading) -> Standing:
    """Return where a group stands.

    Raises
    ------
    BrokerRefused, BrokerUnreachable
        The topic or the group cannot be looked at.
    ConfigError
        The group runs several models, or the model reads several slots, and nobody has said which.
    StateCorrupt, StateIncompatible
        The state is not what was written, or a later version wrote it.
    """
    topic, group = reading.topic, reading.group
    with Brokers(reading.connection) as brokers:
        n_partitions = find_topic(brokers, topic, f"read topic {topic!r}").n_partitions
        partitions = range(n_partitions) if reading.partition is None else [reading.partition]
        if partitions[-1] >= n_partitions:
            reason = f"there is no partition {partitions[-1]}: its partitions are 0 to {n_partitions - 1}"
            raise BrokerRefused(f"read topic {topic!r}", reason)
        members = find_group(brokers, group).members
        firsts, lasts = first_offsets(brokers, topic, partitions), last_offsets(brokers, topic, partitions)
        offsets = committed_offsets(brokers, group, topic, partitions)
        model = find_model(brokers, group, reading.model)
        name = changelog_name(group, model) if model else None
        n_tasks = find_topic(brokers, name).n_partitions if name is not None else 0
    fences = read_fences(Changelog(reading.connection, name), n_tasks) if name is not None else {}
    found = replace(reading, model=model or reading.model)
    places = {each: Place(each, firsts[each], lasts[each], offsets.get(each)) for each in partitions}
    standing = Standing(found, members, n_partitions, name, places, fences)
    return replace(standing, places={each: _with_state(standing, place) for each, place in places.items()})


def _with_state(standing: Standing, place: Place) -> Place:
    fence = standing.fences.get(place.partition)
    if fence is None or standing.slot not in (inputs := fence.tasks[place.partition].inputs):
        return place
    return replace(place, state_offset=inputs[standing.slot].position)


def find_model(brokers: Brokers, group: str, model: str) -> str:
    """Return the name of the model whose state a group keeps; empty where it keeps none.

    Raises
    ------
    ConfigError
        It keeps that of several, or of one that is nearly called as was said.
    """
    topics = topic_names(brokers)
    if model and changelog_name(group, model) in topics:
        return model
    found = models_of(group, topics)
    if model:
        if near := nearest(model, found):
            raise ConfigError(f"Group {group!r} keeps no state of a model {model!r}. Did you mean {near!r}?")
        return ""
    if len(found) > 1:
        raise ConfigError(f"Group {group!r} keeps the state of {', '.join(found)}. Say which one with --model.")
    return found[0] if found else ""


def read_fences(changelog: Changelog, n_tasks: int) -> dict[int, Fence]:
    """Return what was committed last of each task that has committed something."""
    fences: dict[int, Fence] = {}
    for task in range(n_tasks):
        with changelog.partition(task) as partition:
            value = next((value for _, value in partition.newest({TASK_KEY})), None)
        if value is not None:
            fences[task] = unpack_task(value, task)[0]
    return fences
