"""What a running engine has committed: its state, and the records that it could not score."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.client.connection import Connection

REJECTS_PER_REQUEST = 100  # each may hold a record of megabytes


class KeptVerbs:
    """The committed state and the reject log of one server's engine."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def state(
        self, *, scope: str | None = None, key: str | None = None, name: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the entries, each with ``scope``, ``key``, ``name`` and ``value``, as they come.

        Raises
        ------
        ServerUnreachable
            Nobody answers, or the answer was cut off.
        """
        params = {"scope": scope, "key": key, "name": name}
        return map(json.loads, _lines(self._connection.download("/engine/state", params)))

    def rejects(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the reject log, the oldest first, ``value`` as bytes; asked for as it is read."""
        while True:
            params = {"after": after, "limit": REJECTS_PER_REQUEST}
            page = self._connection.request("GET", "/engine/rejects", params=params).json()
            for reject in page:
                yield {**reject, "value": base64.b64decode(reject["value"])}
            if len(page) < REJECTS_PER_REQUEST:
                return
            after = page[-1]["number"]

    def drop_rejects(self, numbers: Sequence[int] | None = None) -> None:
        """Remove rejects from the log; all of them when None."""
        self._connection.request("DELETE", "/engine/rejects", params={"number": numbers and list(numbers)})

    def replay(self, numbers: Sequence[int] | None = None) -> int:
        """Feed rejects back in, all of them when None; return how many records that were."""
        answer = self._connection.request("POST", "/engine/rejects/replay", json={"numbers": numbers})
        return int(answer.json()["replayed"])


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines, which end in a line feed and in nothing else that Unicode calls a line's end."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest
