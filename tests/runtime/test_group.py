"""What a group gives, takes away and gives again, without a broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import BrokerUnreachable, EngineError
from engine.kafka.places import Place
from engine.runtime.group import Group


class Restoring:
    """State that is read when it is let go, or not to its end."""

    fence = None
    n_read = n_total = 0

    def __init__(self, *, is_held: bool = False, error: EngineError | None = None) -> None:
        self.free, self._error = threading.Event(), error
        if not is_held:
            self.free.set()

    def __iter__(self) -> Iterator[Any]:
        self.free.wait(30)
        if self._error is not None:
            raise self._error
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
    is_ending = False

    def __init__(self) -> None:
        self.intakes = {0: SimpleNamespace(number=1, stream=None, rejects=None)}
        self.lanes: dict[tuple[int, int], Any] = {}
        self.dropped: list[frozenset[int]] = []
        self.on_lost: Any = None

    async def restore(self, _task: int, _entries: Any) -> int:
        return 0

    async def drop(self, tasks: Iterable[int]) -> None:
        self.dropped.append(frozenset(tasks))
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


class Fetcher:
    budget_s = 30.0
    is_eager = False

    def __init__(self) -> None:
        self.went: list[tuple[list[int], int]] = []

    def go(self, tasks: Iterable[int], telling: int) -> None:
        self.went.append((list(tasks), telling))

    def retake(self, tasks: frozenset[int]) -> None:
        """Do nothing."""


class Scene:
    def __init__(self, *restorings: Restoring) -> None:
        self.manifold, self.owner, self.fetcher = Manifold(), Owner(), Fetcher()
        inlets = [SimpleNamespace(slot=0, topic="prices", first="earliest")]
        topics = SimpleNamespace(inlets=inlets, group="group", has_changelog=True)
        store: Any = Store(*restorings)
        manifold: Any = self.manifold
        self.group = Group(manifold, store, topics, self.owner, lambda _: self.fetcher)  # type: ignore[arg-type,return-value]
        self._n_tellings = 0

    async def tell(self, offset: int, *tasks: int) -> None:
        self._n_tellings += 1
        places = {task: {0: Place(offset, is_committed=False)} for task in tasks}
        await asyncio.to_thread(self.group.on_assigned, places, self._n_tellings)

    async def settle(self) -> None:
        while self.group._takeovers:
            await asyncio.sleep(0)


def test_an_assignment_that_was_lost_while_state_was_read_is_not_gone_on_with_by_the_next() -> None:
    """The state that was read for the first one is not whole, and its places are old."""

    async def lose_and_assign() -> Scene:
        held = Restoring(is_held=True)
        scene = Scene(held, Restoring())
        await scene.tell(829, 1)
        while not scene.group.restoring:
            await asyncio.sleep(0)
        await asyncio.to_thread(scene.group.on_lost, frozenset({1}))
        await scene.tell(7, 1)
        held.free.set()
        await scene.settle()
        return scene

    scene = asyncio.run(lose_and_assign())
    assert scene.owner.errors == []
    assert scene.manifold.lanes[0, 1].position == 7
    assert scene.fetcher.went == [([1], 2)]


def test_a_task_that_is_told_of_once_more_begins_anew_and_is_gone_on_with_by_the_last_telling() -> None:
    """The first telling's lane has an old place, and whatever it let be read is not to be."""

    async def tell_twice() -> Scene:
        scene = Scene(Restoring(), Restoring(), Restoring())
        await scene.tell(5, 1, 2)
        await scene.settle()
        await scene.tell(7, 1)
        await scene.settle()
        return scene

    scene = asyncio.run(tell_twice())
    assert {place: lane.position for place, lane in scene.manifold.lanes.items()} == {(0, 1): 7, (0, 2): 5}
    assert scene.manifold.dropped == [frozenset({1})]
    assert scene.fetcher.went == [([1], 1), ([2], 1), ([1], 2)]


def test_a_takeover_that_no_broker_answers_is_begun_anew_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.group.PAUSE_S", 0.0)
    silent = BrokerUnreachable("localhost:9092", "nothing came back in time")

    async def take() -> tuple[Scene, list[str]]:
        scene = Scene(Restoring(), Restoring(error=silent), Restoring(error=silent), Restoring())
        troubles: list[str] = []
        note = scene.group.on_fetch_trouble
        scene.group.on_fetch_trouble = lambda reason: (troubles.append(reason), note(reason))[1]  # type: ignore[method-assign]
        await scene.tell(5, 1, 2)
        await scene.settle()
        return scene, troubles

    scene, troubles = asyncio.run(take())
    assert scene.owner.errors == []
    assert scene.fetcher.went == [([1], 1), ([2], 1)], "what was taken over before it is left alone"
    assert scene.manifold.dropped == []
    assert troubles == [str(silent), ""], "it is said once"
    assert scene.group.trouble == ""


def test_a_takeover_that_no_broker_answers_ends_when_the_task_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.group.PAUSE_S", 0.0)

    async def take() -> Scene:
        scene = Scene(*[Restoring(error=BrokerUnreachable("localhost:9092", "no"))] * 10_000)
        await scene.tell(5, 1)
        while not scene.group.trouble:
            await asyncio.sleep(0)
        await asyncio.to_thread(scene.group.on_lost, frozenset({1}))
        await scene.settle()
        return scene

    scene = asyncio.run(take())
    assert (scene.owner.errors, scene.manifold.lanes, scene.fetcher.went) == ([], {}, [])


@pytest.mark.parametrize("budget_s", [0.2, 3.0, 30.0])
def test_a_group_waits_no_longer_than_its_budget_for_tasks_that_it_takes_away(budget_s: float) -> None:
    """Beyond it the group may wait no longer for the engine."""

    async def release() -> tuple[float, float]:
        scene, limits = Scene(), []

        async def note(_tasks: frozenset[int], limit_s: float) -> None:
            limits.append(limit_s)

        scene.group._takeover.release = note  # type: ignore[method-assign]
        waits: list[float] = []
        wait_for = scene.group._wait_for
        scene.group._wait_for = lambda work, limit_s: (waits.append(limit_s), wait_for(work, limit_s))[1]  # type: ignore[method-assign]
        await asyncio.to_thread(scene.group.on_revoked, frozenset({1}), budget_s)
        return limits[0], waits[0]

    limit_s, wait_s = asyncio.run(release())
    assert limit_s < wait_s <= budget_s
