import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import DeliveryFailed, DiskFull, EndOfStream, OutputInUse, StreamChanged, StreamError
from engine.state.commits import OutputFence
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


def fence_of(sink, position):
    return OutputFence(1, position, 1, sink.identity)


@pytest.mark.parametrize("is_append", [False, True])
def test_a_file_is_gone_on_with_behind_the_fence(tmp_path, is_append):
    path = tmp_path / "out"
    path.write_bytes(b"old\n")
    first = FileSink(str(path), is_append=is_append)
    first.write(b"committed\n")
    fence = fence_of(first, first.flush())
    first.write(b"never committed\n")
    first.close()
    again = FileSink(str(path), is_append=is_append, fence=fence)
    assert again.flush() == fence.position
    again.write(b"more\n")
    again.close()
    assert path.read_bytes() == (b"old\n" if is_append else b"") + b"committed\nmore\n"


def test_a_fence_of_nothing_that_was_written_begins_a_file_anew(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"never committed\n")
    FileSink(str(path), fence=OutputFence(1)).close()
    assert path.read_bytes() == b""


def shortened(path):
    os.truncate(path, 3)


def replaced(path):
    path.rename(path.with_name("before"))
    path.write_bytes(b"something longer that somebody else has written\n")


def removed(path):
    path.unlink()


def made_a_pipe(path):
    path.unlink()
    os.mkfifo(path)
    os.open(path, os.O_RDONLY | os.O_NONBLOCK)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (shortened, "has 3 bytes, and 10 were written: something has cut it"),
        (replaced, "is another file than the one that was written before"),
        (removed, "is not there any more, and was written before"),
        (made_a_pipe, "is another file than the one that was written before"),
    ],
)
def test_a_file_that_is_not_the_one_of_the_fence_is_refused_and_left_alone(tmp_path, change, reason):
    path = tmp_path / "out"
    sink = FileSink(str(path))
    sink.write(b"committed\n")
    fence = fence_of(sink, sink.flush())
    sink.close()
    change(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StreamChanged, match=f"{path} {reason}. Run without --resume, or reset the engine."):
        FileSink(str(path), fence=fence)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_standard_output_is_written_on_and_nothing_of_it_taken_back(pipe_as):
    reader = pipe_as(1)
    sink = FileSink("-", fence=OutputFence(1, 100, 5, ""))
    assert sink.identity == ""
    sink.write(b"1\n")
    sink.close()
    assert os.read(reader, 100) == b"1\n"
    os.close(reader)


@pytest.mark.parametrize("is_append", [False, True])
def test_a_full_disk_can_be_tried_again(tmp_path, monkeypatch, is_append):
    path = tmp_path / "out"
    sink = FileSink(str(path), is_append=is_append)
    sink.write(b"safe\n")
    sink.flush()
    sink.write(b"not flushed\n")
    write = os.write

    def full(fd, data):
        monkeypatch.setattr(os, "write", fail)
        return write(fd, data[:3])

    def fail(_fd, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFull, match="No space left on device"):
        sink.write(b"again\n")
    assert path.read_bytes() == b"safe\n"
    monkeypatch.setattr(os, "write", write)
    sink.write(b"not flushed\nagain\n")
    assert sink.flush() == 23
    sink.close()
    assert path.read_bytes() == b"safe\nnot flushed\nagain\n"


def test_a_disk_that_turns_out_to_be_full_at_the_flush_can_be_tried_again(tmp_path, monkeypatch):
    sink = FileSink(str(tmp_path / "out"))
    sink.write(b"1\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(errno.EDQUOT, "Disk quota exceeded")))
        with pytest.raises(DiskFull, match="Disk quota exceeded"):
            sink.flush()
    sink.write(b"1\n")
    assert sink.flush() == 2
    sink.close()


def test_what_cannot_be_cut_back_is_not_to_be_tried_again():
    sink = FileSink("/dev/full")
    with pytest.raises(DeliveryFailed) as caught:
        sink.write(b"1\n")
    assert not isinstance(caught.value, DiskFull)
    sink.close()


def synced_folders(monkeypatch):
    found = []
    monkeypatch.setattr(os, "fsync", lambda fd: found.append(str(Path(f"/proc/self/fd/{fd}").readlink())))
    return found


def test_the_name_of_a_new_file_survives_a_power_loss(tmp_path, monkeypatch):
    found = synced_folders(monkeypatch)
    for _ in range(2):
        FileSink(str(tmp_path / "out")).close()
    assert found == [str(tmp_path)]


def test_the_name_of_a_file_behind_a_link_survives_a_power_loss(tmp_path, monkeypatch):
    found = synced_folders(monkeypatch)
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "there" / "out")
    FileSink(str(tmp_path / "out")).close()
    assert found == [str(tmp_path / "there")]


