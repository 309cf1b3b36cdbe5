"""Reading a request's body, and not more of it than is taken."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from engine.server.header import find_header
from engine.server.problem import BodyTooLarge


def check_declared(scope: Scope, limit_bytes: int) -> None:
    """Raise `BodyTooLarge` when the request says itself that it is: before a byte of it is read."""
    declared = find_header(scope, b"content-length") or ""
    # Python converts no number of thousands of digits; 18 are a billion gigabytes.
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit_bytes):
        raise BodyTooLarge(limit_bytes)


async def read_body(scope: Scope, receive: Receive, limit_bytes: int) -> bytes:
    """Return the whole body.

    Raises
    ------
    BodyTooLarge
        It is longer than `limit_bytes`; no more than that was held.
    ClientDisconnect
        The client is gone.
    """
    check_declared(scope, limit_bytes)
    pieces: list[bytes] = []
    n_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        n_bytes += len(piece)
        if n_bytes > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def bounded(receive: Receive, limit_bytes: int) -> Receive:
    """Return a `receive` that raises `BodyTooLarge` when more than `limit_bytes` of a body come through it."""
    n_bytes = 0

    async def receive_counted() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        return message

    return receive_counted
