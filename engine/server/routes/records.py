"""``/score``, ``/predict``, ``/input`` and ``/output``, as they are documented.

Requests of these routes are answered ahead of the framework (see `engine.server.front`) by the same functions; what
does not fit, such as a slot that is no number, comes here and is refused in the framework's way.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from engine.server import data
from engine.server.documented import ANY_PROBLEM, answers, content, query_parameters, request_body
from engine.server.records import BINARY_TYPE, LINES_TYPE, RECORDS_TYPE
from engine.server.service import ServiceOf, SlotPath

router = APIRouter(tags=["records"], responses=ANY_PROBLEM)

_COUNT = {"Engine-Records": "How many records the body holds."}
_SEVERAL = "Several records are a JSON array where the slot's encoding is JSON, else one a line."
_SCORED = {
    200: content(
        f"What the model gave. {_SEVERAL}",
        "application/json",
        BINARY_TYPE,
        RECORDS_TYPE,
        example="2468.5",
        headers=_COUNT,
    ),
    204: {"description": "The model gave nothing for this record."},
}
_OUTPUT_HEADERS = _COUNT | {
    "Engine-Sequence": "The number of the last record; give it as `after` to acknowledge.",
    "Engine-State": "The state of the engine.",
    "Engine-Settled": "`true` when what was accepted before is scored, or nothing is being scored.",
    "Engine-End": "`true` when there will be no more.",
}
_FETCHED = {
    200: content(
        "Outputs, one a line.",
        LINES_TYPE,
        BINARY_TYPE,
        RECORDS_TYPE,
        example="2468.5\n2473.0",
        headers=_OUTPUT_HEADERS,
    ),
    204: {"description": "There is nothing now, or with `Engine-End` nothing any more."},
}
_RECORD = request_body(
    "One record in the encoding of the input slot.", "application/json", BINARY_TYPE, example="1234.25"
)

_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Names the request: sent again with the same key, it is done once and answered alike.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_SCORE_QUERY = query_parameters(
    input=("integer", 0, "The input slot."),
    output=("integer", 1, "The output slot."),
    timeout=("string", "30s", "The longest wait."),
)
_SCORE_QUERY["parameters"].append(_KEY)
_OUTPUT_QUERY = query_parameters(
    after=("integer", None, "Acknowledge every output up to this number."),
    limit=("integer", None, "At most so many."),
    wait=("string", None, "Wait until what was accepted before is scored, at most so long; empty for `30s`."),
)


@router.post(
    "/predict",
    summary="Score one record (the same as /score)",
    response_class=Response,
    responses=answers(_SCORED, 409, 413, 422, 500, 504),
    openapi_extra=_RECORD | _SCORE_QUERY,
)
@router.post(
    "/score",
    summary="Score one record",
    response_class=Response,
    responses=answers(_SCORED, 409, 413, 422, 500, 504),
    openapi_extra=_RECORD | _SCORE_QUERY,
)
async def score(service: ServiceOf, request: Request) -> Response:
    """Score one record and answer with what the model gave for it."""
    return await data.score(service, request.scope, request.receive)


@router.post(
    "/input/{slot}",
    summary="Hand in records",
    status_code=202,
    response_class=Response,
    responses=answers({202: {"content": {"application/json": {"example": {"accepted": 2}}}}}, 400, 409, 413, 422, 503),
    openapi_extra=request_body(
        f"One record; as `{LINES_TYPE}` one a line; as `{RECORDS_TYPE}` a MSGPACK list of binaries.",
        LINES_TYPE,
        BINARY_TYPE,
        RECORDS_TYPE,
        example="1234.25\n1236.5",
    )
    | {"parameters": [_KEY]},
)
async def take_input(service: ServiceOf, request: Request, slot: SlotPath) -> Response:
    """Hand records to a slot that a REST stream is attached to; they are scored in order, and outputs fetched later.

    503 with `Retry-After` means that the engine is busy: nothing was taken, send it again.
    """
    return await data.take_input(service, slot, request.scope, request.receive)


@router.get(
    "/output/{slot}",
    summary="Fetch outputs",
    response_class=Response,
    responses=answers(_FETCHED, 400, 409),
    openapi_extra=_OUTPUT_QUERY,
)
async def give_output(service: ServiceOf, request: Request, slot: SlotPath) -> Response:
    """Return the outputs that are not acknowledged yet, oldest first.

    They stay until they are acknowledged with `after`: ask with the `Engine-Sequence` of the answer before. Records
    whose bytes may hold a line end, such as Avro binary, are told apart only as
    `application/vnd.engine.records+msgpack`.
    """
    return await data.give_output(service, slot, request.scope, request.receive)
