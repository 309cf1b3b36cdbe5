import pytest

from engine.kafka import silence
from engine.kafka.places import Inlet
from engine.kafka.silence import Silence

PRICES, TRADES = ("prices", 0), ("trades", 0)


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(silence.time, "monotonic", lambda: now[0])
    return now


def inlets(*waits):
    return [Inlet(2 * i, f"t{i}", "latest", wait) for i, wait in enumerate(waits)]


def test_silence_has_come_when_all_is_read_to_its_end_and_nothing_comes_for_the_longest_wait(clock):
    quiet = Silence(inlets(1.0, 3.0))
    quiet.note_end(PRICES)
    clock[0] += 10
    assert not quiet.has_come([PRICES, TRADES], is_waiting=True), "one is not at its end"
    quiet.note_end(TRADES)
    clock[0] += 2
    assert not quiet.has_come([PRICES, TRADES], is_waiting=True)
    clock[0] += 1
    assert quiet.has_come([PRICES, TRADES], is_waiting=True)
    assert not quiet.has_come([PRICES, TRADES], is_waiting=True), "it is said once"


def test_a_record_and_what_waits_to_be_scored_begin_it_anew(clock):
    quiet = Silence(inlets(3.0))
    quiet.note_end(PRICES)
    clock[0] += 2
    quiet.note_record(PRICES)
    quiet.note_end(PRICES)
    clock[0] += 2
    assert not quiet.has_come([PRICES], is_waiting=True)
    assert not quiet.has_come([PRICES], is_waiting=False)
    clock[0] += 2
    assert not quiet.has_come([PRICES], is_waiting=True)


def test_a_stream_that_waits_for_ever_has_no_end(clock):
    endless = Silence(inlets(1.0, None))
    assert not endless.has_end
    clock[0] += 1e9
    assert not endless.has_come([], is_waiting=True)


def test_who_has_no_partition_is_at_the_end_of_all_of_them(clock):
    quiet = Silence(inlets(1.0))
    clock[0] += 1
    assert quiet.has_come([], is_waiting=True)
