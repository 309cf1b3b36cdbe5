"""One header of a request, without parsing the others: the hot path asks for one or two."""

from __future__ import annotations

from starlette.types import Scope


def find_header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of that name, which is in lower case (as ASGI has them), or None."""
    for known, value in scope["headers"]:
        if known == name:
            text: str = value.decode("latin-1")
            return text
    return None
