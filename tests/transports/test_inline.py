import pytest

from engine.errors import EndOfStream
from engine.transports import InlineRecords


def test_a_place_behind_the_last_record_is_the_end():
    source = InlineRecords([b"1"])
    source.seek(7)
    with pytest.raises(EndOfStream):
        source.read(1, 0.0)


def test_no_records_are_at_their_end():
    with pytest.raises(EndOfStream):
        InlineRecords([]).read(1, 0.0)
