import os

import pytest

from engine.envelopes import DelimitedEnvelope
from engine.errors import EndOfStream
from engine.record import Oversized
from engine.streams.framing import FramedSource
from engine.transports import FileSource, InlineBytes


def test_a_record_of_many_pieces_comes_once_it_is_whole():
    data = b"x" * 3_000_000 + b"\n1"
    source = FramedSource(InlineBytes(data), DelimitedEnvelope)
    assert source.read(10, 60.0).values == [data[:-2]]
    assert source.read(10, 60.0).values == [b"1"]


def test_a_record_that_is_too_long_comes_as_its_head_in_its_place():
    source = FramedSource(InlineBytes(b"1\n" + b"x" * 20_000_000 + b"\n2\n"), DelimitedEnvelope)
    batches = [source.read(10, 60.0) for _ in range(2)]
    assert batches[0].values == [b"1"]
    long, after = batches[1].values
    assert (type(long), long.size_bytes, after) == (Oversized, 20_000_000, b"2")
    assert list(batches[1].positions) == [20_000_003, 20_000_005]


def test_a_record_begun_in_a_pipe_is_waited_for_and_not_returned_when_it_is_closed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    source = FramedSource(FileSource(str(tmp_path / "pipe")), DelimitedEnvelope)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)
    os.write(writer, b"1\nhalf")
    assert source.read(10, 60.0).values == [b"1"]
    assert source.read(10, 0.0).values == []
    source.close()
    with pytest.raises(EndOfStream):
        source.read(10, 0.0)
    os.close(writer)
