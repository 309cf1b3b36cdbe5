"""What a jet was asked outside of its batches, and has not answered: to set up, to begin, to take state, to end."""

from __future__ import annotations

import asyncio
from typing import Any

from engine.channel import Kind, OutputFrame, load_error
from engine.errors import EngineError


class Dialogue:
    """At most one question that is answered with outputs, and beside it one about state.

    State is put back while batches are under way, too: what they give is none of its business.
    """

    def __init__(self) -> None:
        self._asked: asyncio.Future[list[OutputFrame]] | None = None
        self._collected: list[OutputFrame] = []
        self._batch: int | None = None
        self._restoring: asyncio.Future[int] | None = None

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for an answer to a question that holds up all else."""
        return self._asked is not None and not self._asked.done()

    def ask(self, batch: int | None = None) -> asyncio.Future[list[OutputFrame]]:
        """Return what will hold the answer: the outputs to a batch number, or none of them."""
        self._collected, self._batch = [], batch
        self._asked = asyncio.get_running_loop().create_future()
        return self._asked

    def restore(self) -> asyncio.Future[int]:
        """Return what will hold the answer to state that is put back: how many keys it has."""
        self._restoring = asyncio.get_running_loop().create_future()
        return self._restoring

    def end_restore(self) -> None:
        """Wait no more for an answer about state."""
        self._restoring = None

    def take(self, frame: OutputFrame) -> bool:
        """Take outputs, if they are the answer to what was asked; return whether they are."""
        if self._asked is None or self._asked.done() or frame.batch != self._batch:
            return False
        self._collected.append(frame)
        if frame.is_last:
            self._asked.set_result(self._collected)
        return True

    def answer(self, kind: Kind, message: Any) -> None:
        """Take another answer: LOADED, RESTORED or FAILED."""
        is_restoring = self._restoring is not None and not self._restoring.done()
        if kind is Kind.LOADED and self._asked is not None and self.is_asked:
            self._asked.set_result([])
        elif kind is Kind.RESTORED and self._restoring is not None and is_restoring:
            self._restoring.set_result(message["n_keys"])
        elif kind is Kind.FAILED:
            self.fail(load_error(message))

    def fail(self, error: EngineError) -> None:
        """Give whoever waits for an answer an error."""
        for waiting in (self._asked, self._restoring):
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
