import inspect

import pytest

from engine import errors
from engine.channel import dump_error, load_error
from engine.channel.frames import FrameReader, Kind
from engine.channel.messages import pack_message, unpack_message


@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigError("The engine speaks version 2 of the channel, and its jet version 1."),
        errors.EngineError("Something."),
        errors.ScriptInvalid("model", "invalid syntax", 3, "a traceback"),
        errors.InvalidTransition("RUNNING", "detach", ["INIT"], "Reset."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_any_class_is_the_same_on_the_other_side(error):
    [(_, body)] = FrameReader().feed(pack_message(Kind.FAILED, dump_error(error)))
    again = load_error(unpack_message(body))
    assert (type(again), str(again)) == (type(error), str(error))
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in vars(error).items()} == vars(
        again
    )


def test_what_is_no_error_of_ours_is_none_that_another_name_stands_for():
    assert type(errors.restore("EndOfStream", "x", {})) is errors.EngineError
    assert type(errors.restore("nearest", "x", {})) is errors.EngineError


def test_every_class_of_the_tree_can_be_restored():
    for name, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, errors.EngineError):
            assert type(errors.restore(name, "a sentence", {"near": None})) is cls
