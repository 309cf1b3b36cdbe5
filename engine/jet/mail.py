"""What comes from the engine: the next thing to do, or the answer to a question in the middle of one."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from engine.channel import FrameReader, Kind, PipeReader, pack_message, unpack_message

WATCH_S = 0.0005
"""For how long the next record is watched for where somebody waits for each. Who sends one after the other does so
within some 200 us, and to wake a process on another core takes 35 us."""

BRISK_S = 0.001
"""Records that come one by one within this follow each other at once."""


class Mail:
    """The frames that arrive on a pipe.

    Parameters
    ----------
    pipe : PipeReader
        Where they come from.
    send : callable
        Takes a frame for the engine.
    has_core : bool
        Whether there is a core for this process, which it may use while it waits.
    """

    def __init__(self, pipe: PipeReader, send: Callable[[bytes], None], *, has_core: bool = False) -> None:
        self._pipe, self._send, self._frames = pipe, send, FrameReader()
        self._has_core, self._is_brisk = has_core, False
        self.is_awaited = False
        """Whether somebody waited for the last batch."""
        self._arrived: deque[tuple[Kind, memoryview]] = deque()
        self._reader = threading.get_ident()

    def __iter__(self) -> Iterator[tuple[Kind, memoryview]]:
        """Yield one frame after the other, until the engine goes away."""
        while True:
            while self._arrived:
                yield self._arrived.popleft()
            began_s = time.perf_counter()
            if self._has_core and self.is_awaited and self._is_brisk:
                self._pipe.watch(WATCH_S)
            data = self._pipe.read()
            if not data:
                return
            self._arrived.extend(self._frames.feed(data))
            self._is_brisk = len(self._arrived) == 1 and time.perf_counter() - began_s < BRISK_S

    def more(self, kind: Kind, wait_s: float) -> list[memoryview]:
        """Take the frames of a kind that come next, and return their bodies.

        Parameters
        ----------
        kind : Kind
            What is taken. Before a frame of another kind, and at the end, nothing more is.
        wait_s : float
            For how long to wait for the first of them.
        """
        if not self._arrived and self._pipe.wait(wait_s):
            self._arrived.extend(self._frames.feed(self._pipe.read()))
        bodies = []
        while self._arrived and self._arrived[0][0] is kind:
            bodies.append(self._arrived.popleft()[1])
        return bodies

    def ask(self, message: list[Any]) -> bytes | None:
        """Ask the engine, and wait for its answer; what else arrives is put aside.

        Raises
        ------
        RuntimeError
            Another thread than the one that reads the frames asks: the two would take each other's.
        """
        if threading.get_ident() != self._reader:
            raise RuntimeError(
                "Cells and pools are there for begin(), action() and end(), not for threads beside them."
            )
        self._send(pack_message(Kind.ASK, message))
        while data := self._pipe.read():
            answers = []
            for kind, body in self._frames.feed(data):
                if kind is Kind.REPLY:
                    answers.append(body)
                else:
                    self._arrived.append((kind, body))
            if answers:
                (value,) = unpack_message(answers[0])
                return bytes(value) if value is not None else None
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)  # the engine is gone; an exception would be the script's to catch
