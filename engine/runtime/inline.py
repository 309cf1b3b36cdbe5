"""A jet inside the engine's own process, for a debugger: the same worker, fed the same frames."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from engine.channel import Cell, FrameReader, Kind, pack_frame, pack_message, unpack_message
from engine.runtime.runner import RunnerEvents
from engine.runtime.threads import ENGINE_VARIABLES, ThreadPlan

_KIND_AT = 4
"""Where a frame says its kind: behind its length."""


class InlineRunner:
    """Runs the script on the event loop, which waits for it. What it prints goes to stderr: stdout is for scores.

    Parameters
    ----------
    folder : Path
        Becomes the working directory and the first entry of `sys.path` until the runner ends.
    events : RunnerEvents
        Who is told what happens.
    plan : ThreadPlan, optional
        What the predictors get of the cores. Libraries beside them have read what is theirs by now.
    """

    def __init__(self, folder: Path, events: RunnerEvents, plan: ThreadPlan | None = None) -> None:
        from engine.jet import Worker  # here: an engine whose jets are processes never loads what runs in them

        self._events, self._loop = events, asyncio.get_running_loop()
        self.cell, self.pid = Cell(), os.getpid()
        self._to_worker, self._from_worker = FrameReader(), FrameReader()
        self._worker = Worker(self._answer, self.cell, self._ask)
        self._replies: list[bytes | None] = []
        self._before = Path.cwd()
        self._path = str(folder)
        os.chdir(folder)
        sys.path.insert(0, self._path)
        self._environ_before = {name: os.environ.get(name) for name in ENGINE_VARIABLES}
        environ = plan.environ() if plan is not None else {}
        os.environ.update({name: environ[name] for name in ENGINE_VARIABLES if name in environ})
        self._is_over = self._is_deaf = False
        self._interrupt_before = signal.signal(signal.SIGINT, self._interrupt)

    def send(self, frame: bytes) -> None:
        """Have the worker handle the frame at the loop's next turn; an answer to what it asks, it has at once."""
        if frame[_KIND_AT] == Kind.REPLY:
            [(_, body)] = FrameReader().feed(frame)
            self._replies.extend(unpack_message(body))
            return
        self._loop.call_soon(self._handle, frame)

    def _handle(self, frame: bytes) -> None:
        if self._is_deaf:
            return
        with contextlib.redirect_stdout(sys.stderr):
            for kind, body in self._to_worker.feed(frame):
                if not self._worker.handle(kind, body):
                    self._end()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Score no more of what was sent, and go on as Ctrl-C would without us."""
        self._is_deaf = True
        if callable(self._interrupt_before):
            self._interrupt_before(number, frame)

    def _answer(self, frame: bytes) -> None:
        for kind, body in self._from_worker.feed(frame):
            self._loop.call_soon(self._events.on_frame, kind, body)

    def _ask(self, message: list[Any]) -> bytes | None:
        """Ask the engine what the script wants to know of a cell, in the middle of the script."""
        [(kind, body)] = FrameReader().feed(pack_message(Kind.ASK, message))
        self._events.on_frame(kind, body)
        if not self._replies:  # nobody else can hold the cell and have us wait: there is one jet
            raise RuntimeError("The engine does not answer: it is about to stop.")
        return self._replies.pop()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = self._is_deaf = True
            self._worker.close()
            signal.signal(signal.SIGINT, self._interrupt_before)
            os.chdir(self._before)
            sys.path.remove(self._path)
            for name, text in self._environ_before.items():
                if text is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = text
            self._loop.call_soon(self._events.on_exit, 0)

    async def drain(self) -> None:
        """Let the worker handle what was sent."""
        await asyncio.sleep(0)

    def listen(self, *, is_on: bool) -> None:
        """Do nothing: what is scored here has waited for its turn on the event loop."""

    def stop(self) -> None:
        """End after what was sent before."""
        self.send(pack_frame(Kind.STOP))

    def kill(self) -> None:
        """End at once."""
        self._end()
