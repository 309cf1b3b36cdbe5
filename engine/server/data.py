"""The verbs that move records: score one, hand in many, fetch what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope

from engine.server.body import read_body
from engine.server.header import find_header, find_idempotency_key
from engine.server.problem import RequestInvalid
from engine.server.query import Query
from engine.server.records import (
    LINES_TYPE,
    RECORDS_TYPE,
    join_answer,
    join_lines,
    media_type_of,
    pack_records,
    split_records,
    unpack_records,
)
from engine.server.service import Service

DEFAULT_TIMEOUT_S = 30.0  # for a score, and for a ``wait`` without a number

# Any other media type is one raw record, or as many as the stream's envelope finds in it.
_READERS = {RECORDS_TYPE: unpack_records, LINES_TYPE: split_records}


class ScoreQuery(NamedTuple):
    """Which slots a score is about, and how long it may take."""

    input_slot: int = 0
    output_slot: int = 1
    timeout_s: float = DEFAULT_TIMEOUT_S


def score_query(query_string: bytes) -> ScoreQuery:
    """Return what a query string asks for; raises `RequestInvalid`."""
    if not query_string:
        return _DEFAULT_QUERY
    query = Query(query_string, ("input", "output", "timeout"))
    output_slot = query.number("output")
    return ScoreQuery(
        query.number("input") or 0,
        1 if output_slot is None else output_slot,
        query.seconds("timeout", DEFAULT_TIMEOUT_S),
    )


def form_score(service: Service, values: Sequence[bytes], output_slot: int, accept: str | None) -> tuple[bytes, str]:
    """Return the body that answers a score, and its media type."""
    if accept is not None and media_type_of(accept) == RECORDS_TYPE:
        return pack_records(values), RECORDS_TYPE
    return join_answer(values, service.encoding(output_slot))


async def score(service: Service, scope: Scope, receive: Receive) -> Response:
    """Score one record and answer with what came of it.

    Most scores never get here, but are answered by `engine.server.connection`.

    Raises
    ------
    DataError, ActionFailed, StreamTimeout, InvalidTransition, KeyReused
        As `Engine.score`.
    """
    input_slot, output_slot, timeout_s = score_query(scope["query_string"])
    key = find_idempotency_key(scope)
    raw = await read_body(scope, receive, service.settings.max_record_bytes)
    values = await service.engine.score(raw, input_slot, output_slot, timeout_s, key)
    headers = {"Engine-Records": str(len(values))}
    if not values:
        return Response(status_code=204, headers=headers)
    content, media_type = form_score(service, values, output_slot, find_header(scope, b"accept"))
    return Response(content, headers=headers, media_type=media_type)


_DEFAULT_QUERY = ScoreQuery()


async def take_input(service: Service, slot: int, scope: Scope, receive: Receive) -> Response:
    """Hand records to an input slot, and answer how many were taken.

    Raises
    ------
    RetryAfter, InvalidTransition, StreamError, StoreFailed, KeyReused
        As `Engine.accept`.
    """
    Query(scope["query_string"], ())
    media_type, key = media_type_of(find_header(scope, b"content-type") or ""), find_idempotency_key(scope)
    body = await read_body(scope, receive, service.settings.inbox_bytes)
    if not body:
        raise RequestInvalid("body", f"is empty; an empty record can be sent as {RECORDS_TYPE}")
    read = _READERS.get(media_type)
    n_accepted = await service.engine.accept(slot, [body] if read is None else read(body), key)
    return Response(b'{"accepted":%d}' % n_accepted, 202, media_type="application/json")


async def give_output(service: Service, slot: int, scope: Scope, _receive: Receive) -> Response:
    """Answer with the outputs of a slot that nobody acknowledged yet.

    Raises
    ------
    InvalidTransition, StreamError
        As `Engine.outputs`.
    """
    query = Query(scope["query_string"], ("after", "limit", "wait"))
    wait_s = query.seconds("wait", DEFAULT_TIMEOUT_S) if "wait" in query else None
    outputs = await service.engine.outputs(
        slot, after=query.number("after"), limit=query.number("limit"), wait_s=wait_s
    )
    headers = {
        "Engine-Sequence": str(outputs.last_seq),
        "Engine-Records": str(len(outputs.values)),
        "Engine-State": service.engine.state.value,
        "Engine-Settled": str(outputs.is_settled).lower(),
        "Cache-Control": "no-store",
    }
    if outputs.is_eof:
        headers["Engine-End"] = "true"
    if not outputs.values:
        return Response(status_code=204, headers=headers)
    if _accepts_records(scope):
        return Response(pack_records(outputs.values), headers=headers, media_type=RECORDS_TYPE)
    content, media_type = join_lines(outputs.values, service.encoding(slot))
    return Response(content, headers=headers, media_type=media_type)


def _accepts_records(scope: Scope) -> bool:
    return media_type_of(find_header(scope, b"accept") or "") == RECORDS_TYPE
