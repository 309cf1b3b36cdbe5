import pytest

from engine.errors import EndOfStream
from engine.streams.looping import LoopingSource
from engine.transports import InlineRecords


def test_the_records_come_again_with_their_positions():
    source = LoopingSource(InlineRecords([b"1", b"2"]))
    batches = [source.read(10, 0.0) for _ in range(3)]
    assert [(batch.values, list(batch.positions)) for batch in batches] == [([b"1", b"2"], [1, 2])] * 3


def test_a_pass_without_records_is_the_last():
    source = LoopingSource(InlineRecords([]))
    for _ in range(2):
        with pytest.raises(EndOfStream):
            source.read(10, 0.0)


def test_a_first_pass_that_skipped_everything_is_not_the_last():
    records = InlineRecords([b"1"])
    records.seek(1)
    assert LoopingSource(records).read(10, 0.0).values == [b"1"]
