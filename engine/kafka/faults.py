"""What an error of a producer means for what it has written."""

from __future__ import annotations

from confluent_kafka import KafkaError

from engine.errors import CommitAborted, DeliveryFailed, EngineError
from engine.kafka.errors import broker_error

# The names of librdkafka's own errors begin with an underscore.
_TIMED_OUT, _PURGED = KafkaError._TIMED_OUT, {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001
_FATAL = KafkaError._FATAL  # noqa: SLF001
_OCCUPIED = {KafkaError._CONFLICT, KafkaError._PREV_IN_PROGRESS}  # noqa: SLF001
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}  # noqa: SLF001
_LOST = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
}
_GONE = {
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
_REFUSED = _GONE | {
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
}
"""What a topic says of a record that it will never take."""


def is_fenced(error: KafkaError) -> bool:
    """Whether somebody else has begun to write under the same name, or the broker has given the transaction up."""
    return error.code() in _FENCED


def is_purged(error: KafkaError) -> bool:
    """Whether a record was only dropped because another one was not delivered."""
    return error.code() in _PURGED


def is_occupied(error: KafkaError) -> bool:
    """Whether the producer is still in another call, which was given up."""
    return error.code() in _OCCUPIED


def is_gone(error: KafkaError) -> bool:
    """Whether there is no such topic: said of every topic of a transaction, if it is so of one."""
    return error.code() in _GONE


def is_refused(error: KafkaError) -> bool:
    """Whether a topic will never take the record."""
    return error.code() in _REFUSED


def timed_out(what: str) -> KafkaError:
    """Return the error of something that took too long."""
    return KafkaError(_TIMED_OUT, what)


def failure_of(error: KafkaError, topic: str, servers: str) -> EngineError:
    """Return what an error makes of the transaction in which it happened."""
    if is_refused(error):
        said = broker_error(f"write to topic {topic!r}", error, servers)
        return DeliveryFailed(f"topic {topic!r}", getattr(said, "reason", str(said)), getattr(said, "fix", ""))
    is_lost = error.code() in _LOST or error.code() == _FATAL or error.fatal() or is_fenced(error)
    return CommitAborted(error.str().rstrip("."), is_lost=is_lost)
