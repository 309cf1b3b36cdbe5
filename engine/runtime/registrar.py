"""A thread that asks one schema registry, until it answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
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
    """Answers questions one after the other.

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
        self._closing = threading.Event()
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
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="registrar", daemon=True)
            self._thread.start()
        self._questions.put(question)
        return question.answer

    async def close(self) -> None:
        """Ask nothing more; what was asked is not answered."""
        self._closing.set()
        if self._thread is None:
            self._registry.close()
        else:
            self._questions.put(None)  # it closes the registry
            await asyncio.to_thread(self._thread.join, CLOSE_S)

    def _run(self) -> None:
        while (question := self._questions.get()) is not None and not self._closing.is_set():
            try:
                answer = self._find(question)
            except Exception as exc:  # noqa: BLE001 -- whoever asked is told, whatever it is
                question.answer.set_exception(exc)
            else:
                question.answer.set_result(answer)
        self._registry.close()

    def _find(self, question: _Question) -> SchemaAnswer:
        n_tries = 0
        while True:
            try:
                answer = question.find(self._registry)
            except RegistryUnreachable as exc:
                if not self.waits_for:
                    log.warning("registry.waits", url=self.name, reason=exc.reason)
                self.waits_for = str(exc)
                n_tries += 1
                if not question.is_patient or self._closing.wait(self._pause_s(n_tries)):
                    raise
            else:
                if self.waits_for:
                    self.waits_for = ""
                    log.info("registry.resumed", url=self.name, n_tries=n_tries)
                return answer
