"""What nobody has foreseen: on the event loop it must stop the engine, and not one callback of it without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.errors import EngineError
from engine.log import get_logger

log = get_logger(__name__)


class Faults:
    """Hears, from its begin until its end, what a callback or a task of the event loop raises and nobody catches.

    What a connection raises is its own matter.

    Parameters
    ----------
    on_fault : callable
        Gets an error, whose cause is what was raised.
    """

    def __init__(self, on_fault: Callable[[EngineError], None]) -> None:
        self._on_fault = on_fault
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None

    def begin(self) -> None:
        """Listen to the loop that runs; whoever was told before is told of the rest."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._before = self._loop.get_exception_handler()
            self._loop.set_exception_handler(self._handle)

    def end(self) -> None:
        """Have the loop as it was before, unless somebody else listens meanwhile."""
        if self._loop is not None:
            if self._loop.get_exception_handler() == self._handle:
                self._loop.set_exception_handler(self._before)
            self._loop = None

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        cause = context.get("exception")
        if (
            self._loop is not None
            and isinstance(cause, Exception)
            and not context.keys().isdisjoint(("handle", "future", "task"))
        ):
            log.error("engine.fault", what=context["message"], exc_info=cause)
            said = f"A fault of the engine itself: {type(cause).__name__}: {cause}"
            fault = EngineError(f"{said} (the log says where, with --debug that of engine run too)")
            fault.__cause__ = cause
            loop.call_soon_threadsafe(self._on_fault, fault)  # what became of a task is told wherever it is forgotten
        elif self._before is not None:
            self._before(loop, context)
        else:
            loop.default_exception_handler(context)


def raise_fault(task: asyncio.Task[None]) -> None:
    """Raise what a task has raised: as that of a callback it is heard, also of a task that somebody keeps."""
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
