"""What the routes' descriptions in OpenAPI share."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from engine.server.problem import MEDIA_TYPE, TYPE_PREFIX

Responses: TypeAlias = dict[int | str, dict[str, Any]]

_PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": f"`{TYPE_PREFIX}` and the class of the error."},
        "title": {"type": "string", "description": "What all errors of the class have in common."},
        "status": {"type": "integer", "description": "The HTTP code."},
        "detail": {"type": "string", "description": "The error's own sentence."},
    },
    "additionalProperties": {"description": "The error's fields, such as path, expected, got, line, near, traceback."},
}

_EXAMPLES: Mapping[int, tuple[str, str, dict[str, Any]]] = {
    400: ("RequestInvalid", "body.jets: Input should be greater than or equal to 1.", {"path": "body.jets"}),
    403: ("PolicyViolation", "A page of 'https://example.org' may not talk to this server.", {}),
    404: ("AssetNotFound", "Model 'lstn' not found. Did you mean 'lstm'?", {"kind": "model", "near": "lstm"}),
    409: ("InvalidTransition", "Cannot score while PAUSED: allowed only in RUNNING.", {"current": "PAUSED"}),
    413: ("BodyTooLarge", "The request's body is larger than the 16777216 bytes that are taken.", {}),
    422: (
        "SchemaMismatch",
        "Field 'price': a finite number expected, got 'abc' (str).",
        {"path": "price", "expected": "a finite number", "got": "'abc' (str)"},
    ),
    500: (
        "ActionFailed",
        "action() failed on record 7 of slot 0: ZeroDivisionError: division by zero.",
        {"hook": "action", "slot": 0, "seq_no": 7, "traceback": "  File ..."},
    ),
    501: ("NotBuilt", "Transport.Type: kafka is not supported by this version of the engine.", {"feature": "kafka"}),
    503: ("RetryAfter", "Try again in 1 s.", {"seconds": 1}),
    504: ("StreamTimeout", "No output came within 30 s.", {"seconds": 30}),
}


def problems(*statuses: int) -> Responses:
    """Return the description of error responses, for a route's `responses`."""
    return {status: _problem(status) for status in statuses}


def answers(described: Mapping[int, dict[str, Any]], *statuses: int) -> Responses:
    """Return `described` responses together with `problems`."""
    documented: Responses = {}
    documented.update(described)
    return documented | problems(*statuses)


def _problem(status: int) -> dict[str, Any]:
    name, detail, fields = _EXAMPLES[status]
    title = HTTPStatus(status).phrase
    example = {"type": TYPE_PREFIX + name, "title": title, "status": status, "detail": detail, **fields}
    return {"description": title, "content": {MEDIA_TYPE: {"schema": dict(_PROBLEM), "example": example}}}


ANY_PROBLEM: Responses = {
    "default": {"description": "Any other error", "content": {MEDIA_TYPE: {"schema": dict(_PROBLEM)}}}
}
"""For every router: whatever goes wrong has this form."""


def content(description: str, *media_types: str, example: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """Return the description of a response whose body is no JSON of a model."""
    one = {"schema": {"type": "string"}} | ({} if example is None else {"example": example})
    documented: dict[str, Any] = {"description": description, "content": dict.fromkeys(media_types, one)}
    if headers:
        documented["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    return documented


def request_body(description: str, *media_types: str, example: Any = None) -> dict[str, Any]:
    """Return the description of a body that is read as it comes, for a route's `openapi_extra`."""
    documented = content(description, *media_types, example=example)
    return {"requestBody": {"description": description, "required": True, "content": documented["content"]}}


def query_parameters(**parameters: tuple[str, Any, str]) -> dict[str, Any]:
    """Return the description of query parameters that the route reads itself: type, default and a sentence for each."""
    return {
        "parameters": [
            {
                "in": "query",
                "name": name,
                "required": False,
                "description": description,
                "schema": {"type": kind} | ({} if default is None else {"default": default}),
            }
            for name, (kind, default, description) in parameters.items()
        ]
    }
