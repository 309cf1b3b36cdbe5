"""Each class of error has one HTTP code, and tells its own sentence and fields."""

from __future__ import annotations

import inspect
import json
import math
from typing import Any

import pytest

from engine import errors
from engine.server.problem import STATUS, BodyTooLarge, MethodNotAllowed, RouteNotFound, problem_response


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.AssetNotFound("model", "lstn", "lstm"), 404),
        (errors.AssetInvalid("model", "a b", "is not a legal name"), 400),
        (errors.AttachmentUnsafe("a.zip", "../x", "leaves its folder"), 400),
        (errors.ConfigError("No."), 400),
        (errors.DescriptorError("Transport", "missing"), 400),
        (errors.AnnotationError(3, "not a slot"), 400),
        (errors.SchemaInvalid("double", "no"), 400),
        (errors.ScriptInvalid("m", "invalid syntax", 3), 400),
        (errors.HookMissing("m", "action"), 400),
        (errors.PolicyViolation("No."), 403),
        (errors.NotBuilt("kafka"), 501),
        (errors.DecodeError("json", "not JSON"), 422),
        (errors.EncodeError("json", "NaN"), 422),
        (errors.SchemaMismatch("price", "a number", "'abc'"), 422),
        (errors.ActionFailed("action", "ValueError: x"), 500),
        (errors.ModelCrashed(-9, "record 1 of slot 0"), 500),
        (errors.ModelStalled(30.0, "record 1 of slot 0"), 500),
        (errors.EnvironmentFailed("m", "no wheel"), 500),
        (errors.StreamTimeout("No output came", 30.0), 504),
        (errors.DeliveryFailed("file", "disk full"), 502),
        (errors.StreamError("No REST stream is attached to slot 0."), 409),
        (errors.InvalidTransition("PAUSED", "score", ["RUNNING"]), 409),
        (errors.StateError("No."), 500),
        (errors.RetryAfter(0.2), 503),
        (RouteNotFound("/x"), 404),
        (BodyTooLarge(10), 413),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_has_the_code_of_its_class(error: Exception, status: int) -> None:
    response = problem_response(error)
    problem = json.loads(response.body)
    assert response.status_code == problem["status"] == status
    assert response.media_type == "application/problem+json"
    assert problem["type"] == f"urn:engine:error:{type(error).__name__}"
    assert problem["detail"] == str(error)
    assert problem["title"]


def test_every_class_of_error_has_a_code() -> None:
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, Exception):
            assert any(base in STATUS for base in cls.__mro__)


def members(error: Exception) -> dict[str, Any]:
    problem: dict[str, Any] = json.loads(problem_response(error).body)
    return {name: value for name, value in problem.items() if name not in {"type", "title", "status", "detail"}}


def test_the_fields_of_an_error_are_members() -> None:
    assert members(errors.AssetNotFound("model", "lstn", "lstm")) == {"kind": "model", "name": "lstn", "near": "lstm"}
    assert members(errors.InvalidTransition("PAUSED", "score", ["RUNNING"])) == {
        "current": "PAUSED",
        "requested": "score",
        "allowed": ["RUNNING"],
    }


def test_a_field_that_json_cannot_hold_is_told_as_text() -> None:
    assert members(errors.ModelStalled(math.inf, "begin()"))["seconds"] == "inf"


def test_the_traceback_of_a_script_is_a_member_and_not_in_the_sentence() -> None:
    error = errors.ActionFailed("action", "ValueError: x", 0, 7, traceback='  File "m.py", line 3')
    problem = json.loads(problem_response(error).body)
    assert problem["detail"] == "action() failed on record 7 of slot 0: ValueError: x."
    assert problem["traceback"] == '  File "m.py", line 3'


def test_an_error_of_the_server_itself_tells_nothing() -> None:
    response = problem_response(RuntimeError("password: hunter2"))
    assert response.status_code == 500
    assert b"hunter2" not in response.body
    assert json.loads(response.body)["type"] == "urn:engine:error:InternalError"


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.2, "2")])
def test_retry_after_is_in_whole_seconds_from_one(seconds: float, header: str) -> None:
    assert problem_response(errors.RetryAfter(seconds)).headers["Retry-After"] == header


def test_a_method_that_is_not_taken_is_told_which_are() -> None:
    assert problem_response(MethodNotAllowed("PUT", "/score", ["POST"])).headers["Allow"] == "POST"


def test_a_body_that_is_too_large_ends_the_connection() -> None:
    assert problem_response(BodyTooLarge(10)).headers["Connection"] == "close"
