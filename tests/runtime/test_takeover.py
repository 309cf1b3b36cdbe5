import asyncio
from types import SimpleNamespace

import pytest

from engine.errors import OffsetsDisagree, StateIncompatible
from engine.kafka.places import Inlet, Place
from engine.runtime.takeover import N_DOUBTS, Takeover
from engine.state.commits import Entry, Fence, InputFence, TaskFence

INLETS = (Inlet(0, "prices"), Inlet(2, "trades"))


class Restoring:
    """What a task left behind: entries, and where its inputs stand."""

    n_read = n_total = 0
    waits_for = ""

    def __init__(self, positions=None, entries=(), keys=None):
        self.entries = entries
        fences = {slot: InputFence(slot, position) for slot, position in (positions or {}).items()}
        self.fence = (
            Fence(1, "m", "d", keys or {}, tasks={0: TaskFence(fences), 1: TaskFence(fences)}) if fences else None
        )

    def __iter__(self):
        return iter(self.entries)

    def close(self):
        pass


class Manifold:
    """Notes what it is told; its jets keep what was restored."""

    def __init__(self):
        script = SimpleNamespace(name="m", keys={}, is_stateless=False)
        self.crew = SimpleNamespace(model=SimpleNamespace(script=script))
        stream = object()
        self.intakes = {slot: SimpleNamespace(number=slot, stream=stream, rejects=None) for slot in (0, 2)}
        self.lanes, self.owned, self.restored, self.said = {}, set(), [], []

    async def restore(self, task, entries):
        self.restored.append((task, list(entries)))
        self.owned.add(task)
        return 0

    def add_lanes(self, lanes):
        self.lanes |= {(lane.slot, lane.task): lane for lane in lanes}

    async def pin_lanes(self):
        self.said.append("pin")

    async def release(self, tasks):
        self.owned -= set(tasks)
        await self.park(tasks)

    async def park(self, tasks):
        tasks = frozenset(tasks)
        self.lanes = {place: lane for place, lane in self.lanes.items() if lane.task not in tasks}
        return tasks

    async def drop(self, tasks):
        self.said.append(("drop", tasks))

    def put_hook_outputs(self, frames, task):
        self.said.append((frames, task))


class Fetcher:
    def __init__(self, *, is_eager):
        self.is_eager, self.going, self.retaken = is_eager, [], []

    def go(self, tasks, telling):
        self.going += tasks

    def more(self, slot, task):
        pass

    def retake(self, tasks):
        self.retaken += tasks


class Scene:
    def __init__(self, restoring, *, is_eager=True, frames=()):
        self.restoring, self.manifold, self.fetcher = restoring, Manifold(), Fetcher(is_eager=is_eager)
        store = SimpleNamespace(restore=lambda task: self.restoring)
        topics = SimpleNamespace(inlets=INLETS, has_changelog=True, group="g", model="m")
        self.takeover = Takeover(self.manifold, store, topics, self.fetcher, frames)

    async def give(self, *tasks, at, is_committed=True):
        places = {task: {0: Place(at, is_committed), 2: Place(at, is_committed)} for task in tasks}
        self.takeover.want(places, 1)
        await self.takeover.take(places)


def test_a_new_task_begins_where_the_stream_says_and_that_is_committed():
    async def test():
        scene = Scene(Restoring(), frames=("begun",))
        await scene.give(0, 1, at=7, is_committed=False)
        assert {place: lane.position for place, lane in scene.manifold.lanes.items()} == {
            (0, 0): 7,
            (2, 0): 7,
            (0, 1): 7,
            (2, 1): 7,
        }
        assert scene.manifold.said == [(("begun",), 0), "pin"]
        assert scene.fetcher.going == [0, 1]

    asyncio.run(test())


def test_the_last_value_of_each_key_is_restored_and_what_is_forgotten_is_not():
    async def test():
        entries = [
            Entry("script", b"a", "n", b"1"),
            Entry("script", b"b", "n", b"1"),
            Entry("cells", b"", "c", b"9"),
            Entry("script", b"a", "n", b"2"),
            Entry("script", b"b", "n", None),
        ]
        scene = Scene(Restoring({0: 5, 2: 5}, entries))
        await scene.give(1, at=5)
        assert scene.manifold.restored == [(1, [Entry("script", b"a", "n", b"2")])]
        assert scene.manifold.said == []

    asyncio.run(test())


