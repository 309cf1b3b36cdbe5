"""The records of one key that are under way: each sees the variables as the one before has left them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from engine.errors import StateError
from engine.jet.action import Action
from engine.state import copied, is_same

Resolve = Callable[[str, str], type]


class Chain:
    """Records of one key (or of all, without keys), in order.

    A record may begin while the one before still waits for a prediction. Then it gets copies of the variables, on the
    assumption that the one before will not touch them any more; `has_kept` tells whether that has held.

    Parameters
    ----------
    place : tuple of int and object
        The task and the key.
    """

    __slots__ = ("actions", "place", "waiting")

    def __init__(self, place: tuple[int, object]) -> None:
        self.place = place
        self.actions: deque[Action] = deque()
        """Those that have begun and do not stand yet."""
        self.waiting: deque[Action] = deque()
        """Those that have not begun, since the one before has to be done first."""

    def is_open(self, *, is_within: bool) -> bool:
        """Tell whether the next record may begin.

        Parameters
        ----------
        is_within : bool
            Whether it may before the one before is done.
        """
        if not self.actions:
            return not self.waiting
        return is_within and not self.waiting and not self.actions[-1].is_turn_awaited

    def join(self, action: Action, resolve: Resolve, *, is_undoable: bool) -> None:
        """Begin a record behind the last one.

        Parameters
        ----------
        is_undoable : bool
            Whether what it finds has to be kept.

        Raises
        ------
        StateError
            It cannot have copies of the variables.
        """
        action.chain = self
        if self.actions:
            last = self.actions[-1]
            if last.values is not None and not last.is_done:
                last.left = copied(last.values, resolve)
                action.before = last.left
                action.values = copied(last.left, resolve)
            elif last.values is not None:
                action.before = copied(last.values, resolve) if is_undoable else None
                action.values = last.values
        self.actions.append(action)

    def has_kept(self, action: Action) -> bool:
        """Tell whether a record has left the variables alone since the next one began."""
        try:
            return all(map(is_same, action.left or (), action.values or ()))
        except StateError:
            return False  # they cannot be kept any more, and could when the next one began

    def cut(self, action: Action) -> list[Action]:
        """Take out all records behind one, and return them in order."""
        gone = []
        while self.actions[-1] is not action:
            gone.append(self.actions.pop())
        return gone[::-1]

    def settle(self) -> Action | None:
        """Let those stand that are done and have none before them; return the last of them if the chain is empty."""
        last = None
        while self.actions and self.actions[0].is_done:
            last = self.actions.popleft()
            last.is_settled = True
        return last if not self.actions else None
