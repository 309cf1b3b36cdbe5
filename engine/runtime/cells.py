"""What all jets of an engine share, and who may change it now: the engine's side of cells and pools."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from engine.state.commits import SCRIPT, Entry

Place = tuple[str, bytes, str]
"""Scope, key and name of a value."""

Reply = Callable[[bytes | None], None]


class _Waiting(NamedTuple):
    """A jet that asked for what another one is changing."""

    jet: object
    verb: str
    value: bytes | None
    reply: Reply


class Cells:
    """The values of cells and pools, packed. No input or output, and one thread: the event loop's.

    What a commit takes along, `changes` returns; `confirm` says that it is kept. Until then `rollback` leads back
    before it. Commits are confirmed in their order, and the next one may be taken before.
    """

    def __init__(self) -> None:
        self._values: dict[Place, bytes] = {}
        self._holders: dict[Place, object] = {}
        self._queues: dict[Place, deque[_Waiting]] = {}
        self._before: dict[Place, bytes | None] = {}
        self._unconfirmed: deque[dict[Place, bytes | None]] = deque()

    def __len__(self) -> int:
        return len(self._values)

    @property
    def size_bytes(self) -> int:
        """What they take, packed."""
        return sum(len(key) + len(name) + len(value) for (_, key, name), value in self._values.items())

    def ask(self, jet: object, message: Sequence[object], reply: Reply) -> None:
        """Answer a jet, at once or when the jet that changes the value is through with it.

        Parameters
        ----------
        jet : object
            Who asks.
        message : sequence
            ``[verb, scope, key, name, value]``: ``get``; ``set``; ``take``, which is to get and to keep others from
            changing it; ``put``, which is to set and to let them again; ``release``, which is only to let them.
        reply : callable
            Takes the packed value, or None where there is none. Called once, or never for a jet that was released.

        Raises
        ------
        ValueError
            There is no such verb or scope.
        """
        match message:
            case [str(verb), str(scope), bytes(key), str(name), bytes() | None as value] if scope != SCRIPT:
                place = (scope, key, name)
            case _:
                raise ValueError(f"{message!r:.200} asks for nothing that there is")
        match verb:
            case "get":
                reply(self._values.get(place))
            case "take" | "set" if place in self._holders:
                self._queues.setdefault(place, deque()).append(_Waiting(jet, verb, value, reply))
            case "take" | "set":
                self._serve(place, _Waiting(jet, verb, value, reply))
            case "put" | "release":
                is_holder = self._holders.get(place) is jet
                if is_holder and verb == "put":
                    self._set(place, value)
                reply(None)
                if is_holder:
                    self._let_go(place)
            case _:
                raise ValueError(f"{verb!r} is not a verb of cells")

    def _serve(self, place: Place, waiting: _Waiting) -> None:
        if waiting.verb == "take":
            self._holders[place] = waiting.jet
            waiting.reply(self._values.get(place))
        else:
            self._set(place, waiting.value)
            waiting.reply(None)

    def _set(self, place: Place, value: bytes | None) -> None:
        self._before.setdefault(place, self._values.get(place))
        self._put(place, value)

    def _put(self, place: Place, value: bytes | None) -> None:
        if value is None:
            self._values.pop(place, None)
        else:
            self._values[place] = value

    def _let_go(self, place: Place) -> None:
        del self._holders[place]
        queue = self._queues.get(place)
        while queue and place not in self._holders:
            self._serve(place, queue.popleft())
        if not queue:
            self._queues.pop(place, None)

    def release(self, jet: object) -> None:
        """Forget a jet that has ended: what it held is free, what it asked for is answered no more."""
        for place, queue in list(self._queues.items()):
            left = deque(waiting for waiting in queue if waiting.jet is not jet)
            self._queues[place] = left
            if not left:
                del self._queues[place]
        for place in [place for place, holder in self._holders.items() if holder is jet]:
            self._let_go(place)

    def changes(self) -> list[Entry]:
        """Return what has changed since the last call, for a commit that is to be confirmed or rolled back."""
        before, self._before = self._before, {}
        self._unconfirmed.append(before)
        return [
            Entry(*place, self._values.get(place)) for place, old in before.items() if self._values.get(place) != old
        ]

    def confirm(self) -> None:
        """Note that the oldest changes that were taken, and not confirmed, are kept."""
        self._unconfirmed.popleft()

    def rollback(self) -> None:
        """Go back to what was confirmed last. Who holds what, and who waits, is another matter: see `release`."""
        for before in (self._before, *reversed(self._unconfirmed)):
            for place, value in before.items():
                self._put(place, value)
        self._before, self._unconfirmed = {}, deque()

    def load(self, entries: Iterable[Entry]) -> None:
        """Put back what was committed; entries of scripts' own variables are passed over."""
        for scope, key, name, value, _ in entries:
            if scope != SCRIPT:
                self._put((scope, key, name), value)

    def clear(self) -> None:
        """Forget all values. Nobody may be waiting."""
        self._values, self._holders, self._queues = {}, {}, {}
        self._before, self._unconfirmed = {}, deque()
