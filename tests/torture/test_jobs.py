"""Whoever has had enough gets an end at once, and no engine is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from engine.torture import made_folder, work_through
from engine.torture.victim import Victim

FOR_EVER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_results_come_in_order() -> None:
    assert work_through(lambda nth: nth * nth, 5, 2) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_every_engine_and_starts_no_other(
    by: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Victim, "_is_over", False)  # put back afterwards
    victims: list[Victim] = []
    refused: list[str] = []

    def work(_nth: int) -> None:
        victims.append(Victim(FOR_EVER, tmp_path, tmp_path / "log", os.environ))
        if len(victims) == 2:
            threading.Timer(0.05, os.kill, (os.getpid(), by)).start()
        victims[-1].wait()
        try:
            Victim(FOR_EVER, tmp_path, tmp_path / "log", os.environ)
        except InterruptedError as exc:
            refused.append(str(exc))

    with pytest.raises(KeyboardInterrupt):
        work_through(work, 3, 2)
    assert [victim.poll() for victim in victims] == [-signal.SIGKILL] * 2
    assert refused == ["The torture was interrupted."] * 2


def test_a_folder_is_gone_unless_it_is_kept() -> None:
    with made_folder(is_kept=False) as gone, made_folder(is_kept=True) as kept:
        (gone / "log").touch()
    assert (gone.exists(), kept.exists()) == (False, True)
    kept.rmdir()
