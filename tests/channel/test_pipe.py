import os

import pytest

from engine.channel import PipeReader


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)


def test_what_is_there_comes_whole_and_stays_when_more_is_read(pipe):
    reader = PipeReader(pipe[0])
    os.write(pipe[1], b"first")
    first = reader.read()
    os.write(pipe[1], b"second")
    assert (first, reader.read()) == (b"first", b"second")
    with pytest.raises(BlockingIOError):
        reader.read()
    os.close(pipe[1])
    assert reader.read() == b""
