import pytest
from confluent_kafka import KafkaError

from engine.kafka.contest import HELD_S, Contest
from engine.kafka.transaction import FENCED_S

FENCED = KafkaError(KafkaError.FENCED_INSTANCE_ID)
FATAL = KafkaError(
    KafkaError._FATAL, "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"
)
HELD = KafkaError(KafkaError._FATAL, "Broker: The instance ID is still used by another member in the consumer group")


@pytest.mark.parametrize(
    ("error", "concerns"),
    [(FENCED, True), (FATAL, True), (HELD, True), (KafkaError(KafkaError._FATAL, "no"), False), (KafkaError(3), False)],
)
def test_errors_about_the_name_are_known(error, concerns):
    assert Contest.concerns(error) is concerns


@pytest.mark.parametrize(("pause_s", "is_lost"), [(FENCED_S - 1, True), (FENCED_S + 1, False)])
@pytest.mark.parametrize("error", [FENCED, FATAL])
def test_who_is_shut_out_once_joins_again_and_gives_up_when_that_comes_again_soon(error, pause_s, is_lost):
    times = iter([100.0, 100.0 + pause_s])
    contest = Contest(lambda: next(times))
    assert not contest.is_lost(error)
    assert contest.is_lost(error) is is_lost


def test_a_name_that_somebody_gone_still_has_is_waited_for_but_not_for_ever():
    times = iter([0.0, HELD_S - 1, HELD_S + 1])
    contest = Contest(lambda: next(times))
    assert [contest.is_lost(HELD) for _ in range(3)] == [False, False, True]


def test_the_wait_for_a_name_begins_anew_with_every_membership():
    times = iter([0.0, HELD_S + 1])
    contest = Contest(lambda: next(times))
    assert not contest.is_lost(HELD)
    contest.note_joined()
    assert not contest.is_lost(HELD)
