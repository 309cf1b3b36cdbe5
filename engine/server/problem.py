"""Errors as ``application/problem+json`` (RFC 9457): each class of error has its HTTP code here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from engine import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:engine:error:"


class RequestError(errors.EngineError):
    """A request that no verb of the engine ever sees."""


class RequestInvalid(RequestError):
    """A request's path, query, header or body is not what the route takes."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}.")


class BodyTooLarge(RequestError):
    """A request holds more than the server takes at once."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The request's body is larger than the {limit_bytes} bytes that are taken. Send less at once."
        )


class RouteNotFound(RequestError):
    """The server has nothing at that path."""

    def __init__(self, path: str, near: str | None = None) -> None:
        self.path, self.near = path, near
        super().__init__(f"Nothing is at {path!r}.{f' Did you mean {near!r}?' if near else ''} See /docs.")


class MethodNotAllowed(RequestError):
    """The path exists, and takes other methods."""

    def __init__(self, method: str, path: str, allowed: list[str]) -> None:
        self.method, self.path, self.allowed = method, path, allowed
        super().__init__(f"{path!r} takes {' or '.join(allowed)}, not {method}.")


class NotLoaded(RequestError):
    """What is asked for is not in the engine now."""

    def __init__(self, what: str, fix: str) -> None:
        self.what, self.fix = what, fix
        super().__init__(f"{what}. {fix}")


class InternalError(RequestError):
    """The server failed, and the request is not to blame."""

    def __init__(self) -> None:
        super().__init__("The server failed on this request. Its log says why.")


STATUS: Mapping[type[Exception], HTTPStatus] = {
    RequestInvalid: HTTPStatus.BAD_REQUEST,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RouteNotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    NotLoaded: HTTPStatus.NOT_FOUND,
    InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ConfigError: HTTPStatus.BAD_REQUEST,
    errors.PolicyViolation: HTTPStatus.FORBIDDEN,
    errors.NotBuilt: HTTPStatus.NOT_IMPLEMENTED,
    errors.AssetNotFound: HTTPStatus.NOT_FOUND,
    errors.AssetInvalid: HTTPStatus.BAD_REQUEST,
    errors.AttachmentUnsafe: HTTPStatus.BAD_REQUEST,
    errors.DataError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ScriptInvalid: HTTPStatus.BAD_REQUEST,
    errors.HookMissing: HTTPStatus.BAD_REQUEST,
    errors.ModelError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.StreamTimeout: HTTPStatus.GATEWAY_TIMEOUT,
    errors.OutputInUse: HTTPStatus.CONFLICT,
    errors.DeliveryFailed: HTTPStatus.BAD_GATEWAY,
    errors.AcknowledgedUnseen: HTTPStatus.CONFLICT,
    errors.StreamError: HTTPStatus.CONFLICT,  # what the request needs of the world outside is not there
    errors.StateIncompatible: HTTPStatus.CONFLICT,
    errors.InvalidTransition: HTTPStatus.CONFLICT,
    errors.KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.RetryAfter: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EngineError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Signal: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The code of each class; one that is not named has that of its nearest base."""


def is_internal(exc: Exception) -> bool:
    """Return whether an error is the server's own fault, which its log has to explain."""
    return not isinstance(exc, errors.EngineError | errors.Signal)


def problem_response(exc: Exception) -> JSONResponse:
    """Return the response that tells of an error.

    Its `type` ends in the error's class and its `title` is the same for the whole class, `detail` is the error's
    sentence, and each field of the error is a member of its own. Of what is not an error of the engine the client
    learns nothing; see `is_internal`.
    """
    if is_internal(exc):
        exc = InternalError()
    status = next(STATUS[base] for base in type(exc).__mro__ if base in STATUS)
    fields = {name: _plain(value) for name, value in vars(exc).items() if not name.startswith("_")}
    # The script's own traceback is a member; the sentence does without it.
    detail = str(exc).removesuffix(str(fields.get("traceback") or "")).rstrip("\n")
    content = {
        "type": TYPE_PREFIX + type(exc).__name__,
        "title": (type(exc).__doc__ or "").partition("\n")[0].rstrip("."),
        "status": status.value,
        "detail": detail,
        **fields,
    }
    return JSONResponse(content, status, _headers(exc), MEDIA_TYPE)


def _headers(exc: Exception) -> dict[str, str]:
    if isinstance(exc, errors.RetryAfter):
        return {"Retry-After": str(max(1, math.ceil(exc.seconds)))}  # whole seconds are all that the header can say
    if isinstance(exc, MethodNotAllowed):
        return {"Allow": ", ".join(exc.allowed)}
    if isinstance(exc, BodyTooLarge):
        return {"Connection": "close"}  # so that the rest of the body need not be read
    return {}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
