"""What a group gives, takes away and gives again, without a broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from engine.errors import EngineError
from engine.kafka.places import Place
from engine.runtime.group import Group


class Restoring:
    """State that is read when it is let go, or not to its end."""

    fence = None
    n_read = n_total = 0

    def __init__(self, *, is_held: bool) -> None:
        self.free = threading.Event()
        if not is_held:
            self.free.set()

    def __iter__(self) -> Iterator[Any]:
        self.free.wait(30)
        return iter(())

    def close(self) -> None:
        """Be heard a little later, as a reader in the midst of a fetch is."""


class Store:
    def __init__(self, *restorings: Restoring) -> None:
        self._left = list(restorings)

    def restore(self, _task: int) -> Restoring:
        return self._left.pop(0)


class Manifold:
    crew = SimpleNamespace(model=None)
    owned: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self.intakes = {0: SimpleNamespace(number=1, stream=None, rejects=None)}
        self.lanes: dict[tuple[int, int], Any] = {}
        self.on_lost: Any = None

    async def restore(self, _task: int, _entries: Any) -> int:
        return 0

    async def drop(self, tasks: frozenset[int]) -> None:
        for task in tasks:
            self.lanes.pop((0, task), None)

    async def pin_lanes(self) -> None:
        """Do nothing."""

    def add_lanes(self, lanes: Any) -> None:
        self.lanes |= {(lane.slot, lane.task): lane for lane in lanes}


class Owner:
    def __init__(self) -> None:
        self.errors: list[EngineError] = []

    def on_broken(self, error: EngineError) -> None:
        self.errors.append(error)


def test_an_assignment_that_was_lost_while_state_was_read_is_not_gone_on_with_by_the_next() -> None:
    """The state that was read for the first one is not whole, and its places are old."""

    async def lose_and_assign() -> tuple[Manifold, Owner]:
        manifold, owner = Manifold(), Owner()
        held = Restoring(is_held=True)
        store = Store(held, Restoring(is_held=False))
        fetcher = SimpleNamespace(budget_s=30.0, go=lambda _tasks: None, retake=lambda _tasks: None)
        inlets = [SimpleNamespace(slot=0, topic="prices")]
        topics = SimpleNamespace(inlets=inlets, group="group", has_changelog=True)
        group = Group(manifold, store, topics, owner, lambda _group: fetcher)  # type: ignore[arg-type,return-value]
        await asyncio.to_thread(group.on_assigned, {1: {0: Place(829, is_committed=True)}})
        while not group.restoring:
            await asyncio.sleep(0)
        await asyncio.to_thread(group.on_lost, frozenset({1}))
        await asyncio.to_thread(group.on_assigned, {1: {0: Place(7, is_committed=False)}})
        held.free.set()
        while group._takeovers:
            await asyncio.sleep(0)
        return manifold, owner

    manifold, owner = asyncio.run(lose_and_assign())
    assert owner.errors == []
    assert manifold.lanes[0, 1].position == 7
