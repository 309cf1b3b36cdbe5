"""A fault of the engine itself ends it with a sentence; before, its records waited for ever."""

import asyncio

import pytest

from engine.errors import EngineError
from engine.runtime import EngineState
from engine.runtime.faults import Faults
from engine.runtime.line import Line
from engine.runtime.manifold import Manifold

SOURCE = "def action(x):\n    yield x\n"


def test_a_callback_that_raises_stops_the_engine(rig, within, monkeypatch):
    def put(self, work):
        raise NameError("name 'cast' is not defined")

    monkeypatch.setattr(Line, "put", put)

    async def test():
        engine, outputs = await rig.run(rig.model(SOURCE), 1, 2, 3)
        assert (engine.state, outputs) == (EngineState.ERROR, {1: []})
        assert "A fault of the engine itself: NameError: name 'cast' is not defined" in str(engine.error)
        assert isinstance(engine.error.__cause__, NameError)

    within(test)


def test_what_is_raised_when_a_jet_is_there_again_stops_the_engine(rig, within, monkeypatch):
    def on_ready(self):
        raise NameError("name 'pump' is not defined")

    monkeypatch.setattr(Manifold, "on_ready", on_ready)
    died = rig.folder / "died"  # once: the task of the first restart is kept then
    source = (
        f"import os\n\ndef action(x):\n    if x == 2 and not os.path.exists('{died}'):\n        os.mkdir('{died}')\n"
    )
    source += "        os._exit(3)\n    yield x\n"

    async def test():
        engine, _ = await rig.run(rig.model(source), 1, 2, 3)
        assert "A fault of the engine itself: NameError: name 'pump' is not defined" in str(engine.error)

    within(test)


@pytest.mark.parametrize(
    ("context", "is_told"),
    [
        ({"exception": ValueError("no"), "handle": None}, True),
        ({"exception": ValueError("no"), "future": None}, True),
        ({"exception": ValueError("no"), "transport": None, "protocol": None}, False),
        ({"exception": KeyboardInterrupt(), "handle": None}, False),
        ({"handle": None}, False),
    ],
    ids=["a callback", "a task", "a connection", "Ctrl-C", "no error"],
)
def test_what_is_no_fault_is_left_to_whoever_was_told_before(context, is_told):
    faults, others = [], []

    def on_fault(fault):
        asyncio.get_running_loop()
        faults.append(fault)

    async def test():
        loop = asyncio.get_running_loop()

        def other(_loop, context):
            others.append(context)

        loop.set_exception_handler(other)
        watching = Faults(on_fault)
        for _ in range(2):
            watching.begin()
        await asyncio.to_thread(loop.call_exception_handler, context | {"message": "it has raised"})
        await asyncio.sleep(0)
        for _ in range(2):
            watching.end()
        assert loop.get_exception_handler() is other

    asyncio.run(test())
    assert (len(faults), len(others)) == (is_told, not is_told)
    assert all(isinstance(fault, EngineError) and fault.__cause__ is context["exception"] for fault in faults)


def test_whoever_listens_later_goes_on_listening():
    async def test():
        first, second = Faults(print), Faults(print)
        first.begin()
        second.begin()
        first.end()
        assert asyncio.get_running_loop().get_exception_handler() == second._handle

    asyncio.run(test())
