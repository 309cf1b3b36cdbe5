"""What arrives while a script waits for an answer comes later, and in its order."""

import os
import subprocess
import sys
import threading

import pytest

from engine.channel import FrameReader, Kind, PipeReader, pack_message, unpack_message
from engine.jet.mail import Mail


@pytest.fixture
def pipe():
    read, write = os.pipe()
    yield read, write
    os.close(read)
    os.close(write)


def test_frames_that_come_before_and_with_an_answer_are_kept_for_later(pipe):
    sent = []
    mail = Mail(PipeReader(pipe[0]), sent.append)
    frames = iter(mail)
    os.write(pipe[1], pack_message(Kind.BATCH, 1) + pack_message(Kind.BATCH, 2))
    first = next(frames)
    os.write(pipe[1], pack_message(Kind.COMMIT, 3) + pack_message(Kind.REPLY, [b"x"]) + pack_message(Kind.BATCH, 4))
    assert mail.ask(["get", "cells", b"", "n", None]) == b"x"
    [[(kind, body)]] = [FrameReader().feed(frame) for frame in sent]
    assert (kind, unpack_message(body)) == (Kind.ASK, ["get", "cells", b"", "n", None])
    later = [first, *(next(frames) for _ in range(3))]
    assert [(kind, unpack_message(body)) for kind, body in later] == [
        (Kind.BATCH, 1),
        (Kind.BATCH, 2),
        (Kind.COMMIT, 3),
        (Kind.BATCH, 4),
    ]


def test_batches_that_come_next_are_taken_and_none_behind_anything_else(pipe):
    mail = Mail(PipeReader(pipe[0]), lambda _: None)
    frames = iter(mail)
    os.write(pipe[1], pack_message(Kind.BATCH, 1) + pack_message(Kind.BATCH, 2))
    next(frames)
    os.write(pipe[1], pack_message(Kind.BATCH, 3) + pack_message(Kind.COMMIT, 4) + pack_message(Kind.BATCH, 5))
    taken = [[unpack_message(body) for body in mail.more(Kind.BATCH, 0)] for _ in range(4)]
    assert taken == [[2], [3], [], []]
    assert [unpack_message(next(frames)[1]) for _ in range(2)] == [4, 5]
    assert mail.more(Kind.BATCH, 0.001) == []


@pytest.mark.parametrize(
    ("has_core", "is_awaited", "n_frames", "is_watched"),
    [(True, True, 1, True), (False, True, 1, False), (True, False, 1, False), (True, True, 2, False)],
    ids=["records that follow at once", "no core for it", "nobody waits", "several come together"],
)
def test_who_sends_one_record_after_the_other_finds_the_jet_awake(
    pipe, monkeypatch, has_core, is_awaited, n_frames, is_watched
):
    monkeypatch.setattr("engine.jet.mail.BRISK_S", 60)
    watched = []
    reader = PipeReader(pipe[0])
    monkeypatch.setattr(reader, "watch", watched.append)
    mail = Mail(reader, lambda _: None, has_core=has_core)
    frames = iter(mail)
    for _ in range(3):
        os.write(pipe[1], pack_message(Kind.BATCH, 1) * n_frames)
        for _ in range(n_frames):
            next(frames)
            mail.is_awaited = is_awaited
    assert len(watched) == 2 * is_watched


def test_nobody_is_watched_for_who_takes_his_time(pipe, monkeypatch):
    monkeypatch.setattr("engine.jet.mail.BRISK_S", 0)
    reader = PipeReader(pipe[0])
    monkeypatch.setattr(reader, "watch", lambda _: pytest.fail("it is watched"))
    mail = Mail(reader, lambda _: None, has_core=True)
    frames = iter(mail)
    for _ in range(3):
        os.write(pipe[1], pack_message(Kind.BATCH, 1))
        next(frames)
        mail.is_awaited = True


def test_a_pipe_that_is_watched_says_whether_something_came(pipe):
    reader = PipeReader(pipe[0])
    assert reader.watch(0.001) is False
    os.write(pipe[1], b"x")
    assert reader.watch(60) is True
    assert reader.read() == b"x"


def test_nothing_more_comes_when_the_engine_has_gone():
    read, write = os.pipe()
    mail = Mail(PipeReader(read), lambda _: None)
    os.close(write)
    assert mail.more(Kind.BATCH, 10) == []
    assert list(mail) == []
    os.close(read)


def test_an_answer_that_comes_in_two_pieces_is_waited_for(pipe):
    frame = pack_message(Kind.REPLY, [bytes(100_000)])
    mail = Mail(PipeReader(pipe[0]), lambda _: None)
    writer = threading.Thread(target=lambda: [os.write(pipe[1], frame[:50_000]), os.write(pipe[1], frame[50_000:])])
    writer.start()
    assert mail.ask(["get", "cells", b"", "n", None]) == bytes(100_000)
    writer.join()


def test_nothing_is_nothing(pipe):
    os.write(pipe[1], pack_message(Kind.REPLY, [None]))
    assert Mail(PipeReader(pipe[0]), lambda _: None).ask(["set", "cells", b"", "n", b"1"]) is None


def test_another_thread_may_not_ask(pipe):
    mail, raised = Mail(PipeReader(pipe[0]), lambda _: None), []

    def ask():
        with pytest.raises(RuntimeError, match="not for threads beside them") as error:
            mail.ask(["get", "cells", b"", "n", None])
        raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(raised) == 1


ORPHAN = """
import os
from engine.channel import PipeReader
from engine.jet.mail import Mail
read, write = os.pipe()
os.close(write)
try:
    print("asks", flush=True)
    Mail(PipeReader(read), lambda _: None).ask(["get", "cells", b"", "n", None])
except BaseException:
    print("caught")
"""


def test_a_jet_whose_engine_goes_away_ends_and_the_script_cannot_catch_it():
    ran = subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "asks\n")
