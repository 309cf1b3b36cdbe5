"""The line of works, without jets."""

import asyncio

import pytest

from engine import metrics
from engine.runtime.intake import Intake
from engine.runtime.line import Line
from engine.runtime.work import Work
from engine.state.commits import InputFence
from tests.runtime.conftest import REST, stream


@pytest.fixture
def work():
    """Make works that follow each other."""
    intake = Intake(1, InputFence(0), stream(REST), None)
    return lambda n=1, caller=None: Work(intake, 1, [b"1"] * n, range(1, n + 1), ends_batch=True, caller=caller)


def test_what_is_too_much_for_one_batch_waits_at_its_place(work):
    line, first, second = Line(), work(5), work(1)
    line.put(first)
    line.put(second)
    line.send(first, 2)
    rest, behind = line.waiting
    assert ([len(one.values) for one in line.works], behind is second) == ([2, 3, 1], True)
    assert (first.ends_batch, rest.ends_batch) == (False, True)


def test_each_record_has_waited_since_it_came_in(work, monkeypatch):
    now_s = iter([100.0, 103.0, 107.0])
    monkeypatch.setattr("engine.runtime.line.monotonic", lambda: next(now_s))
    before, line, one = metrics.times()["queue"], Line(), work(5)
    line.put(one)
    line.send(one, 2)
    line.send(line.waiting[0], 10)
    waited = metrics.times()["queue"] - before
    assert (waited.count, waited.total_s) == (5, pytest.approx(2 * 3.0 + 3 * 7.0))


def test_what_is_put_back_comes_in_front_in_its_order(work):
    line, works = Line(), [work() for _ in range(4)]
    for one in works:
        line.put(one)
    for one in works[:3]:
        line.send(one, 10)
    some = line.take_sent_of(lambda one: one is not works[1])
    line.put_back(some)
    assert (line.sent_works, list(line.waiting)) == ([works[1]], [works[0], works[2], works[3]])


def test_what_waits_of_records_that_somebody_waits_for_is_counted_whatever_becomes_of_them(work):
    async def test():
        line, caller = Line(), asyncio.get_running_loop().create_future()
        called = [work(caller=caller) for _ in range(3)]
        for one in called:
            line.put(one)
        size_bytes = called[0].size_bytes
        line.send(called[0], 10)
        assert line.calling_bytes == 2 * size_bytes
        line.put_back(line.take_sent())
        assert line.calling_bytes == 3 * size_bytes
        assert line.remove(lambda one: one is called[1]) == [called[1]]
        assert line.calling_bytes == 2 * size_bytes
        assert line.clear() == [called[0], called[2]]
        assert (line.calling_bytes, line.is_still) == (0, True)

    asyncio.run(test())
