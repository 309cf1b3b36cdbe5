import pytest

from engine.errors import SlotsUnfit
from engine.runtime import EngineState
from tests.runtime.conftest import stream

ECHO = "def action(x):\n    yield x\n"
BY_MESSAGE_KEY = "# engine.key.0: $key\nn = 0\ndef action(x):\n    global n\n    n += 1\n    yield n\n"
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


def test_a_script_that_keeps_its_state_by_message_keys_takes_topics_alone(rig, within):
    async def test():
        engine = rig.engine()
        await engine.load(rig.model(BY_MESSAGE_KEY))
        with pytest.raises(SlotsUnfit, match=r"by the message key \(# engine.key.0: \$key\).* those of REST have none"):
            await engine.attach(0, stream(REST))
        await engine.attach(0, stream(TOPIC))
        assert list(engine.streams) == [0]

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
