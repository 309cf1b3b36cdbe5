"""The producer that transactions are written with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from engine.kafka.connection import Connection
from engine.kafka.errors import broker_error

_N_QUEUED = 1_000_000  # records: bursts of half a million, twice


@contextmanager
def raising() -> Iterator[None]:
    """Raise what a producer dies of as what it is.

    It is raised in the middle of `poll` and `flush`, which then go on to call us back; and whatever is called with an
    error that waits to be raised becomes a SystemError.
    """
    try:
        yield
    except SystemError as exc:
        if isinstance(exc.__cause__, KafkaException):
            raise exc.__cause__ from None
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