def test_reading_goes_on_where_another_process_had_come_to(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(b"1\n2\n")
    source = FileSource(str(path))
    source.resume(2)
    assert source.read(100, 0.0) == b"2\n"
    source.close()


def test_a_file_that_is_shorter_than_what_was_read_is_refused(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(b"1\n")
    source = FileSource(str(path))
    with pytest.raises(StreamChanged, match=f"{path} has 2 bytes, and 4 were read: it is not the file that was read"):
        source.resume(4)
    source.close()


@pytest.mark.parametrize("position", [0, 2])
def test_a_pipe_cannot_be_gone_on_with(tmp_path, pipe_as, position):
    writer = pipe_as(0)
    os.mkfifo(tmp_path / "pipe")
    for path, name in (("-", "standard input"), (str(tmp_path / "pipe"), str(tmp_path / "pipe"))):
        source = FileSource(path)
        with pytest.raises(StreamChanged, match=f"{name} cannot be gone on with: what was read of it is gone"):
            source.resume(position)
        source.close()
    os.close(writer)


WRITER = """
import sys
from engine.transports import FileSink

sink = FileSink(sys.argv[1])
sink.write(b"theirs\\n")
sink.flush()
print("written", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_writer(path):
    """Let a real second process write the file, and hold it."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"written\n"
        try:
            yield writer
        finally:
            writer.kill()


@pytest.mark.parametrize("how", [{}, {"is_append": True}, {"fence": OutputFence(1)}])
def test_a_file_that_another_process_writes_is_refused_and_left_alone(tmp_path, how):
    path = tmp_path / "out"
    with another_writer(path):
        with pytest.raises(OutputInUse, match=f"{path} failed: another process writes it.* Wait for that one, or name"):
            FileSink(str(path), **how)
        assert path.read_bytes() == b"theirs\n"
        source = FileSource(str(path))
        assert source.read(100, 0.0) == b"theirs\n"
        source.close()


def test_a_file_that_another_process_writes_is_not_cut_to_a_fence(tmp_path):
    path = tmp_path / "out"
    sink = FileSink(str(path))
    sink.write(b"1\n")
    fence = fence_of(sink, sink.flush())
    sink.close()
    with another_writer(path), pytest.raises(OutputInUse):
        FileSink(str(path), fence=fence)
    assert path.read_bytes() == b"theirs\n"


def test_a_process_that_is_killed_lets_go_of_its_file(tmp_path):
    path = tmp_path / "out"
    with another_writer(path) as writer:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        FileSink(str(path)).close()
    assert path.read_bytes() == b""


def is_free(path):
    """Return whether another process could write the file now."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_file_that_was_closed_is_free_even_while_a_process_that_was_started_has_it_open(tmp_path):
    path = tmp_path / "out"
    sink = FileSink(str(path))
    inherited = os.dup(sink._file.fd)
    assert not is_free(path)
    sink.close()
    assert is_free(path)
    os.close(inherited)


@pytest.mark.parametrize("fence", [OutputFence(1, 1000, 1, "1:1"), OutputFence(1, 2, 1, "1:1")])
def test_a_file_that_is_refused_is_free_again(tmp_path, fence):
    path = tmp_path / "out"
    path.write_bytes(b"mine\n")
    with pytest.raises(StreamChanged):
        FileSink(str(path), fence=fence)
    assert path.read_bytes() == b"mine\n"
    assert is_free(path)


def test_a_file_that_is_opened_again_before_it_is_closed_is_held_until_both_are(tmp_path):
    path = tmp_path / "out"
    first, second = FileSink(str(path)), FileSink(str(path))
    first.close()
    first.close()
    assert not is_free(path)
    second.close()
    assert is_free(path)


def test_a_pipe_may_have_many_writers(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sinks = [FileSink(str(path)), FileSink(str(path)), FileSink("/dev/null"), FileSink("/dev/null")]
    for sink in sinks:
        sink.write(b"1")
        sink.close()
    assert os.read(reader, 100) == b"11"
    os.close(reader)


def test_a_file_system_that_locks_none_is_written_nevertheless(tmp_path, monkeypatch):
    def refuse(_fd, _how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    sink = FileSink(str(tmp_path / "out"))
    sink.write(b"1\n")
    sink.close()
    assert (tmp_path / "out").read_bytes() == b"1\n"


def test_a_file_that_something_has_cut_is_never_filled_up(tmp_path):
    path = tmp_path / "out"
    sink = FileSink(str(path))
    sink.write(b"safe\n")
    sink.flush()
    os.truncate(path, 2)
    with (
        small_files(3),
        pytest.raises(DeliveryFailed, match="it has 2 bytes, and 5 were written: something has cut it"),
    ):
        sink.write(b"x" * 10)
    sink.close()
    assert path.stat().st_size == 2
