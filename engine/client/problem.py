"""From an error response back to the error that the server raised."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from engine import errors
from engine.errors import EngineError, RetryAfter, restore

_TYPE_PREFIX = "urn:engine:error:"
# For a server, or something in front of it, that does not name the error's class.
_BY_STATUS: Mapping[int, type[EngineError]] = {
    400: errors.ConfigError,
    403: errors.PolicyViolation,
    404: errors.AssetError,
    422: errors.DataError,
    500: errors.ModelError,
    501: errors.ConfigError,
    504: errors.StreamError,
}
_BY_NAME = {
    name: member for name, member in inspect.getmembers(errors, inspect.isclass) if issubclass(member, EngineError)
}
# Not retried sooner than this where the server gives no time of its own.
_RETRY_AFTER_S = 0.1


def error_from(status: int, headers: Mapping[str, str], content: bytes) -> Exception:
    """Return the error that a response of `status` 400 or above stands for.

    A body of ``application/problem+json`` (RFC 9457) becomes the class it names, its members the error's fields and its
    detail the sentence. Anything else is quoted.
    """
    if status == HTTPStatus.SERVICE_UNAVAILABLE and "retry-after" in headers:
        return RetryAfter(_seconds(headers["retry-after"]), str(_read_problem(content).get("reason") or ""))
    problem = _read_problem(content)
    type_uri = str(problem.get("type", ""))
    if type_uri.startswith(_TYPE_PREFIX):
        # What only the server knows, such as a route that does not exist, is none of the tree's classes.
        kind = _BY_NAME.get(type_uri.removeprefix(_TYPE_PREFIX), EngineError)
    else:
        kind = _BY_STATUS.get(status, EngineError)
    text = content.decode("utf-8", "replace").strip()
    sentence = str(problem.get("detail") or f"The server answered {status}: {text[:500] or 'nothing else'}")
    fields = inspect.signature(kind.__init__).parameters.keys() - {"self", "args", "kwargs"}
    return restore(kind.__name__, sentence, {field: problem.get(field) for field in fields})


def _read_problem(content: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _seconds(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:
        return _RETRY_AFTER_S  # the header's other form is a date, which our server never sends
