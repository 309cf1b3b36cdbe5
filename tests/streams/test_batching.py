import pytest

from engine.errors import EndOfStream
from engine.record import Batch
from engine.streams import BatchedSource


class Script:
    """A source that plays (seconds that pass, records) pairs, and keeps the time that passes."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.now_s = 0.0
        self.n_read = 0

    def clock(self):
        return self.now_s

    def read(self, max_records, timeout_s):
        if not self.steps:
            raise EndOfStream
        arrives_in_s, values = self.steps[0]
        if arrives_in_s > timeout_s:
            self.steps[0] = (arrives_in_s - timeout_s, values)
            self.now_s += timeout_s
            return Batch([], [])
        self.now_s += arrives_in_s
        taken, rest = values[:max_records], values[max_records:]
        self.steps[0:1] = [(0.0, rest)] if rest else []
        first = self.n_read + 1
        self.n_read += len(taken)
        return Batch(taken, range(first, self.n_read + 1))

    def close(self):
        self.steps = []


def batched(script, **options):
    return BatchedSource(script, clock=script.clock, **options)


def test_without_nagle_time_a_batch_is_what_has_arrived():
    source = batched(Script((0.0, [b"1", b"2"]), (0.1, [b"3"])))
    assert source.read(10, 1.0).values == [b"1", b"2"]
    assert source.read(10, 1.0).values == [b"3"]


def test_a_batch_ends_at_the_watermark():
    source = batched(Script((0.0, [b"1", b"2", b"3"])), watermark=2)
    assert [source.read(10, 1.0).values, source.read(10, 1.0).values] == [[b"1", b"2"], [b"3"]]


def test_without_a_watermark_the_reader_alone_bounds_a_batch():
    source = batched(Script((0.0, [b"x"] * 5000)), watermark=None)
    assert len(source.read(4000, 1.0)) == 4000


def test_a_batch_waits_its_nagle_time_for_more():
    script = Script((0.0, [b"1"]), (0.3, [b"2"]), (0.3, [b"3"]))
    source = batched(script, nagle_time_s=0.5)
    batch = source.read(10, 60.0)
    assert (batch.values, list(batch.positions), script.now_s) == ([b"1", b"2"], [1, 2], 0.5)


def test_the_nagle_time_begins_with_the_first_record():
    script = Script((5.0, [b"1"]), (0.4, [b"2"]), (9.0, [b"3"]))
    assert batched(script, nagle_time_s=0.5).read(10, 60.0).values == [b"1", b"2"]
    assert script.now_s == 5.5


def test_a_read_that_ends_before_the_batch_returns_nothing_and_loses_nothing():
    script = Script((0.0, [b"1"]), (0.3, [b"2"]), (9.0, [b"3"]))
    source = batched(script, nagle_time_s=0.5)
    assert source.read(10, 0.1).values == []
    assert script.now_s == pytest.approx(0.1)
    assert source.read(10, 60.0).values == [b"1", b"2"]


def test_without_an_end_of_nagle_time_only_watermark_and_end_end_a_batch():
    source = batched(Script((0.0, [b"1"]), (100.0, [b"2"]), (100.0, [b"3"])), watermark=2, nagle_time_s=None)
    assert source.read(10, 1000.0).values == [b"1", b"2"]
    assert source.read(10, 1000.0).values == [b"3"]
    with pytest.raises(EndOfStream):
        source.read(10, 0.0)


def test_a_batch_ends_before_it_is_too_long_in_bytes():
    source = batched(Script((0.0, [b"aaa", b"bbb", b"c", b"dddddddd", b"e"])), max_bytes=7)
    batches = [source.read(10, 0.0) for _ in range(3)]
    assert [batch.values for batch in batches] == [[b"aaa", b"bbb", b"c"], [b"dddddddd"], [b"e"]]
    assert [list(batch.positions) for batch in batches] == [[1, 2, 3], [4], [5]]


def test_what_was_left_over_is_not_returned_after_a_close():
    source = batched(Script((0.0, [b"aaa", b"bbb"])), max_bytes=3)
    source.read(10, 0.0)
    source.close()
    with pytest.raises(EndOfStream):
        source.read(10, 0.0)
