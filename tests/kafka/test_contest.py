import pytest
from confluent_kafka import KafkaError

from engine.kafka.contest import Contest
from engine.kafka.transaction import FENCED_S

FATAL = "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"


@pytest.mark.parametrize(
    ("error", "concerns"),
    [
        (KafkaError(KafkaError.FENCED_INSTANCE_ID), True),
        (KafkaError(KafkaError._FATAL, FATAL), True),
        (KafkaError(KafkaError._FATAL, "something else"), False),
        (KafkaError(KafkaError.UNKNOWN_MEMBER_ID), False),
    ],
)
def test_errors_about_the_name_are_known(error, concerns):
    assert Contest.concerns(error) is concerns


@pytest.mark.parametrize(("pause_s", "is_lost"), [(FENCED_S - 1, True), (FENCED_S + 1, False)])
def test_who_is_shut_out_once_joins_again_and_gives_up_when_that_comes_again_soon(pause_s, is_lost):
    times = iter([100.0, 100.0 + pause_s])
    contest = Contest(lambda: next(times))
    assert not contest.is_lost()
    assert contest.is_lost() is is_lost
