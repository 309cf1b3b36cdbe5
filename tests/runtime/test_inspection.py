"""What the engine says of a model's state when the model is set up."""

import pytest

from engine.errors import ActionFailed
from engine.runtime import EngineState
from tests.runtime.conftest import REST, stream

LOCKED = (
    "import threading\nfrom engine import window\nprices = window(30)\ndef begin():\n    global lock\n"
    "    lock = threading.Lock()\ndef action(x):\n    prices.append(x)\n    with lock:\n        yield x\n"
)


@pytest.mark.parametrize("is_inline", [False, True])
def test_sizes_and_what_cannot_be_kept_are_known_when_begin_has_run(rig, within, is_inline):
    async def test():
        engine = rig.engine(is_inline=is_inline)
        await engine.load(rig.model(LOCKED))
        before = engine.inspect().model
        assert [(name.name, name.size_bytes) for name in before.state] == [("prices", 9), ("lock", None)]
        assert before.notes == []
        await engine.attach(0, stream(REST, "in"))
        await engine.attach(1, stream(REST, "out"))
        model = engine.inspect().model
        advice = "Make it in begin(), and if action() does not change it, say: # engine.shared: lock"
        assert model.notes == [f"lock: _thread.lock cannot be kept. {advice}"]
        assert [name.refusal for name in model.state] == [None, model.notes[0]]

    within(test)


def test_a_declared_name_that_cannot_be_kept_stops_the_start(rig, within):
    async def test():
        engine = rig.engine()
        await engine.load(rig.model(f"# engine.state: lock\n{LOCKED}"))
        await engine.attach(0, stream(REST, "in"))
        with pytest.raises(ActionFailed, match=r"^begin\(\) failed: lock: _thread.lock cannot be kept\.$"):
            await engine.attach(1, stream(REST, "out"))
        assert engine.state is EngineState.ERROR

    within(test)
