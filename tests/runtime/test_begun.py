"""What begin() gave is written by whoever has the first task, once, whatever becomes of the first commits."""

import asyncio
import json

import pytest

from engine.runtime.lanes import Lane
from engine.state.commits import InputFence
from tests.runtime.partitions import LOST, TRIED, begin, until, values

BEGUN = """
total = 0

def begin():
    yield -1

def action(x):
    global total
    total += x
    yield [x, total]
"""
RECORDS = [[b"1"] * 5, [b"1"] * 5]
SUMS = [[1, n + 1] for n in range(5)]


async def take_first(partitions, log, frames):
    """Take the first task over, as an engine does that its group gives it."""
    fence = log.offsets.get(0)
    await partitions.take([0])
    if fence is None or not fence.has_begun:
        partitions.manifold.put_hook_outputs(frames, 0)


@pytest.mark.parametrize("error", [None, TRIED, LOST], ids=["kept", "aborted", "lost"])
def test_it_is_written_once_though_the_first_commit_comes_to_nothing(rig, within, error):
    async def test():
        engine, partitions, log, _ = await begin(rig, BEGUN, RECORDS)
        frames = await engine.manifold.crew.jets[0].begin()
        log.aborts = [error]
        await take_first(partitions, log, frames)
        if error is LOST:
            await until(lambda: partitions.lost)
            await take_first(partitions, log, frames)
        await until(lambda: partitions.is_through([0]))
        assert sorted(map(str, values(log)[0])) == sorted(map(str, [-1, *SUMS]))
        assert log.offsets[0].has_begun

    within(test)


def test_a_commit_without_it_says_that_it_is_not_written(rig, within):
    async def test():
        engine, partitions, log, topic = await begin(rig, BEGUN, RECORDS)
        frames = await engine.manifold.crew.jets[0].begin()
        await engine.manifold.restore(0, [])
        topic.gate.clear()
        await partitions.take([1])
        await until(lambda: topic.is_waiting)  # what is being written holds nothing of the task that comes now
        lane = Lane(2, 0, InputFence(0), partitions.stream, None, partitions.on_more)
        partitions.lanes[0], partitions.read[0], partitions.credit[0] = lane, 0, 2
        engine.manifold.add_lanes([lane])
        engine.manifold.put_hook_outputs(frames, 0)
        partitions.feed(0)
        topic.gate.set()
        await until(lambda: partitions.is_through([0, 1]))
        said = [commit.fence.tasks[0].has_begun for commit in log.commits if 0 in commit.fence.tasks]
        assert said == sorted(said)
        assert (said[0], said[-1]) == (False, True)
        assert [json.loads(value) for value, _ in log.topics["out"]].count(-1) == 1

    within(test)


@pytest.mark.parametrize("verb", ["release", "drop"])
def test_a_first_task_that_goes_leaves_it_written_or_to_the_next_owner(rig, within, verb):
    async def test():
        engine, partitions, log, topic = await begin(rig, BEGUN, [[], RECORDS[1]])
        frames = await engine.manifold.crew.jets[0].begin()
        topic.gate.clear()
        await take_first(partitions, log, frames)
        await until(lambda: topic.is_waiting)
        going = asyncio.create_task(getattr(partitions, verb)([0]))
        await asyncio.sleep(0.01)
        topic.gate.set()
        await going
        assert [json.loads(value) for value, _ in log.topics["out"]] == ([-1] if verb == "release" else [])
        await take_first(partitions, log, frames)
        await partitions.take([1])
        await until(lambda: partitions.is_through([1]) and log.offsets.get(0) is not None)
        await engine.manifold.settled()
        assert values(log) == {0: [-1], 1: SUMS}
        assert log.offsets[0].has_begun

    within(test)
