"""An input slot as the script serves it, and a batch of its records under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.channel import BatchFrame
from engine.jet.answer import Answer
from engine.jet.keys import Key


@dataclass(slots=True)
class Hook:
    """An input slot, ready for records.

    Parameters
    ----------
    decode : callable
        From the bytes of a record to its value.
    key_of : callable
        From a value to its key; None for a script without keys.
    action : callable
        The script's function.
    name : str
        What it is called.
    arity : int
        With how many arguments it is called.
    is_halting : bool
        Whether a record on which it raises stops the jet.
    """

    decode: Callable[[bytes], Any]
    key_of: Callable[[Any], Key] | None
    action: Callable[..., Any]
    name: str
    arity: int
    is_halting: bool

    def call(self, value: Any, slot: int, seq_no: int) -> Any:
        """Call the function on a record."""
        if self.arity == 1:
            return self.action(value)
        return self.action(value, *(slot, seq_no)[: self.arity - 1])


class Run:
    """A batch under way.

    Parameters
    ----------
    frame : BatchFrame
        Its records.
    hook : Hook
        What takes them.
    answer : Answer
        Takes what they give, in their order.
    """

    __slots__ = ("answer", "frame", "hook", "is_halting", "n_started")

    def __init__(self, frame: BatchFrame, hook: Hook, answer: Answer) -> None:
        self.frame, self.hook, self.answer, self.n_started = frame, hook, answer, 0
        self.is_halting = hook.is_halting and not frame.is_synchronous
