"""What is under way in a jet, without one."""

from dataclasses import replace

import pytest

from engine.channel import PIPE_BYTES, Cell, Failure, OutputFrame, Phase
from engine.errors import DecodeError, ModelCrashed
from engine.runtime.flight import N_CALLERS_IN_FLIGHT, N_IN_FLIGHT, N_KILLS, N_SLOW_IN_FLIGHT, Flight
from engine.runtime.intake import Intake
from engine.runtime.lanes import Lane
from engine.runtime.work import Sent, Work
from engine.state.commits import InputFence
from tests.runtime.conftest import REST, stream

CRASH = ModelCrashed(7, "a record")


@pytest.fixture
def flight():
    return Flight()


def work(n, first_seq=1):
    return Work(Intake(1, InputFence(0), stream(REST), None), first_seq, [b"%d" % i for i in range(n)], range(1, n + 1))


def send(flight, works):
    for batch, part in enumerate(works, 1):
        part.n_open = 1
        flight.add(Sent(batch, part, 0, len(part.values), part.size_bytes))


def dead_on(batch, first_seq, index):
    cell = Cell()
    cell.enter(Phase.ACTION, batch, 0, first_seq)
    cell.words[Cell.INDEX] = index
    return cell


def end(flight, cell, policy):
    """Return the works of which nothing is left when the jet ends like that."""
    flight.judge(cell, CRASH)
    return list(flight.cut(lambda slot: policy))


def parts(flight):
    return [(part.work, part.start, part.stop) for part in flight.land()]


def test_what_is_under_way_fits_into_the_pipe_and_is_never_more_than_a_few(flight):
    assert flight.has_room(10 * PIPE_BYTES)
    send(flight, [work(1)])
    assert not flight.has_room(1)  # before the first answer nobody knows what a record takes
    flight.answer(OutputFrame(1, 1, action_ns=1000))
    assert flight.max_records > 1000
    send(flight, [work(1) for _ in range(N_IN_FLIGHT - 1)])
    assert flight.has_room(1000)
    assert not flight.has_room(PIPE_BYTES)
    send(flight, [work(1)])
    assert not flight.has_room(1)


def test_answers_go_to_the_oldest_and_make_room(flight):
    first, second = work(2), work(1, 3)
    send(flight, [first, second])
    failure = Failure(1, "input", DecodeError("json", "no"))
    got, n_settled = flight.answer(OutputFrame(1, 1, [b"a"], [0], [1], is_last=False))
    assert (got, n_settled, got.is_done) == (first, 1, False)
    got, n_settled = flight.answer(OutputFrame(1, 2, [b"b"], [1], [3], [failure]))
    assert (got, n_settled, got.is_done) == (first, 1, True)
    assert (first.outputs, first.failures) == ({1: [b"a"], 3: [b"b"]}, [failure])
    assert flight.answer(OutputFrame(2, 1)) == (second, 1)
    assert len(flight) == 0


def test_what_was_answered_is_not_sent_again(flight):
    first, second = work(4), work(2, 5)
    send(flight, [first, second])
    flight.answer(OutputFrame(1, 3, [b"a"], [0], [1], is_last=False))
    assert end(flight, Cell(), "stop") == []
    assert parts(flight) == [(first, 3, 4), (second, 0, 2)]


@pytest.mark.parametrize(
    ("policy", "index", "left"),
    [
        ("reject", 0, [(1, 4)]),
        ("reject", 2, [(0, 2), (3, 4)]),
        ("skip", 3, [(0, 3)]),
        ("stop", 2, [(0, 2)]),
        ("stop", 0, []),
    ],
)
def test_a_record_in_work_at_two_ends_fails_and_the_others_are_sent_again(flight, policy, index, left):
    whole = work(4)
    send(flight, [whole])
    done = []
    for _ in range(N_KILLS):
        for part in flight.land():
            part.batch = 1
            flight.add(part)
        done += end(flight, dead_on(1, 1, index), policy)
    assert [(start, stop) for _, start, stop in parts(flight)] == left
    failures = [] if policy == "stop" else [(index, CRASH)]
    assert [(failure.index, failure.error) for failure in whole.failures] == failures
    assert (whole.fatal, whole.n_kept) == ((CRASH, index) if policy == "stop" else (None, 4))
    assert done == ([] if left else [whole])
    assert whole.is_done is (not left)


def test_the_first_end_is_nobodys_fault(flight):
    whole = work(4)
    send(flight, [whole])
    assert end(flight, dead_on(1, 1, 2), "stop") == []
    assert parts(flight) == [(whole, 0, 4)]
    assert whole.failures == []


def test_a_work_in_two_parts_is_done_when_both_are_answered(flight):
    whole = work(3)
    send(flight, [whole])
    for _ in range(N_KILLS):
        for part in flight.land():
            part.batch = 1
            flight.add(part)
        assert end(flight, dead_on(1, 1, 1), "skip") == []
    for part in flight.land():
        flight.add(part)
    flight.answer(OutputFrame(0, 1, [b"a"], [0], [1]))
    assert not whole.is_done
    flight.answer(OutputFrame(0, 1, [b"c"], [0], [1]))
    assert whole.is_done
    assert whole.outputs == {1: [b"a", b"c"]}


def test_a_record_is_not_blamed_for_one_of_another_task_that_has_its_number(flight):
    lanes = [Lane(2, task, InputFence(0), stream(REST), None, lambda _: None) for task in (1, 2)]
    works = [Work(lane, 1, [b"0"], (1,)) for lane in lanes]
    for whole in works:
        send(flight, [whole])
        assert end(flight, dead_on(1, 1, 0), "reject") == []
        flight.land()
    assert [whole.condemned for whole in works] == [[], []]


def test_many_records_that_somebody_waits_for_are_under_way_where_they_can_be_predicted_together(flight):
    called = [replace(work(1), caller=object()) for _ in range(N_CALLERS_IN_FLIGHT + 1)]
    send(flight, called[:1])
    flight.answer(OutputFrame(1, 1, action_ns=int(1e9)))  # a second for a record
    send(flight, called[:N_SLOW_IN_FLIGHT])
    assert not flight.has_room(1)
    flight.is_batched = True
    send(flight, called[N_SLOW_IN_FLIGHT:-1])
    assert not flight.has_room(1)
    flight.answer(OutputFrame(1, 1))
    assert flight.has_room(1)
    send(flight, [work(1), work(1)])
    assert not flight.has_room(1)  # batches are as few as ever
    flight.land()
    assert flight.has_room(1)


def test_an_end_in_a_prediction_for_many_condemns_nobody_and_has_them_scored_with_care(flight):
    works = [work(2), replace(work(1, 3), caller=object()), work(5, 4)]
    send(flight, works)
    cell = dead_on(2, 3, 0)
    cell.words[Cell.PHASE] = Phase.BATCHED
    for _ in range(N_KILLS + 1):
        assert end(flight, cell, "reject") == []
    assert flight.n_condemned == 0
    assert [one.is_careful for one in works] == [True] * 3
    assert parts(flight) == [(works[0], 0, 2), (works[1], 0, 1), (works[2], 0, 5)]
    assert works[2].split(2).is_careful


def test_the_first_record_goes_alone_since_nobody_knows_how_long_it_takes(flight):
    assert flight.max_records == 1
