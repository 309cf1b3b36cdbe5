"""A jet inside the engine's own process, for a debugger: the same worker, fed the same frames."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from engine.channel import Cell, FrameReader, Kind, pack_frame
from engine.runtime.runner import RunnerEvents


class InlineRunner:
    """Runs the script on the event loop, which waits for it. What it prints goes to stderr: stdout is for scores.

    Parameters
    ----------
    folder : Path
        Becomes the working directory and the first entry of `sys.path` until the runner ends.
    events : RunnerEvents
        Who is told what happens.
    """

    def __init__(self, folder: Path, events: RunnerEvents) -> None:
        from engine.jet import Worker  # here: an engine whose jets are processes never loads what runs in them

        self._events, self._loop = events, asyncio.get_running_loop()
        self.cell, self.pid = Cell(), os.getpid()
        self._to_worker, self._from_worker = FrameReader(), FrameReader()
        self._worker = Worker(self._answer, self.cell)
        self._before = Path.cwd()
        self._path = str(folder)
        os.chdir(folder)
        sys.path.insert(0, self._path)
        self._is_over = False

    def send(self, frame: bytes) -> None:
        """Have the worker handle the frame at the loop's next turn."""
        self._loop.call_soon(self._handle, frame)

    def _handle(self, frame: bytes) -> None:
        if self._is_over:
            return
        with contextlib.redirect_stdout(sys.stderr):
            for kind, body in self._to_worker.feed(frame):
                if not self._worker.handle(kind, body):
                    self._end()

    def _answer(self, frame: bytes) -> None:
        for kind, body in self._from_worker.feed(frame):
            self._loop.call_soon(self._events.on_frame, kind, body)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            os.chdir(self._before)
            sys.path.remove(self._path)
            self._loop.call_soon(self._events.on_exit, 0)

    def stop(self) -> None:
        """End after what was sent before."""
        self.send(pack_frame(Kind.STOP))

    def kill(self) -> None:
        """End at once."""
        self._end()
