"""The server that outputs are posted to, as the torturer runs it."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.torture.peers import Line
from engine.torture.posts import read_posts
from engine.torture.stages import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    port, log = free_port(), tmp_path / "requests.log"
    command = [sys.executable, "-m", "engine.torture.receiver", str(port), str(log)]
    with subprocess.Popen(command) as process:
        yield port, log
        process.kill()


def test_what_was_answered_badly_is_noted_all_the_same_and_counts_once(receiver: tuple[int, Path]) -> None:
    port, log = receiver
    line, answers = Line(port, threading.Event()), []
    for key in range(100):
        while True:
            answer = line.ask("POST", "/", f"{key}\n".encode(), {"Idempotency-Key": f"job/1/{key}"})
            answers.append(answer and answer[0])
            if answers[-1] == http.client.OK:
                break
    line.close()
    requests, n_changed = read_posts(log)
    assert requests == [(f"job/1/{key}", f"{key}\n".encode()) for key in range(100)]
    assert n_changed == 0
    assert {None, http.client.OK, http.client.SERVICE_UNAVAILABLE} == set(answers)


def test_the_same_key_with_another_body_is_noticed(receiver: tuple[int, Path]) -> None:
    port, log = receiver
    line = Line(port, threading.Event())
    for body in (b"1\n", b"2\n"):
        while line.ask("POST", "/", body, {"Idempotency-Key": "job/1/1"}) is None:
            pass
    line.close()
    requests, n_changed = read_posts(log)
    assert (requests, n_changed >= 1) == ([("job/1/1", b"1\n")], True)