@pytest.mark.parametrize(
    ("state", "at", "is_committed", "words"),
    [
        (5, 6, True, "at offset 6 .*belongs to offset 5: somebody .*--to state, or .*--to group --keep-state"),
        (5, 5, False, "belongs to offset 5 .*has committed nothing .*--group g --model m --to state$"),
        (None, 5, True, "at offset 5 .*'m' has no state there: .*--group g --model m --to group$"),
    ],
)
def test_a_group_that_stands_elsewhere_than_the_state_is_refused_with_what_mends_it(state, at, is_committed, words):
    async def test():
        scene = Scene(Restoring(None if state is None else {0: state, 2: state}))
        for n_doubts in range(1, N_DOUBTS + 1):
            await scene.give(0, at=at, is_committed=is_committed)
            assert scene.fetcher.retaken == [0] * n_doubts
        with pytest.raises(OffsetsDisagree, match=words):
            await scene.give(0, at=at, is_committed=is_committed)
        assert scene.fetcher.going == []

    asyncio.run(test())


def test_a_group_that_has_gone_on_meanwhile_is_asked_once_more():
    """Of an engine that stood still: the state is of later than what the group had said before."""

    async def test():
        scene = Scene(Restoring({0: 5, 2: 5}))
        for at in (4, 5, 4, 5):
            await scene.give(0, at=at)
            scene.manifold.lanes.clear()
        assert (scene.fetcher.retaken, scene.fetcher.going) == ([0, 0], [0, 0])
        assert len(scene.manifold.restored) == 2
        await scene.give(0, 1, at=4)
        assert scene.fetcher.retaken == [0, 0, 0, 1]

    asyncio.run(test())


def test_state_that_was_kept_by_another_key_is_refused():
    async def test():
        scene = Scene(Restoring({0: 5, 2: 5}, [Entry("script", b"a", "n", b"1")], keys={0: "symbol"}))
        with pytest.raises(StateIncompatible, match=r"symbol on slot 0.*--group g --model m --to group --clear-state"):
            await scene.give(0, at=5)

    asyncio.run(test())


def test_a_script_with_another_key_goes_on_where_the_state_was_cleared():
    async def test():
        scene = Scene(Restoring({0: 5, 2: 5}, keys={0: "symbol"}))
        await scene.give(0, at=5)
        assert scene.fetcher.going == [0]

    asyncio.run(test())


@pytest.mark.parametrize(
    ("is_eager", "at", "is_owned", "n_restored"),
    [(True, 5, True, 1), (True, 6, True, 2), (True, 5, False, 2), (False, 5, True, 2)],
    ids=["it comes back as it was", "somebody else had it", "an abort took it", "the group takes only what moves"],
)
def test_a_task_that_comes_back_is_restored_unless_the_jets_have_its_state(is_eager, at, is_owned, n_restored):
    async def test():
        scene = Scene(Restoring({0: 5, 2: 5}), is_eager=is_eager)
        await scene.give(0, at=5)
        await scene.takeover.release(frozenset({0}), 10)
        assert scene.manifold.lanes == {}
        if not is_owned:
            scene.manifold.owned.clear()
        scene.restoring = Restoring({0: at, 2: at})
        await scene.give(0, at=at)
        assert [task for task, _ in scene.manifold.restored] == [0] * n_restored
        assert {lane.position for lane in scene.manifold.lanes.values()} == {at}

    asyncio.run(test())


def test_a_parked_task_that_does_not_come_back_is_let_go_of():
    async def test():
        scene = Scene(Restoring({0: 5, 2: 5}))
        await scene.give(0, 1, at=5)
        await scene.takeover.release(frozenset({0, 1}), 10)
        assert scene.manifold.owned == {0, 1}
        await scene.give(1, at=5)
        assert scene.manifold.owned == {1}

    asyncio.run(test())


def test_what_is_not_through_within_its_budget_is_dropped():
    async def test():
        scene = Scene(Restoring({0: 5, 2: 5}), is_eager=False)
        await scene.give(0, at=5)
        scene.manifold.release = lambda tasks: asyncio.sleep(3600)
        await scene.takeover.release(frozenset({0}), 0.01)
        assert scene.manifold.said == [("drop", frozenset({0}))]

    asyncio.run(test())


def test_a_task_that_is_taken_away_while_its_state_is_read_is_not_begun():
    async def test():
        scene = Scene(Restoring({0: 5, 2: 5}))
        places = {0: {0: Place(5, is_committed=True), 2: Place(5, is_committed=True)}}
        scene.takeover.want(places, 1)
        scene.takeover.unwant([0])
        await scene.takeover.take(places)
        assert scene.manifold.lanes == {}
        assert scene.fetcher.going == []

    asyncio.run(test())
