"""What of a script's state can be kept: tried when it is set up, not when it is missed."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import NamedTuple

from engine.errors import StateError
from engine.script import StateName
from engine.state import pack


class Trial(NamedTuple):
    """What came of packing the value of a name: its size, or why it cannot be kept."""

    name: str
    size_bytes: int | None
    refusal: str | None


def try_state(module: ModuleType, names: Iterable[StateName]) -> list[Trial]:
    """Pack the value of every name of the state that a script has bound."""
    bound = vars(module)
    return [_try(entry.name, bound[entry.name]) for entry in names if entry.name in bound]


def _try(name: str, value: object) -> Trial:
    try:
        return Trial(name, len(pack(value, name)), None)
    except StateError as exc:
        return Trial(name, None, str(exc))
