"""Inputs with partitions come to their end: end() is the last that is done, whatever topics and the group do yet."""

import asyncio
import json
from types import SimpleNamespace

from engine.kafka.changelog import Restoring
from engine.kafka.places import Inlet, Place
from engine.runtime import EngineState
from engine.runtime.crew import Crew
from engine.runtime.group import Group
from tests.runtime.partitions import begin, until

COUNTED = """
n = 0

def action(x):
    global n
    n += 1
    yield [x, n]

def end():
    yield "end"
"""


async def end_inputs(engine):
    """Do what a group does that finds no more."""
    for intake in engine.manifold.intakes.values():
        intake.is_eof = True
        await intake.stop()
    engine.manifold.check_end()


def test_records_that_come_behind_end_are_left_to_the_next_start(rig, within, monkeypatch):
    async def test():
        engine, partitions, log, _ = await begin(rig, COUNTED, [[b"1"] * 3])
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        end = Crew.end

        async def end_late(crew):
            partitions.records[0] += [b"2"] * 3
            partitions.feed(0)
            return await end(crew)

        monkeypatch.setattr(Crew, "end", end_late)
        await end_inputs(engine)
        assert await engine.wait(EngineState.FINISHED, EngineState.ERROR) is EngineState.FINISHED
        assert [json.loads(value) for value, _ in log.topics["out"]] == [[1, 1], [1, 2], [1, 3], "end"]
        assert log.position(0).position == 3

    within(test)


def test_a_task_that_the_group_gives_to_an_engine_that_has_ended_is_not_taken(rig, within, monkeypatch):
    async def test():
        engine, partitions, *_ = await begin(rig, COUNTED, [[b"1"] * 3])
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        restored = []

        def restore(task):
            restored.append(task)
            return Restoring(None, task)

        topics = SimpleNamespace(inlets=[Inlet(0, "in", "earliest")], group="g", has_changelog=False)
        fetcher = SimpleNamespace(budget_s=30.0, ends={}, is_eager=False, retake=None, hush=lambda: None)
        fetcher.stop = lambda *, is_leaving: said.append(("left", is_leaving))
        group = Group(engine.manifold, SimpleNamespace(restore=restore), topics, engine, lambda _: fetcher)
        engine.link.group, said = group, []
        end, stop = Crew.end, Crew.stop

        async def end_late(crew):
            frames = await end(crew)
            await asyncio.to_thread(group.on_assigned, {1: {0: Place(0, is_committed=True)}}, 1)  # another one has left
            await asyncio.sleep(0)
            return frames

        async def stop_late(crew, jets, **how):
            said.append("stopped")
            await stop(crew, jets, **how)

        monkeypatch.setattr(Crew, "end", end_late)
        monkeypatch.setattr(Crew, "stop", stop_late)
        await end_inputs(engine)
        assert await engine.wait(EngineState.FINISHED, EngineState.ERROR) is EngineState.FINISHED
        assert (restored, said[:2]) == ([], [("left", True), "stopped"])

    within(test)
