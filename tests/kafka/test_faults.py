"""Every error of a producer is one of three things: once more, not mine any more, or never."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from engine.errors import CommitAborted, DeliveryFailed
from engine.kafka.faults import failure_of, is_fenced


@pytest.mark.parametrize("name", ["REQUEST_TIMED_OUT", "_MSG_TIMED_OUT", "_TRANSPORT", "NOT_ENOUGH_REPLICAS"])
def test_trouble_on_the_way_takes_a_commit_back(name: str) -> None:
    failure = failure_of(KafkaError(getattr(KafkaError, name)), "scores", "a:1")
    assert isinstance(failure, CommitAborted)
    assert not failure.is_lost


@pytest.mark.parametrize(
    "name",
    [
        "ILLEGAL_GENERATION",
        "UNKNOWN_MEMBER_ID",
        "FENCED_INSTANCE_ID",
        "STALE_MEMBER_EPOCH",
        "FENCED_MEMBER_EPOCH",
        "_FENCED",
        "PRODUCER_FENCED",
        "INVALID_PRODUCER_EPOCH",
        "_FATAL",
    ],
)
def test_who_is_taken_for_gone_has_lost_its_tasks(name: str) -> None:
    failure = failure_of(KafkaError(getattr(KafkaError, name)), "scores", "a:1")
    assert isinstance(failure, CommitAborted)
    assert failure.is_lost


@pytest.mark.parametrize("name", ["MSG_SIZE_TOO_LARGE", "UNKNOWN_TOPIC_OR_PART", "TOPIC_AUTHORIZATION_FAILED"])
def test_what_a_topic_never_takes_names_the_topic(name: str) -> None:
    failure = failure_of(KafkaError(getattr(KafkaError, name)), "scores", "a:1")
    assert isinstance(failure, DeliveryFailed)
    assert "'scores'" in str(failure)


def test_fenced_is_who_was_shut_out_and_not_who_left_a_group() -> None:
    assert is_fenced(KafkaError(KafkaError._FENCED))
    assert not is_fenced(KafkaError(KafkaError.ILLEGAL_GENERATION))


def test_a_record_that_is_too_large_is_told_with_what_to_raise() -> None:
    failure = failure_of(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), "scores", "a:1")
    assert str(failure).endswith("Raise max.message.bytes of the topic, or write smaller records.")
