"""What brokers know of a topic: its partitions, who may do what with it, and from where to where its records go."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BrokerRefused
from engine.kafka.brokers import Brokers

HEARSAY_S = 3.0
"""For how long one broker may not have heard of what another one has made."""

_AGAIN_S = 0.2

READ, WRITE = "READ", "WRITE"
"""Operations that the engine needs of a topic."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that exists.

    Parameters
    ----------
    name : str
        Its name.
    n_partitions : int
        They are numbered from 0.
    operations : frozenset of str, optional
        What the engine's user may do with it, such as `READ`; None where the brokers do not say.
    """

    name: str
    n_partitions: int
    operations: frozenset[str] | None = None

    def allows(self, operation: str) -> bool:
        """Return whether the user may do that, as far as one knows."""
        return self.operations is None or operation in self.operations


def find_topic(brokers: Brokers, name: str, what: str = "", *, is_patient: bool = False) -> Topic:
    """Return a topic; raises `BrokerRefused` where there is none, or none that the user may see.

    Parameters
    ----------
    brokers : Brokers
        Who is asked.
    name : str
        The topic's.
    what : str
        What it is wanted for, such as ``read topic 'prices'``, for the error's sentence.
    is_patient : bool
        One of several brokers may not have heard yet of a topic that was just made: it is asked again for a while.
    """
    until_s = time.monotonic() + HEARSAY_S
    while True:
        try:
            return _find(brokers, name, what)
        except BrokerRefused as exc:
            is_unheard = is_patient and _name_of(exc.__cause__) == "UNKNOWN_TOPIC_OR_PART"
            if not is_unheard or time.monotonic() > until_s or brokers.count() < 2:
                raise
        time.sleep(_AGAIN_S)


def _find(brokers: Brokers, name: str, what: str) -> Topic:
    from confluent_kafka import TopicCollection

    found = brokers.ask(
        what or f"look at topic {name!r}",
        lambda client, timeout_s: client.describe_topics(
            TopicCollection([name]), include_authorized_operations=True, request_timeout=timeout_s
        ),
    )[name]
    return Topic(name, len(found.partitions), names_of(found.authorized_operations))


def topic_names(brokers: Brokers) -> list[str]:
    """Return the names of all topics that the user may see."""
    return sorted(brokers.list_topics())


def create_topic(brokers: Brokers, name: str, n_partitions: int, settings: Mapping[str, str]) -> bool:
    """Make a topic, replicated as the brokers do by default; False where there is one already.

    Raises
    ------
    BrokerRefused, BrokerUnreachable
        It cannot be.
    """
    from confluent_kafka.cimpl import NewTopic

    new = NewTopic(name, num_partitions=n_partitions, replication_factor=-1, config=dict(settings))
    try:
        brokers.ask(
            f"create topic {name!r}",
            lambda client, timeout_s: client.create_topics([new], request_timeout=timeout_s),
        )
    except BrokerRefused as exc:
        if _name_of(exc.__cause__) == "TOPIC_ALREADY_EXISTS":
            return False
        raise
    return True


def first_offsets(brokers: Brokers, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Return, for each partition, the offset of the first record that is still there."""
    return _list_offsets(brokers, topic, partitions, "earliest")


def last_offsets(brokers: Brokers, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Return, for each partition, the offset behind the last record that is committed."""
    return _list_offsets(brokers, topic, partitions, "latest")


def offsets_at(brokers: Brokers, topic: str, partitions: Iterable[int], timestamp_ms: int) -> dict[int, int]:
    """Return, for each partition, the offset of the first record of that time or later; its end where there is none."""
    partitions = list(partitions)
    found = _list_offsets(brokers, topic, partitions, timestamp_ms)
    lasts = last_offsets(brokers, topic, partitions) if any(offset < 0 for offset in found.values()) else {}
    return {partition: offset if offset >= 0 else lasts[partition] for partition, offset in found.items()}


def begin_offsets(brokers: Brokers, topic: str, partitions: Iterable[int], first_record: int | str) -> dict[int, int]:
    """Return where reading begins, for each partition.

    Parameters
    ----------
    brokers : Brokers
        Who is asked.
    topic : str
        Whose partitions they are.
    partitions : iterable of int
        Their numbers.
    first_record : int or str
        ``earliest``, ``latest``, or an offset; what is not there any more, or not yet, becomes the nearest that is.
    """
    partitions = list(partitions)
    if first_record == "earliest":
        return first_offsets(brokers, topic, partitions)
    lasts = last_offsets(brokers, topic, partitions)
    if isinstance(first_record, str):
        return lasts
    firsts = first_offsets(brokers, topic, partitions)
    return {each: min(max(first_record, firsts[each]), lasts[each]) for each in partitions}


def names_of(operations: Iterable[Any] | None) -> frozenset[str] | None:
    """Return the names of operations that librdkafka gives; None where there are none, which no user has."""
    names = frozenset(operation.name for operation in operations or ())
    return names or None


def _list_offsets(brokers: Brokers, topic: str, partitions: Iterable[int], where: str | int) -> dict[int, int]:
    """Return offsets ``earliest``, ``latest`` or of a time in milliseconds."""
    from confluent_kafka import IsolationLevel, TopicPartition
    from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # its stubs forget it

    spec = OffsetSpec.for_timestamp(where) if isinstance(where, int) else getattr(OffsetSpec, where)()
    asked = {TopicPartition(topic, partition): spec for partition in partitions}
    if not asked:
        return {}
    found = brokers.ask(
        f"read topic {topic!r}",
        lambda client, timeout_s: client.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=timeout_s
        ),
    )
    return {place.partition: answer.offset for place, answer in found.items()}


def _name_of(exc: BaseException | None) -> str:
    return str(exc.args[0].name()) if exc is not None and exc.args and hasattr(exc.args[0], "name") else ""
