import pytest
from confluent_kafka import KafkaError

from engine.kafka.contest import FENCED_S, Contest

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


@pytest.mark.parametrize(
    ("pause_s", "n_lost", "is_lost"), [(FENCED_S - 1, 0, True), (FENCED_S + 1, 0, False), (FENCED_S - 1, 1, False)]
)
def test_who_is_shut_out_once_begins_again_and_gives_up_when_that_comes_again_soon_for_no_other_reason(
    pause_s, n_lost, is_lost
):
    times, lost = iter([100.0, 100.0 + pause_s]), iter([7, 7, 7 + n_lost])
    contest = Contest(lambda: next(times), lambda: next(lost))
    assert not contest.is_lost()
    assert contest.is_lost() is is_lost
