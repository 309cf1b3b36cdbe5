"""What the routes' descriptions in OpenAPI share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from engine import errors
from engine.server.problem import MEDIA_TYPE, TYPE_PREFIX, BodyTooLarge, RequestInvalid, problem_response
from engine.settings import MIB

Responses: TypeAlias = dict[int | str, dict[str, Any]]

JSON_TYPE = "application/json"

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

_EXAMPLES = (
    RequestInvalid("body.jets", "input should be greater than or equal to 0"),
    errors.PolicyViolation("A page of 'https://example.org' may not talk to this server: it is for its own machine."),
    errors.AssetNotFound("model", "lstn", "lstm"),
    errors.InvalidTransition("PAUSED", "score", ["RUNNING"]),
    BodyTooLarge(16 * MIB),
    errors.SchemaMismatch("price", "a finite number", "'abc' (str)"),
    errors.ActionFailed("action", "ZeroDivisionError: division by zero", 0, 7, '  File "lstm.py", line 9, in action'),
    errors.NotBuilt('Transport "kafka:"', "Stream descriptor"),
    errors.RetryAfter(1.0),
    errors.StreamTimeout("The record was not scored", 30.0),
)
_RESPONSES = {response.status_code: response for response in map(problem_response, _EXAMPLES)}


def problems(*statuses: int) -> Responses:
    """Return the description of error responses, for a route's `responses`."""
    return {status: _problem(status) for status in statuses}


def answers(described: Mapping[int, dict[str, Any]], *statuses: int) -> Responses:
    """Return `described` responses together with `problems`."""
    return {**dict(described.items()), **problems(*statuses)}


def _problem(status: int, description: str = "") -> dict[str, Any]:
    documented = {"schema": dict(_PROBLEM), "example": json.loads(bytes(_RESPONSES[status].body))}
    return {"description": description or HTTPStatus(status).phrase, "content": {MEDIA_TYPE: documented}}


ANY_PROBLEM: Responses = {"default": _problem(404, "Any other error")}
"""For every router: whatever goes wrong has this form."""


def content(
    description: str, *media_types: str, example: str | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the description of a response whose body is no JSON of a model."""
    documented: dict[str, Any] = {
        "description": description,
        "content": {media_type: _body(media_type, example) for media_type in media_types},
    }
    if headers:
        documented["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    return documented


def _body(media_type: str, example: str | None) -> dict[str, Any]:
    if example is None:
        return {"schema": {"type": "string"}}
    if media_type == JSON_TYPE:
        return {"schema": {}, "example": json.loads(example)}
    return {"schema": {"type": "string"}, "example": example}


def request_body(description: str, *media_types: str, example: str | None = None) -> dict[str, Any]:
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
