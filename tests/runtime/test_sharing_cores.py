"""Real jets get their part of the cores, also when there are more of them; and what their predictors did is known."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from engine import metrics
from engine.runtime.watch import Watch

TELLS = "import os\ndef action(x):\n    yield [int(os.environ['ENGINE_THREADS']), os.environ.get('ENGINE_DEVICE')]\n"
COUNTS = "n = 0\ndef action(x):\n    global n\n    n += x\n    yield n\n"
PREDICTS = """
import numpy as np
from engine.inference import Predictor, Tensor

def begin():
    global double
    row = [Tensor("x", np.dtype("float32"), (None,))]
    double = Predictor(lambda arrays: [2 * arrays[0]], row, row, "cpu", name="double.onnx", backend="test")

def action(x):
    yield float(double([x])[0])
"""


async def until(is_true):
    while not is_true():
        await asyncio.sleep(0.01)


def threads_of(engine):
    return [jet.n_threads for jet in engine.inspect().jets]


def test_jets_that_come_later_get_less_and_those_that_run_keep_what_they_have(rig, within):
    async def test():
        engine = await rig.rest(rig.model(TELLS), n_cpus=4, device="cpu")
        assert await engine.score(b"1") == [b'[4,"cpu"]']
        await engine.scale(2)
        assert threads_of(engine) == [4, 2]
        assert engine.inspect().plan.sentence.startswith("4 cores (given) for the engine and 2 jets; 2 threads")
        first = engine.inspect().jets[0].pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: threads_of(engine) == [2, 2])

    within(test)


@pytest.mark.parametrize(("n_cpus", "has_core"), [(1, False), (2, True)])
def test_a_jet_stays_awake_only_where_a_core_is_left_for_the_engine(rig, within, n_cpus, has_core):
    async def test():
        engine = await rig.rest(rig.model(TELLS), n_cpus=n_cpus)
        command = Path(f"/proc/{engine.inspect().jets[0].pid}/cmdline").read_bytes().split(b"\0")
        assert (b"--has-core" in command) == has_core
        assert len([await engine.score(b"1") for _ in range(3)]) == 3

    within(test)


def test_a_jet_that_waits_for_another_ones_state_takes_nothing_from_it(rig, within):
    async def test():
        engine = await rig.rest(rig.model(COUNTS), n_cpus=4, n_jets=2)
        assert engine.inspect().plan.n_jets == 1
        assert threads_of(engine) == [4, 4]

    within(test)


def test_a_script_in_this_process_is_told_and_leaves_nothing_behind(rig, within, monkeypatch):
    monkeypatch.setenv("ENGINE_THREADS", "9")
    monkeypatch.delenv("ENGINE_DEVICE", raising=False)

    async def test():
        engine = await rig.rest(rig.model(TELLS), is_inline=True, n_cpus=3, device="cpu")
        assert await engine.score(b"1") == [b'[3,"cpu"]']
        await engine.close()
        rig.engines.clear()

    within(test)
    assert (os.environ["ENGINE_THREADS"], "ENGINE_DEVICE" in os.environ) == ("9", False)


def test_a_second_jet_on_a_gpu_is_advised_against(rig, within):
    async def test():
        engine = await rig.rest(rig.model(TELLS), n_cpus=1, device="gpu:0,cpu")
        assert engine.inspect().model.notes == []
        scaled = await engine.scale(2)
        assert scaled.note.startswith("Each of 2 jets has a copy of the weights of its own on gpu:0,cpu.")
        assert engine.inspect().model.notes == [scaled.note]

    within(test)


def test_predictors_are_counted_over_a_jet_that_ends_and_until_they_are_unloaded(rig, within):
    def n_rows(engine):
        return sum(one.n_rows for one in engine.inspect().predictors)

    async def test():
        engine = await rig.rest(rig.model(PREDICTS), n_cpus=2, device="gpu:0,cpu")
        assert await engine.score(b"1") == [b"2.0"]
        await until(lambda: n_rows(engine) == 1)
        pid = engine.inspect().jets[0].pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: engine.inspect().jets[0].pid not in (pid, None))
        await engine.accept(0, [b"1", b"2", b"3"])
        await until(lambda: n_rows(engine) == 4)
        [info] = engine.inspect().predictors
        assert (info.name, info.backend, info.device) == ("double.onnx", "test", "cpu")
        assert metrics.REGISTRY.get_sample_value("engine_predictor_rows_total", {"predictor": "double.onnx"}) == 4
        profile = await engine.profile()
        assert (profile.queue.count, profile.action.count, profile.score.count) == (4, 4, 1)
        assert profile.predictors == [info]
        scaled = await engine.scale(2)
        assert scaled.note.startswith("Threads of a predictor: 1 in a jet that is started now.")
        await engine.reset()
        assert (engine.inspect().predictors, await engine.profile()) == ([], None)

    within(test)


class FakeJet:
    def __init__(self, n_in_flight):
        self.n_in_flight, self.n_records = n_in_flight, 0

    def watch(self, now_s): ...


class FakeManifold:
    is_heard = True


@pytest.mark.parametrize(
    ("n_in_flight", "n_more", "is_heard", "is_silent"),
    [(1, 0, True, True), (1, 5, True, False), (0, 0, True, False), (1, 0, False, False)],
)
def test_a_jet_is_silent_that_has_work_and_answers_nothing(n_in_flight, n_more, is_heard, is_silent):
    async def test():
        watch, jet = Watch(FakeManifold(), None, lambda: None), FakeJet(n_in_flight)
        watch._manifold.is_heard = is_heard
        now_s = asyncio.get_running_loop().time()
        watch._listen([jet], now_s - 30)
        jet.n_records += n_more
        watch._listen([jet], now_s)
        assert (watch.silence_s(jet) > 29) is is_silent
        assert watch.silence_s(FakeJet(1)) == 0

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(test())
