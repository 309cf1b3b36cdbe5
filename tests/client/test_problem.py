from __future__ import annotations

import json

import pytest

from engine import errors
from engine.client.problem import error_from


def problem(kind: str, detail: str, /, **fields: object) -> bytes:
    return json.dumps({"type": f"urn:engine:error:{kind}", "title": "x", "detail": detail} | fields).encode()


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (404, "AssetNotFound", errors.AssetNotFound),
        (400, "DescriptorError", errors.DescriptorError),
        (400, "SchemaInvalid", errors.SchemaInvalid),
        (409, "InvalidTransition", errors.InvalidTransition),
        (422, "SchemaMismatch", errors.SchemaMismatch),
        (500, "ActionFailed", errors.ActionFailed),
        (501, "NotBuilt", errors.NotBuilt),
        (504, "StreamTimeout", errors.StreamTimeout),
    ],
)
def test_a_problem_comes_back_as_the_error_that_was_raised(
    status: int, kind: str, expected: type[errors.EngineError]
) -> None:
    error = error_from(status, {}, problem(kind, "What happened."))
    assert type(error) is expected
    assert str(error) == "What happened."


def test_the_fields_of_an_error_come_back() -> None:
    error = error_from(404, {}, problem("AssetNotFound", "Model 'x' not found.", kind="model", name="x", near="xy"))
    assert isinstance(error, errors.AssetNotFound)
    assert (error.kind, error.name, error.near) == ("model", "x", "xy")


def test_a_field_that_the_server_left_out_is_none() -> None:
    error = error_from(404, {}, problem("AssetNotFound", "Model 'x' not found."))
    assert isinstance(error, errors.AssetNotFound)
    assert error.near is None


def test_a_class_that_only_the_server_knows_is_a_plain_engine_error() -> None:
    error = error_from(404, {}, problem("RouteNotFound", "Nothing is at '/x'."))
    assert type(error) is errors.EngineError
    assert str(error) == "Nothing is at '/x'."


@pytest.mark.parametrize("content", [b"<html>Bad Gateway</html>", b"[1]", b"", b"\xff\xfe"])
def test_an_answer_that_is_no_problem_is_quoted_with_its_status(content: bytes) -> None:
    error = error_from(502, {}, content)
    assert type(error) is errors.EngineError
    assert "502" in str(error)


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("tomorrow", 0.1)])
def test_a_busy_server_says_when_to_come_back(text: str, seconds: float) -> None:
    error = error_from(503, {"retry-after": text}, b"")
    assert isinstance(error, errors.RetryAfter)
    assert error.seconds == seconds
