"""What cannot be kept, and the path to it, put together on the way back from where it was met."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

from engine.errors import StateUnkept


class Unkept(Exception):
    """A part of a value cannot be packed. Every container on the way out adds its step to the path.

    Parameters
    ----------
    reason : str
        What is wrong with it, without the final stop.
    fix : str
        What to do about it, as a sentence.
    """

    def __init__(self, reason: str, fix: str = "") -> None:
        self.reason, self.fix = reason, fix
        self._steps: list[tuple[int, str]] = []
        super().__init__(reason)

    def within(self, owner: Any, step: str) -> None:
        """Note that the part is `step` of `owner`."""
        self._steps.insert(0, (id(owner), step))

    def as_error(self, name: str) -> StateUnkept:
        """Return the error that names the part, by what the script calls the whole."""
        return StateUnkept(name + "".join(step for _, step in self._steps), self.reason, self.fix)


class TooDeep(Unkept):
    """A container in a container, and so on: for ever, if one of them contains itself."""

    def __init__(self, max_depth: int) -> None:
        super().__init__(f"nested more than {max_depth} levels deep, it cannot be kept")

    def as_error(self, name: str) -> StateUnkept:
        """Return the error with the path to where a cycle begins; of what is merely deep, without one: it is long."""
        seen: dict[int, int] = {}
        for depth, (owner, _) in enumerate(self._steps):
            if owner in seen:
                path = "".join(step for _, step in self._steps[: seen[owner]])
                return StateUnkept(name + path, "what contains itself cannot be kept")
            seen[owner] = depth
        return StateUnkept(name, self.reason)


_FIXES: dict[type, str] = {
    defaultdict: "Use a dict and its setdefault().",
    OrderedDict: "Use a dict: it keeps its order.",
    Counter: "Use a dict.",
}


def refused(value: Any) -> Unkept:
    """Return the refusal of a value that is of no type that can be kept."""
    kind = type(value)
    fix = _FIXES.get(kind, "")
    if hasattr(kind, "_fields") or hasattr(kind, "__dataclass_fields__"):
        fix = "Use a dict, or give the class state() and restore()."
    return Unkept(f"{type_name(kind)} cannot be kept", fix)


def type_name(kind: type) -> str:
    """Return the name by which a script would know a type: ``onnxruntime.InferenceSession``.

    Many libraries define a class deep inside and offer it in their package.
    """
    if kind.__module__ == "builtins":
        return kind.__name__
    top = kind.__module__.partition(".")[0]
    module = top if getattr(sys.modules.get(top), kind.__name__, None) is kind else kind.__module__
    return f"{module}.{kind.__qualname__}"


Step = Callable[[int], str]
"""Turns the index of an item into the step of a path."""
