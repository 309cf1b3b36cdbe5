"""One header of a request, without parsing the others: the hot path asks for two or three."""

from __future__ import annotations

from starlette.types import Scope

from engine.server.problem import RequestInvalid

_LONGEST_KEY = 255  # what others who take this header allow; it is kept with every answer


def find_header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of that name, which is in lower case (as ASGI has them), or None."""
    for known, value in scope["headers"]:
        if known == name:
            text: str = value.decode("latin-1")
            return text
    return None


def find_idempotency_key(scope: Scope) -> str | None:
    """Return the request's ``Idempotency-Key``, or None where it has none.

    Raises
    ------
    RequestInvalid
        It is empty, too long, or not printable ASCII.
    """
    key = find_header(scope, b"idempotency-key")
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise RequestInvalid("Idempotency-Key", f"must be 1 to {_LONGEST_KEY} characters of printable ASCII")
    return key
