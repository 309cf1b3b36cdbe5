"""Errors that cross the channel: class and fields go over, and the same error is raised on the other side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine import errors


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that went wrong in a batch.

    Parameters
    ----------
    index : int
        The record's place in the batch, from 0.
    stage : {'input', 'action', 'output'}
        Whether it could not be decoded, the script raised, or an output of it could not be encoded.
    error : EngineError
        A `DataError`, or `ActionFailed`.
    """

    index: int
    stage: Literal["input", "action", "output"]
    error: errors.EngineError


def dump_error(error: errors.EngineError) -> list[Any]:
    """Return what msgpack can carry of an error: its class's name, its sentence and its fields."""
    return [type(error).__name__, str(error), vars(error)]


def load_error(dumped: list[Any]) -> errors.EngineError:
    """Return the error that `dump_error` took apart."""
    return errors.restore(*dumped)
