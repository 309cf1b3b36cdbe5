import pytest

from engine.errors import SlotsUnfit
from engine.runtime import EngineState
from tests.runtime.conftest import stream

ECHO = "def action(x):\n    yield x\n"
REST = {"Transport": "REST", "Encoding": "json"}
TOPIC = {"Transport": {"Type": "Kafka", "BootstrapServers": ["nobody:1"], "Topic": "prices"}, "Encoding": "json"}


@pytest.mark.parametrize("slot", [0, 1])
def test_a_topic_cannot_be_attached_to_an_engine_that_works_without(rig, within, slot):
    async def test():
        engine = await rig.rest(rig.model(ECHO))
        with pytest.raises(SlotsUnfit, match=f"Topic 'prices' cannot be attached to slot {slot}.* while the engine"):
            await engine.attach(slot, stream(TOPIC))
        assert engine.state is EngineState.RUNNING
        assert engine.streams[slot].transport == "REST"

    within(test)


def test_a_topic_waits_on_its_slot_until_the_others_have_their_streams(rig, within):
    async def test():
        engine = rig.engine()
        await engine.load(rig.model(ECHO))
        await engine.attach(1, stream(TOPIC, "out"))
        assert engine.state is EngineState.INIT
        assert engine.inspect().waits_for == ["a stream on slot 0"]
        assert "Slot 1 (out): exactly once, for readers of what is committed" in engine.promise()[0]
        await engine.detach(1)
        assert engine.streams == {}

    within(test)
