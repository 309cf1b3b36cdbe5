import os
import resource
from contextlib import contextmanager

import pytest

from engine.errors import DeliveryFailed, EndOfStream, StreamError
from engine.transports import FileSink, FileSource


@pytest.fixture
def pipe_as():
    """Put one end of a pipe in the place of a standard stream, and return the other end."""
    saved = []

    def replace(standard_fd):
        reader, writer = os.pipe()
        ours, theirs = (writer, reader) if standard_fd == 0 else (reader, writer)
        saved.append((standard_fd, os.dup(standard_fd)))
        os.dup2(theirs, standard_fd)
        os.close(theirs)
        return ours

    yield replace
    for standard_fd, copy in saved:
        os.dup2(copy, standard_fd)
        os.close(copy)


@pytest.mark.parametrize(
    ("name", "reason"), [("missing", "No such file or directory"), (".", "Is a directory"), ("a/b", "No such file")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, reason):
    path = str(tmp_path / name)
    with pytest.raises(StreamError, match=f"Cannot read {path}: {reason}"):
        FileSource(path)


@pytest.mark.parametrize(("name", "reason"), [("a/b", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_written_is_named(tmp_path, name, reason):
    path = str(tmp_path / name)
    with pytest.raises(DeliveryFailed, match=f"Output to {path} failed: {reason}"):
        FileSink(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    (tmp_path / "secret").touch(mode=0o000)
    with pytest.raises(StreamError, match="Permission denied"):
        FileSource(str(tmp_path / "secret"))


def test_what_is_appended_after_the_end_was_read_stays_unread(tmp_path):
    path = tmp_path / "growing"
    path.write_bytes(b"1\n")
    source = FileSource(str(path))
    assert source.read(100, 0.0) == b"1\n"
    with path.open("ab") as file:
        file.write(b"2\n")
    assert source.read(100, 0.0) == b"2\n"
    with pytest.raises(EndOfStream):
        source.read(100, 0.0)
    with path.open("ab") as file:
        file.write(b"3\n")
    with pytest.raises(EndOfStream):
        source.read(100, 0.0)
    source.close()


def test_standard_input_gives_what_is_there_without_waiting_for_more(pipe_as):
    writer = pipe_as(0)
    source = FileSource("-")
    assert source.read(100, 0.0) == b""
    os.write(writer, b"1\n2")
    assert source.read(100, 60.0) == b"1\n2"
    os.close(writer)
    with pytest.raises(EndOfStream):
        source.read(100, 60.0)
    source.close()
    os.fstat(0)  # closing the source left standard input open


def test_a_pipe_cannot_seek(pipe_as):
    writer = pipe_as(0)
    source = FileSource("-")
    with pytest.raises(StreamError, match="Cannot read standard input: Illegal seek"):
        source.seek(0)
    source.close()
    os.close(writer)


def test_a_file_is_emptied_unless_it_is_appended_to(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old\n")
    sink = FileSink(str(path), is_append=True)
    sink.write(b"new\n")
    assert sink.flush() == 8
    sink.close()
    assert path.read_bytes() == b"old\nnew\n"
    FileSink(str(path)).close()
    assert path.read_bytes() == b""


def test_standard_output_is_left_open(pipe_as):
    reader = pipe_as(1)
    sink = FileSink("-")
    sink.write(b"1\n")
    assert sink.flush() == 2
    sink.close()
    os.write(1, b"2\n")
    assert os.read(reader, 100) == b"1\n2\n"
    os.close(reader)


def test_a_reader_that_went_away_is_the_cause_of_the_failure(pipe_as):
    os.close(pipe_as(1))
    sink = FileSink("-")
    with pytest.raises(DeliveryFailed, match="Output to standard output failed: Broken pipe") as caught:
        sink.write(b"1\n")
    assert isinstance(caught.value.__cause__, BrokenPipeError)
    sink.close()


def test_a_full_device_is_said():
    sink = FileSink("/dev/full")
    with pytest.raises(DeliveryFailed, match="Output to /dev/full failed: No space left on device"):
        sink.write(b"1\n")
    sink.close()


@contextmanager
def small_files(size_bytes):
    """Let no file of this process grow further; Python ignores the signal that comes with it.

    It is for one write and no longer: pytest's own output may go to a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("is_append", [False, True])
def test_a_write_that_fails_half_way_is_cut_back_to_what_was_flushed(tmp_path, is_append):
    path = tmp_path / "out"
    sink = FileSink(str(path), is_append=is_append)
    sink.write(b"safe\n")
    sink.flush()
    sink.write(b"not flushed\n")
    with small_files(1000), pytest.raises(DeliveryFailed, match="File too large"):
        sink.write(b"x" * 1000)
    assert path.read_bytes() == b"safe\n"
    sink.write(b"again\n")
    assert sink.flush() == 11
    sink.close()
    assert path.read_bytes() == b"safe\nagain\n"
