"""However often commits are aborted, tasks go and come, and jets end: outputs and states are those of a calm run."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.runtime import EngineState
from engine.state import unpack
from tests.runtime.conftest import Rig
from tests.runtime.partitions import LOST, TRIED, Partitions, begin, values

pytestmark = pytest.mark.integration  # its jets are processes

N_TASKS, N_RECORDS = 3, 400
ALL = range(N_TASKS)

STATE = """
# engine.on_error: reject
total = 0

def action(x):
    global total
    total += x
    if x % 50 == 13:
        raise RuntimeError("no")
    yield [x, total]
"""

KEYED = """
# engine.key.0: k
total = 0

def action(record):
    global total
    total += record["x"]
    yield [record["x"], total]
"""

CELL = """
from engine import cells

def action(x):
    cells("seen").update(lambda total: (total or 0) + x)
    yield [x, x]
"""

BARE = """
def action(x):
    yield [x, x]
"""


def number(task: int, i: int) -> int:
    return 1000 * task + i


def raw(kind: str, task: int, i: int) -> bytes:
    x = number(task, i)
    return b'{"k": %d, "x": %d}' % (i % 3, x) if kind == "keyed" else b"%d" % x


def expected(kind: str, task: int) -> tuple[list[list[int]], dict[int, int]]:
    """Return the outputs of a task, and by key its totals."""
    outputs, totals = [], dict[int, int]()
    for i in range(N_RECORDS):
        x, key = number(task, i), i % 3 if kind == "keyed" else 0
        totals[key] = totals.get(key, 0) + x
        if kind in ("bare", "cell"):
            outputs.append([x, x])
        elif not (kind == "state" and x % 50 == 13):
            outputs.append([x, totals[key]])
    return outputs, totals


class Trouble:
    """Does to an engine what Kafka, and people, do to it."""

    def __init__(self, engine: Any, partitions: Partitions, log: Any, topic: Any) -> None:
        self.engine, self.partitions, self.log, self.topic = engine, partitions, log, topic

    @property
    def owned(self) -> list[int]:
        return sorted(self.partitions.lanes)

    async def abort(self, _: int) -> None:
        self.log.aborts.append(TRIED)

    async def lose(self, _: int) -> None:
        self.log.aborts.append(LOST)

    async def abort_in_sink(self, _: int) -> None:
        self.topic.aborts.append(TRIED)

    async def release(self, task: int) -> None:
        await self.partitions.release([one for one in self.owned if one == task])

    async def release_and_drop(self, task: int) -> None:
        releasing = asyncio.create_task(self.partitions.release([task]))
        await asyncio.sleep(0)
        await self.partitions.drop([task])
        await releasing

    async def abort_and_release(self, _: int) -> None:
        self.log.aborts.append(TRIED)
        await self.partitions.release(self.owned)

    async def drop(self, task: int) -> None:
        await self.partitions.drop([task])

    async def take(self, _: int) -> None:
        await self.partitions.take([one for one in ALL if one not in self.owned])

    async def kill(self, _: int) -> None:
        for jet in self.engine.manifold.crew.jets:
            if jet.pid is not None:
                os.kill(jet.pid, signal.SIGKILL)

    async def pause(self, _: int) -> None:
        await self.engine.pause()
        await asyncio.sleep(0.01)
        await self.engine.unpause()

    async def pin(self, _: int) -> None:
        await self.engine.manifold.pin_lanes()

    async def hold(self, _: int) -> None:
        self.log.gate.clear()
        asyncio.get_running_loop().call_later(0.05, self.log.gate.set)

    async def wait(self, _: int) -> None:
        await asyncio.sleep(0.02)

    async def end(self) -> None:
        """Have everything scored and committed, once nothing stands in the way."""
        self.log.aborts.clear()
        self.topic.aborts.clear()
        async with asyncio.timeout(60):
            while not self.partitions.is_through(ALL):
                await self.take(0)
                await asyncio.sleep(0.01)
        await self.engine.manifold.settled()


async def run(folder: Path, kind: str, steps: list[tuple[str, int]], n_jets: int) -> Any:
    rig = Rig(folder)
    source = {"state": STATE, "keyed": KEYED, "cell": CELL, "bare": BARE}[kind]
    records = [[raw(kind, task, i) for i in range(N_RECORDS)] for task in ALL]
    engine, partitions, log, topic = await begin(
        rig, source, records, n_jets=n_jets, n_restarts=1000, commit_interval_s=0.01
    )
    try:
        trouble = Trouble(engine, partitions, log, topic)
        await partitions.take(ALL)
        for verb, task in steps:
            await asyncio.wait_for(getattr(trouble, verb)(task), 30)
        await trouble.end()
        assert engine.state is EngineState.RUNNING
    finally:
        log.gate.set()
        await engine.close()
    return log


TROUBLES = ["abort", "lose", "abort_in_sink", "release", "release_and_drop", "abort_and_release", "drop", "kill"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*TROUBLES, "pause", "pin", "hold", "take", "take", "wait", "wait"]), st.sampled_from(ALL)
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=15)
@given(kind=st.sampled_from(["state", "keyed", "cell", "bare"]), steps=STEPS, n_jets=st.sampled_from([1, 2]))
@example(kind="state", steps=[(verb, 1) for verb in TROUBLES], n_jets=1)
@example(kind="keyed", steps=[("hold", 0), ("lose", 0), ("wait", 0), ("release", 1), ("take", 0)], n_jets=1)
@example(kind="bare", steps=[("hold", 0), ("abort", 0), ("drop", 1), ("kill", 0), ("take", 0)], n_jets=2)
@example(kind="cell", steps=[("abort", 0), ("wait", 0), ("drop", 1), ("kill", 0), ("take", 0), ("lose", 0)], n_jets=2)
def test_outputs_and_states_are_those_of_a_calm_run(kind: str, steps: list[tuple[str, int]], n_jets: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = asyncio.run(run(Path(folder), kind, steps, n_jets))
    found = values(log)
    states: dict[int, dict[bytes, int]] = {task: {} for task in ALL}
    for (_, task, key, _), value in log.state.items():
        states[task][key] = unpack(value)
    for task in ALL:
        outputs, totals = expected(kind, task)
        assert found[task] == outputs
        if kind == "cell":
            assert sum(states[0].values()) == sum(number(one, i) for one in ALL for i in range(N_RECORDS))
        elif kind != "bare":
            assert sorted(states[task].values()) == sorted(totals.values())
