"""Where partitions of topics begin to be read: where the group has committed, else where the descriptor says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from engine.kafka.errors import broker_error

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

RETRY_S = 0.2
"""The pause before a group is asked again whose offsets are held up by an open transaction, or a broker's start."""

ASK_S = 5.0
"""How long one question may take."""

STATE_S = 0.01
"""The pause before a partition is tried again that the consumer has not begun to read."""


@dataclass(frozen=True, slots=True)
class Inlet:
    """One topic that is read.

    Parameters
    ----------
    slot : int
        Which slot its records are for.
    topic : str
        Its name.
    first : int or str
        Where a group begins that has committed nothing: an offset, ``earliest`` or ``latest``.
    max_wait_s : float, optional
        After how long without a record there will be no more of them; None for never.
    """

    slot: int
    topic: str
    first: int | str = "latest"
    max_wait_s: float | None = None


class Place(NamedTuple):
    """The offset of the next record, and whether the group has committed it."""

    offset: int
    is_committed: bool


def find_places(
    consumer: Consumer, partitions: Iterable[TopicPartition], inlets: Mapping[str, Inlet], limit_s: float
) -> dict[tuple[str, int], Place]:
    """Return where partitions begin, by topic and number.

    Parameters
    ----------
    consumer : Consumer
        A member of the group; the call is made in its own thread.
    partitions : iterable of TopicPartition
        Which.
    inlets : mapping of str to Inlet
        By topic.
    limit_s : float
        How long it may take.

    Raises
    ------
    BrokerRefused, BrokerUnreachable
        The brokers do not say.
    """
    from confluent_kafka import KafkaException, TopicPartition

    asked = [TopicPartition(each.topic, each.partition) for each in partitions]
    deadline = time.monotonic() + limit_s
    while True:
        try:
            answers = _committed(consumer, asked)
            return {(each.topic, each.partition): _place(consumer, each, inlets[each.topic]) for each in answers}
        except KafkaException as exc:
            if time.monotonic() > deadline or not _may_pass(exc):
                raise broker_error("ask where the group goes on", exc) from exc
        time.sleep(RETRY_S)


def seek(consumer: Consumer, places: Iterable[TopicPartition]) -> None:
    """Have partitions of a consumer be read from other offsets on; what it has fetched ahead is dropped.

    Raises
    ------
    BrokerRefused
        The consumer does not have them.
    """
    from confluent_kafka import KafkaException

    deadline = time.monotonic() + ASK_S
    for place in places:
        while True:
            try:
                consumer.seek(place)
                break
            except KafkaException as exc:
                # It has only just been given them, or is about to stop reading them.
                if exc.args[0].name() not in ("_STATE", "_PREV_IN_PROGRESS") or time.monotonic() > deadline:
                    raise broker_error("go back to where the group has committed", exc) from exc
            time.sleep(STATE_S)


def _committed(consumer: Consumer, asked: list[TopicPartition]) -> list[TopicPartition]:
    from confluent_kafka import KafkaException

    answers = consumer.committed(asked, timeout=ASK_S)
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return answers


def _place(consumer: Consumer, committed: TopicPartition, inlet: Inlet) -> Place:
    if committed.offset >= 0:
        return Place(committed.offset, is_committed=True)
    first, last = consumer.get_watermark_offsets(committed, timeout=ASK_S, cached=False)
    if isinstance(inlet.first, int):
        return Place(min(max(inlet.first, first), last), is_committed=False)
    return Place(first if inlet.first == "earliest" else last, is_committed=False)


def _may_pass(exc: Exception) -> bool:
    """Whether asking again may help; also for what the client itself says of a broker that is away."""
    error = exc.args[0]
    return bool(error.retriable()) or error.name() in _PASSING


_PASSING = frozenset(
    ("_TIMED_OUT", "_TRANSPORT", "_ALL_BROKERS_DOWN", "_WAIT_COORD", "UNSTABLE_OFFSET_COMMIT", "NOT_COORDINATOR",
     "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION")
)  # fmt: skip
