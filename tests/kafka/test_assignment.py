import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from engine.errors import BrokerUnreachable, SlotsUnfit
from engine.kafka.assignment import Assignment
from engine.kafka.places import Inlet

INLETS = {"prices": Inlet(0, "prices", "earliest"), "trades": Inlet(2, "trades", "earliest")}


class Group:
    """A consumer whose group has committed what it is told."""

    def __init__(self, **committed):
        self.offsets, self.calls = committed, []

    def committed(self, partitions, timeout):
        return [TopicPartition(each.topic, each.partition, self.offsets[each.topic]) for each in partitions]

    def __getattr__(self, name):
        def note(given=()):
            partitions = [given] if isinstance(given, TopicPartition) else given
            self.calls.append((name, sorted((each.topic, each.partition, each.offset) for each in partitions)))

        return note


def partition(topic, number=0):
    return TopicPartition(topic, number)


def test_a_task_is_whole_when_the_partitions_of_its_number_of_all_topics_are_there():
    assigned = Assignment(INLETS, 1, is_incremental=True)
    group = Group(prices=5, trades=7)
    assert assigned.add(group, [partition("prices")]) == set()
    assert assigned.add(group, [partition("trades")]) == {0}
    assert assigned.places_of({0}) == {0: {0: (5, True), 2: (7, True)}}
    assert group.calls[-2:] == [("incremental_assign", [("trades", 0, 7)]), ("pause", [("trades", 0, 7)])]


def test_what_stayed_of_a_task_that_went_begins_anew_when_the_task_is_whole_again():
    assigned = Assignment(INLETS, 1, is_incremental=True)
    group = Group(prices=5, trades=7)
    assigned.add(group, [partition("prices"), partition("trades")])
    assert assigned.go({0, 1}) == {0}
    assert assigned.begin_removal(group, [partition("prices")]) == {0}
    assigned.remove(group, [partition("prices")], {0})
    assert (assigned.tasks, assigned.going) == (set(), set())

    group.offsets = {"prices": 50, "trades": 70}
    assert assigned.add(group, [partition("prices")]) == {0}
    assert assigned.places_of({0}) == {0: {0: (50, True), 2: (70, True)}}
    assert group.calls[-2:] == [("pause", [("trades", 0, 70)]), ("seek", [("trades", 0, 70)])]


def test_a_group_that_takes_everything_away_gives_it_anew():
    assigned = Assignment(INLETS, 1, is_incremental=False)
    group = Group(prices=1, trades=2)
    both = [partition("prices"), partition("trades")]
    assigned.add(group, both)
    assigned.go({0})
    assigned.remove(group, both, assigned.begin_removal(group, both))
    assert group.calls[-1] == ("unassign", [])
    assert assigned.add(group, both) == {0}
    assert assigned.going == set()


@pytest.mark.parametrize("is_incremental", [True, False])
def test_tasks_that_begin_anew_are_where_the_group_is_and_wait_and_are_never_given_back(is_incremental):
    assigned = Assignment(INLETS, 1, is_incremental=is_incremental)
    group = Group(prices=1, trades=2)
    assigned.add(group, [partition("prices"), partition("trades")])
    assigned.go({0})
    group.offsets, group.calls = {"prices": 3, "trades": 4}, []
    assigned.begin_anew(group, frozenset({0}))
    assert assigned.places_of({0}) == {0: {0: (3, True), 2: (4, True)}}
    assert (assigned.tasks, assigned.going) == ({0}, set())
    seeks = [("seek", [("prices", 0, 3)]), ("seek", [("trades", 0, 4)])]
    assert group.calls == [("pause", [("prices", 0, 3), ("trades", 0, 4)]), *seeks]


class Silent(Group):
    """A consumer that no broker answers, until they do."""

    is_silent = True

    def committed(self, partitions, timeout):
        if self.is_silent:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return super().committed(partitions, timeout)


@pytest.mark.parametrize("is_incremental", [True, False])
def test_partitions_of_which_nobody_says_where_they_begin_are_taken_and_asked_for_again(is_incremental):
    assigned = Assignment(INLETS, 0, is_incremental=is_incremental)
    group = Silent(prices=5, trades=7)
    assert assigned.add(group, [partition("prices"), partition("trades")]) == set()
    assert isinstance(assigned.trouble, BrokerUnreachable)
    assert [name for name, _ in group.calls][-2:] == ["incremental_assign" if is_incremental else "assign", "pause"]
    assert assigned.ask_again(group) == set()
    assert assigned.go({0}) == set()

    group.is_silent = False
    assert assigned.ask_again(group) == {0}
    assert assigned.trouble is None
    assert assigned.places_of({0}) == {0: {0: (5, True), 2: (7, True)}}
    assert assigned.go({0}) == {0}


@pytest.mark.parametrize("is_incremental", [True, False])
def test_tasks_that_begin_anew_while_no_broker_answers_are_not_read_before_one_does(is_incremental):
    assigned = Assignment(INLETS, 0, is_incremental=is_incremental)
    group = Silent(prices=5, trades=7)
    group.is_silent = False
    assigned.add(group, [partition("prices"), partition("trades")])
    assigned.go({0})
    group.is_silent = True
    assert assigned.begin_anew(group, frozenset({0})) == frozenset()
    assert (assigned.tasks, assigned.going, assigned.go({0})) == ({0}, set(), set())
    group.is_silent, group.offsets = False, {"prices": 8, "trades": 9}
    assert assigned.ask_again(group) == {0}
    assert assigned.places_of({0}) == {0: {0: (8, True), 2: (9, True)}}


@pytest.mark.parametrize("is_incremental", [True, False])
def test_partitions_that_are_taken_away_are_not_asked_for_any_more(is_incremental):
    assigned = Assignment(INLETS, 0, is_incremental=is_incremental)
    group = Silent(prices=5, trades=7)
    both = [partition("prices"), partition("trades")]
    assigned.add(group, both)
    assigned.remove(group, both, assigned.begin_removal(group, both))
    assert assigned.trouble is None
    assert assigned.tasks == set()


def test_what_is_wrong_with_partitions_is_said_before_any_is_taken():
    def refuse(numbers):
        if max(numbers) > 0:
            raise SlotsUnfit("no")

    assigned = Assignment(INLETS, 1, is_incremental=True, check=refuse)
    group = Group(prices=5, trades=7)
    assert assigned.add(group, [partition("prices"), partition("trades")]) == {0}
    with pytest.raises(SlotsUnfit):
        assigned.add(group, [partition("prices", 1)])
    assert assigned.tasks == {0}
