"""The outermost application: guards every request, and serves the hot paths ahead of the framework."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import RetryAfter
from engine.log import get_logger
from engine.server import data
from engine.server.body import bounded, check_declared
from engine.server.origin import check_origin
from engine.server.problem import is_internal, problem_response
from engine.server.service import Service

ATTACHMENT_BYTES = 1024**3
"""The longest attachment: it is held in memory while its hash is taken and its members are checked."""

RETRY_S = 5.0
"""When to come back to an engine that waits for what it goes on with: as often as it looks itself."""

_SLOT_PATH = re.compile(r"/(input|output)/(\d{1,9})")
_SLOT_VERBS = {("POST", "input"): data.take_input, ("GET", "output"): data.give_output}
_SCORE_PATHS = ("/score", "/predict")
_log = get_logger(__name__)

Handler: TypeAlias = Callable[[Scope, Receive], Awaitable[Response]]


class Front:
    """An ASGI application around the framework's.

    Parameters
    ----------
    service : Service
        What the hot path works with.
    framework : ASGIApp
        Every other route.
    is_local_only : bool
        Answer only what was meant for this machine; see `check_origin`.
    """

    def __init__(self, service: Service, framework: ASGIApp, *, is_local_only: bool) -> None:
        self.service = service
        self._framework = framework
        self.is_local_only = is_local_only
        self._score = partial(data.score, service)
        self.waits_for = ""
        """What the engine waits for before it can answer anything, as a sentence."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (the ASGI protocol)."""
        if scope["type"] != "http":
            await self._framework(scope, receive, send)
            return
        try:
            if self.is_local_only:
                check_origin(scope)
            self._check_awake()
            handler = self._find(scope["method"], scope["path"])
            if handler is None:
                limit_bytes = self._limit(scope["path"])
                check_declared(scope, limit_bytes)
                await self._delegate(scope, bounded(receive, limit_bytes), send)
                return
            response = await handler(scope, receive)
        except ClientDisconnect:
            return
        except Exception as exc:  # noqa: BLE001 - one request's failure is told to its client, and the server goes on
            _log_internal(scope, exc)
            response = problem_response(exc)
        await response(scope, receive, send)

    def _check_awake(self) -> None:
        if self.waits_for:
            raise RetryAfter(RETRY_S, self.waits_for)

    async def _delegate(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._framework(scope, receive, send)
        except ClientDisconnect:
            return
        except Exception as exc:  # noqa: BLE001 - the framework has answered, and raises it again for a log such as this
            _log_internal(scope, exc)

    def _find(self, method: str, path: str) -> Handler | None:
        if path in _SCORE_PATHS:
            return self._score if method == "POST" else None
        match = _SLOT_PATH.fullmatch(path)
        verb = _SLOT_VERBS.get((method, match[1])) if match else None
        return partial(verb, self.service, int(match[2])) if match and verb else None

    def _limit(self, path: str) -> int:
        return ATTACHMENT_BYTES if path.startswith("/attachments/") else self.service.settings.inbox_bytes


def _log_internal(scope: Scope, exc: Exception) -> None:
    if is_internal(exc):
        _log.error("request.failed", method=scope["method"], path=scope["path"], exc_info=exc)
