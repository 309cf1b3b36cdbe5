from __future__ import annotations

import pytest

from engine import errors
from engine.cli.exits import exit_code_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.EngineError("x"), 1),
        (errors.AssetNotFound("model", "x"), 1),
        (errors.InvalidTransition("ERROR", "load a model", ["INIT"]), 1),
        (errors.PolicyViolation("x"), 1),
        (errors.StreamError("x"), 1),
        (errors.RetryAfter(1), 1),
        (OSError("x"), 1),
        (errors.SchemaMismatch("", "double", "string"), 3),
        (errors.SchemaInvalid("x", "y"), 3),
        (errors.DescriptorError("x", "y"), 3),
        (errors.AnnotationError(1, "x"), 3),
        (errors.NotBuilt("x"), 3),
        (errors.HookMissing("x", "action"), 3),
        (errors.ScriptInvalid("x", "y"), 4),
        (errors.ActionFailed("begin", "x"), 4),
        (errors.EnvironmentFailed("x", "y"), 4),
        (errors.AttachmentUnsafe("x", "y", "z"), 4),
        (errors.ServerUnreachable("x", "y"), 5),
        (errors.StateError("x"), 6),
        (errors.StateIncompatible("x"), 6),
        (errors.StateCorrupt("x"), 6),
        (errors.StateLocked("x", 1), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_class_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code
