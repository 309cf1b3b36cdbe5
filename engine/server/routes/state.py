"""``/engine/state``: what the script keeps, as it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from engine.server.documented import ANY_PROBLEM, answers, content
from engine.server.records import LINES_TYPE
from engine.server.service import Service, ServiceOf
from engine.state.commits import Entry
from engine.state.json_lines import select, write_line

CHUNK_CHARS = 64 * 1024
"""What is sent at once: as much as a socket takes, so that a line costs no change of threads."""

router = APIRouter(prefix="/engine", tags=["engine"], responses=ANY_PROBLEM)

Scope = Annotated[str | None, Query(description="`script`, `cells` or `pools/NAME`; all of them without.")]
Key = Annotated[str | None, Query(description="A key: a text, or a value as JSON.")]
Name = Annotated[str | None, Query(description="A variable of the script.")]
After = Annotated[int, Query(ge=0, description="Leave out so many entries first.")]
Limit = Annotated[int | None, Query(ge=0, description="At most so many entries.")]

_EXAMPLE = '{"scope": "script", "key": "AAPL", "name": "prices", "value": {"$window": [1.5, 2.0], "n": 30}}'


@router.get(
    "/state",
    summary="Read the committed state",
    response_class=StreamingResponse,
    responses=answers({200: content("One entry a line.", LINES_TYPE, example=_EXAMPLE)}, 400),
)
async def read_state(
    service: ServiceOf, scope: Scope = None, key: Key = None, name: Name = None, after: After = 0, limit: Limit = None
) -> StreamingResponse:
    """Return the state as of the last commit, one entry a line, in the order of the keys.

    It comes as one stream, however much there is. One that ends in the middle of a chunk was cut off by an error.
    """
    chosen = select(_entries(service, scope), key, name)
    chunks = _chunks(islice(chosen, after, None if limit is None else after + limit))
    # Before the answer begins, so that damage in the first values is told by the status.
    first = await asyncio.to_thread(next, chunks, b"")
    return StreamingResponse(chain([first], chunks), media_type=LINES_TYPE)


def _entries(service: Service, scope: str | None) -> Iterator[Entry]:
    scopes = service.engine.store.scopes() if scope is None else [scope]
    return chain.from_iterable(map(service.engine.state_entries, scopes))


def _chunks(entries: Iterator[Entry]) -> Iterator[bytes]:
    lines: list[str] = []
    n_chars = 0
    for entry in entries:
        line = write_line(entry) + "\n"
        lines.append(line)
        n_chars += len(line)
        if n_chars >= CHUNK_CHARS:
            yield "".join(lines).encode()
            lines, n_chars = [], 0
    if lines:
        yield "".join(lines).encode()
