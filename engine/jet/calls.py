"""Calls that wait to be answered as one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.sdk.batching import MAX_SIZE, Call

if TYPE_CHECKING:
    from engine.jet.action import Action


MIN_ROWS_APART = 32
"""From how many rows on it pays to hand a batch to another thread."""


class Raised(NamedTuple):
    """In place of an answer: what the call has raised."""

    error: BaseException


class Group:
    """The actions that wait for calls of one kind, in the order in which they came to them."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.n_rows = 0
        self.max_rows = MAX_SIZE

    @property
    def is_full(self) -> bool:
        """Whether nothing is to be gained by waiting on."""
        return self.n_rows >= self.max_rows

    @property
    def n_lanes(self) -> int:
        """How many batches of such calls may be made at once while other records go on; 0 if that is not worth it."""
        return self.actions[0].call_of().n_lanes if self.n_rows >= MIN_ROWS_APART else 0

    @property
    def deadline_s(self) -> float:
        """Until when the oldest call would wait for more rows, on the clock `time.perf_counter`."""
        call = self.actions[0].call_of()
        return call.begun_s + call.max_wait_s

    def add(self, action: Action) -> None:
        """Take an action, whose call is known."""
        call = action.call_of()
        self.actions.append(action)
        self.n_rows, self.max_rows = self.n_rows + call.n_rows, call.max_rows

    def remove(self, action: Action) -> None:
        """Forget an action, if it waits here."""
        if action in self.actions:
            self.actions.remove(action)
            self.n_rows -= action.call_of().n_rows

    def take(self) -> list[Action]:
        """Take out the oldest, as many as make a batch: one at least."""
        n_taken = n_rows = 0
        for action in self.actions:
            n_rows += action.call_of().n_rows
            if n_taken and n_rows > self.max_rows:
                break
            n_taken += 1
        batch, self.actions = self.actions[:n_taken], self.actions[n_taken:]
        self.n_rows = sum(action.call_of().n_rows for action in self.actions)
        return batch


def count_waiting(calls: Sequence[Call]) -> None:
    """Note for how long calls have waited that are made now."""
    now_s = time.perf_counter()
    for call in calls:
        call.statistics.waiting_s += (now_s - call.begun_s) * call.n_rows


def answers_to(calls: Sequence[Call]) -> list[Any]:
    """Make calls as one; if that raises, those of each half, until only the bad ones are left out.

    Returns
    -------
    list
        For each its answer, or `Raised`.
    """
    try:
        return list(calls[0].run([call.inputs for call in calls]))
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # noqa: BLE001 -- the script may raise anything
        if len(calls) == 1:
            return [Raised(exc)]
    middle = len(calls) // 2
    return answers_to(calls[:middle]) + answers_to(calls[middle:])
