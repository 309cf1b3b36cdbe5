"""A thread that asks one schema registry, until it answers."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import NamedTuple

from engine.channel import SchemaAnswer
from engine.errors import RegistryUnreachable
from engine.log import get_logger
from engine.runtime.courier import CLOSE_S, pause_s
from engine.schema_registry import SchemaRegistry

log = get_logger(__name__)

Find = Callable[[SchemaRegistry], SchemaAnswer]
"""Asks a registry; raises `EngineError`."""


class _Question(NamedTuple):
    find: Find
    is_patient: bool
    answer: Future[SchemaAnswer]


class Registrar:
    """Answers questions one after the other. While the registry is away, a new one is tried at once.

    Parameters
    ----------
    registry : SchemaRegistry
        Who is asked; closed with this.
    pause_s : callable
        From a number of tries to the pause behind them.
    """

    def __init__(self, registry: SchemaRegistry, pause_s: Callable[[int], float] = pause_s) -> None:
        self.waits_for = ""
        """A sentence that says why there is no answer, while there is none."""
        self._registry, self._pause_s = registry, pause_s
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """The registry's address."""
        return self._registry.name

    def ask(self, find: Find, *, is_patient: bool = True) -> Future[SchemaAnswer]:
        """Return what will hold the answer, or what was raised.

        Parameters
        ----------
        find : callable
            Called on the thread.
        is_patient : bool
            Ask again while the registry is away. Otherwise that is the answer.
        """
        question = _Question(find, is_patient, Future())
        question.answer.set_running_or_notify_cancel()  # it can be forgotten, but not taken back
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="registrar", daemon=True)
            self._thread.start()
        self._questions.put(question)
        return question.answer

    async def close(self) -> None:
        """Ask nothing more; what was asked is not answered."""
        self._is_closing = True
        if self._thread is None:
            self._registry.close()
        else:
            self._questions.put(None)  # it closes the registry
            await asyncio.to_thread(self._thread.join, CLOSE_S)

    def _run(self) -> None:
        waiting, n_failed = deque[_Question](), 0
        while (question := self._next(waiting, n_failed)) is not None and not self._is_closing:
            try:
                answer = question.find(self._registry)
            except RegistryUnreachable as exc:
                n_failed += 1
                self._note(exc)
                if question.is_patient:
                    waiting.append(question)
                else:
                    question.answer.set_exception(exc)
                continue
            except Exception as exc:  # noqa: BLE001 -- whoever asked is told, whatever it is
                question.answer.set_exception(exc)
            else:
                question.answer.set_result(answer)
            if n_failed:
                log.info("registry.resumed", url=self.name, n_tries=n_failed)
            self.waits_for, n_failed = "", 0
        self._registry.close()

    def _next(self, waiting: deque[_Question], n_failed: int) -> _Question | None:
        """Return what is to be asked: what is new, and after a pause what was asked before."""
        if waiting and not n_failed:
            return waiting.popleft()
        try:
            return self._questions.get(timeout=self._pause_s(n_failed) if waiting else None)
        except Empty:
            return waiting.popleft()

    def _note(self, error: RegistryUnreachable) -> None:
        if not self.waits_for:
            log.warning("registry.waits", url=self.name, reason=error.reason)
        self.waits_for = str(error)
