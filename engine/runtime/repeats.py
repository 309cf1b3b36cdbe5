"""Requests that say by their ``Idempotency-Key`` that they are one: it is done once, and answered alike."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.errors import KeyReused
from engine.runtime.manifold import Manifold
from engine.state.commits import Answer

N_REMEMBERED = 10_000
"""Answers that live in memory only: of streams that asked for no more. A client tries again within seconds."""


class RequestKey(NamedTuple):
    """The key of a request, and the digest of what it asked for."""

    key: str
    digest: bytes


def request_key(key: str, verb: str, bodies: Sequence[bytes]) -> RequestKey:
    """Return what tells a request from others; `verb` names what it asks for and of which slots."""
    digest = hashlib.blake2b(verb.encode(), digest_size=16)
    for body in bodies:
        digest.update(b"\0%d:" % len(body))
        digest.update(body)
    return RequestKey(key, digest.digest())


class Repeats:
    """What came of requests that have a key, or what is still to come.

    Parameters
    ----------
    manifold : Manifold
        Whose answers, committed and not, count.
    """

    def __init__(self, manifold: Manifold) -> None:
        self._manifold = manifold
        self._under_way: dict[str, tuple[bytes, asyncio.Future[Any]]] = {}
        self._remembered: dict[str, Answer] = {}

    def answer_of(self, request: RequestKey) -> Answer | None:
        """Return what the request was answered when it came first.

        Raises
        ------
        KeyReused
            It was another request.
        """
        key = request.key
        answer = self._manifold.answers.get(key) or self._remembered.get(key) or self._manifold.store.answer_of(key)
        if answer is not None and answer.body_digest != request.digest:
            raise KeyReused(key)
        return answer

    def find(self, request: RequestKey) -> asyncio.Future[Any] | None:
        """Return what the same request is waiting for; raises as `answer_of`."""
        digest, future = self._under_way.get(request.key, (b"", None))
        if future is None or future.done():
            return None
        if digest != request.digest:
            raise KeyReused(request.key)
        return future

    def watch(self, request: RequestKey, future: asyncio.Future[Any]) -> None:
        """Let others that are the same request wait for this."""
        self._under_way[request.key] = (request.digest, future)
        future.add_done_callback(lambda done: self._forget(request.key, done))

    def remember(self, answer: Answer) -> None:
        """Keep an answer in memory."""
        self._remembered[answer.key] = answer
        while len(self._remembered) > N_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def _forget(self, key: str, future: asyncio.Future[Any]) -> None:
        if self._under_way.get(key, (b"", None))[1] is future:
            del self._under_way[key]
        if not future.cancelled():
            future.exception()  # whoever waited has gone, perhaps: then it is nobody's
