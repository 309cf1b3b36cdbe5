import threading

import pytest

from engine.errors import AcknowledgedUnseen
from engine.state.commits import Kept
from engine.transports import Outbox

ROOM = 1 << 20
JOIN_S = 10  # a thread that does not end by then never will


def test_outputs_are_numbered_from_one_and_kept_until_acknowledged():
    outbox = Outbox(ROOM)
    outbox.publish([b"a", b"b", b"c"])
    assert outbox.peek(0) == outbox.peek(0) == [(1, b"a"), (2, b"b"), (3, b"c")]
    assert outbox.peek(after=1, limit=1) == [(2, b"b")]
    assert outbox.acknowledge(2) == 2
    assert outbox.peek(0) == [(3, b"c")]
    assert outbox.peek(3) == []
    assert outbox.acknowledge(3) == 3
    assert (outbox.is_empty, outbox.size_bytes) == (True, 0)
    outbox.publish([b"d"])
    assert outbox.peek(0) == [(4, b"d")]
    assert outbox.last_seq == 4


@pytest.mark.parametrize(("start", "n_given", "through"), [(0, 0, 1), (0, 3, 4), (0, 3, 99), (9, 1, 11)])
def test_what_was_never_given_cannot_be_acknowledged_and_what_comes_is_not_lost(start, n_given, through):
    outbox = Outbox(ROOM, start)
    outbox.publish([b"x"] * n_given)
    with pytest.raises(AcknowledgedUnseen, match=f"number {through} are acknowledged") as caught:
        outbox.acknowledge(through)
    assert (caught.value.through, caught.value.last_seq) == (through, start + n_given)
    outbox.publish([b"next"])
    assert len(outbox.peek()) == n_given + 1


def test_the_ends_of_commits_are_those_of_what_is_kept():
    outbox = Outbox(ROOM)
    for values in ([b"a", b"b"], [], [b"c"], [b"d", b"e"]):
        outbox.publish(values)
    assert outbox.ends == [2, 3, 5]
    outbox.acknowledge(1)
    assert outbox.ends == [2, 3, 5]
    outbox.acknowledge(3)
    assert outbox.ends == [5]


def test_an_outbox_goes_on_with_what_a_store_has_kept():
    outbox = Outbox(ROOM, start=9)
    outbox.restore(Kept(6, [b"f", b"g", b"h", b"i"], ends=[7, 9]))
    assert outbox.peek() == [(6, b"f"), (7, b"g"), (8, b"h"), (9, b"i")]
    outbox.publish([b"j"])
    assert (outbox.last_seq, outbox.ends) == (10, [7, 9, 10])


def test_an_outbox_of_which_all_was_acknowledged_goes_on_counting():
    outbox = Outbox(ROOM, start=9)
    outbox.restore(Kept(1, []))
    outbox.publish([b"j"])
    assert outbox.peek() == [(10, b"j")]


def test_an_outbox_is_full_from_its_bound_on_and_takes_what_comes_nevertheless():
    outbox = Outbox(max_bytes=200)
    outbox.publish([b"a", b"b", b"c"])
    assert not outbox.is_full
    outbox.publish([b"d"])
    assert outbox.is_full
    outbox.publish([b"e"])
    assert len(outbox.peek()) == 5
    outbox.acknowledge(2)
    assert not outbox.is_full


def test_outputs_stay_when_the_outbox_is_closed():
    outbox = Outbox(ROOM)
    outbox.publish([b"a"])
    outbox.close()
    assert outbox.peek(0) == [(1, b"a")]
    assert outbox.is_closed


@pytest.mark.parametrize(
    ("action", "found"), [(lambda box: box.publish([b"b"]), True), (lambda box: box.close(), False)]
)
def test_a_wait_ends_with_an_output_or_with_the_outbox(action, found):
    outbox = Outbox(ROOM)
    outbox.publish([b"a"])
    assert outbox.wait(0)
    assert not outbox.wait(1, 0.0)
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(outbox.wait(1)), daemon=True)
    thread.start()
    action(outbox)
    thread.join(JOIN_S)
    assert outcome == [found]
