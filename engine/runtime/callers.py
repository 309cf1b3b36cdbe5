"""Who waits for a score, and how long: told by a call, so that a score needs neither a task nor a future."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from engine import metrics
from engine.errors import StreamTimeout
from engine.log import get_logger

if TYPE_CHECKING:
    from engine.runtime.work import Work

log = get_logger(__name__)

Tell = Callable[[list[bytes] | None, BaseException | None], None]
"""Takes the outputs, or else the error."""


class Caller(Protocol):
    """Who is told what came of a record; a `asyncio.Future` is one."""

    def done(self) -> bool:
        """Say whether nobody waits any more."""

    def set_result(self, outputs: list[bytes], /) -> None:
        """Take the outputs."""

    def set_exception(self, error: BaseException, /) -> None:
        """Take the error."""


class Call:
    """A caller that is told at once, from within whatever the engine does then: `tell` must be quick, and only once.

    Parameters
    ----------
    tell : callable
        Takes outputs or error.
    calls : Calls
        Who looks at the time.
    timeout_s : float
        How long it waits.
    """

    __slots__ = ("_calls", "_tell", "due_s", "started_s", "timeout_s", "work")

    def __init__(self, tell: Tell, calls: Calls, timeout_s: float) -> None:
        self._tell: Tell | None = tell
        self._calls, self.timeout_s, self.started_s = calls, timeout_s, time.perf_counter()
        self.due_s = self.started_s + timeout_s
        self.work: Work | None = None
        """What it waits for, once that is known."""

    def done(self) -> bool:
        """Say whether it was told."""
        return self._tell is None

    def set_result(self, outputs: list[bytes], /) -> None:
        """Tell the outputs."""
        self._end(outputs, None)

    def set_exception(self, error: BaseException, /) -> None:
        """Tell the error."""
        self._end(None, error)

    def cancel(self) -> None:
        """Tell nothing more; once it was told, this does nothing."""
        if self._tell is not None:
            self._tell = None
            self._end(None, None)

    def _end(self, outputs: list[bytes] | None, error: BaseException | None) -> None:
        tell, self._tell = self._tell, None
        self.work = None
        self._calls.forget(self)
        metrics.observe_score(time.perf_counter() - self.started_s)
        if tell is not None:
            try:
                tell(outputs, error)
            except Exception as exc:
                log.error("caller.failed", exc_info=exc)


class Calls:
    """The calls under way, by how long they wait: in each group the first is due first, and one timer looks at it.

    A timer for each call costs more than all else that is done to wait for it.

    Parameters
    ----------
    on_expired : callable
        Takes the work of a call that has waited in vain, before that is told.
    """

    def __init__(self, on_expired: Callable[[Work], None]) -> None:
        self._on_expired = on_expired
        self._groups: dict[float, dict[Call, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def begin(self, tell: Tell, timeout_s: float) -> Call:
        """Return a call that waits from now on."""
        call = Call(tell, self, timeout_s)
        group = self._groups.get(timeout_s)
        if group is None:
            group = self._groups[timeout_s] = {}
            asyncio.get_running_loop().call_later(timeout_s, self._look, timeout_s)
        group[call] = None
        return call

    def forget(self, call: Call) -> None:
        """Look at a call no more."""
        group = self._groups.get(call.timeout_s)
        if group is not None:
            group.pop(call, None)

    def _look(self, timeout_s: float) -> None:
        group, now_s = self._groups[timeout_s], time.perf_counter()
        for call in list(group):
            if call.due_s > now_s:
                break
            work = call.work
            if work is not None:
                self._on_expired(work)
            call.set_exception(StreamTimeout("The record was not scored", timeout_s))
        if not group:
            del self._groups[timeout_s]  # who asks decides how many there are
            return
        asyncio.get_running_loop().call_later(next(iter(group)).due_s - now_s, self._look, timeout_s)
