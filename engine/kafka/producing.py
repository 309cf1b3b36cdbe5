"""The producer that transactions are written with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error
from engine.kafka.faults import timed_out

_N_QUEUED = 1_000_000  # records: bursts of half a million, twice


@contextmanager
def raising(producer: Producer) -> Iterator[None]:
    """Raise what a producer dies of as what it is.

    It is raised in the middle of `poll` and `flush`, which then go on to call us back; and whatever is called with an
    error that waits to be raised becomes a SystemError, with that error as its cause, or without where it is lost.
    """
    try:
        yield
    except SystemError as exc:
        if isinstance(exc.__cause__, KafkaException):
            raise exc.__cause__ from None
        producer.begin_transaction()  # one that is dead says of what, whatever it is asked
        raise


def open_producer(
    connection: Connection, name: str, timeout_s: float, on_undelivered: Callable[[KafkaError, Any], None]
) -> Producer:
    """Return a producer; it has not asked for anything yet.

    Parameters
    ----------
    connection : Connection
        The brokers.
    name : str
        The transactional id.
    timeout_s : float
        After which the broker takes back a transaction that nobody ends.
    on_undelivered : callable
        Gets the error of a record that was not delivered, and the record. Nobody is told of those that were.

    Raises
    ------
    BrokerRefused
        A setting is wrong.
    """
    settings = {
        "linger.ms": 5,  # a commit flushes, so this is for what is written long before one
        "queue.buffering.max.messages": _N_QUEUED,
        # A transaction that begins just behind another one finds it not quite over, and tries again: by default after
        # 100 ms.
        "retry.backoff.ms": 5,
        **connection.producer(),
        "transactional.id": name,
        "transaction.timeout.ms": int(timeout_s * 1000),
        "delivery.report.only.error": True,
        "on_delivery": on_undelivered,
    }
    try:
        return Producer(settings)
    except KafkaException as exc:
        raise broker_error(f"write as {name!r}", exc, connection.servers) from exc


def send_offsets(
    producer: Producer,
    places: Sequence[TopicPartition],
    membership: Any,
    timeout_s: float,
    grace_s: float,
    is_closed: Callable[[], bool],
) -> None:
    """Make the places where a group goes on part of the transaction, or give up.

    librdkafka waits for a coordinator that it knows until that is there again, whatever the timeout: for ever, if the
    broker has left the cluster. So it is called in a thread of its own. One that is given up stays in that call until
    the process ends, and its producer is good for nothing any more: what is called next fails, see `is_occupied`.

    Parameters
    ----------
    producer : Producer
        In a transaction.
    places : sequence of TopicPartition
        The places.
    membership : object
        The group metadata of the consumer.
    timeout_s : float
        What librdkafka is told.
    grace_s : float
        How much later it is given up; so often is looked whether somebody closes.
    is_closed : callable
        Whether nobody waits any more.

    Raises
    ------
    KafkaException
        They were not sent.
    """
    sent: Future[None] = Future()

    def send() -> None:
        try:
            producer.send_offsets_to_transaction(list(places), membership, timeout_s)
        except BaseException as exc:  # noqa: BLE001  whatever it was, who waits must hear of it
            sent.set_exception(exc)
        else:
            sent.set_result(None)

    threading.Thread(target=send, name="send-offsets", daemon=True).start()
    until_s = time.monotonic() + timeout_s
    while True:
        try:
            return sent.result(grace_s)
        except TimeoutError:
            if is_closed() or time.monotonic() > until_s:
                raise KafkaException(timed_out("the group's coordinator does not take its offsets")) from None
