"""A real engine whose streams name the schemas of a registry, and a registry that behaves as it likes."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator

import pytest

from engine.errors import EngineError, RegistryRefused, SlotsUnfit
from engine.runtime import EngineState
from tests.runtime.conftest import END, REST, stream
from tests.stub_registry import StubRegistry

DOUBLE = "# engine.schema.0: double\n# engine.schema.1: double\n"
TWICE = DOUBLE + "def action(x):\n    yield 2 * x\n"
HALF = b"\0\0\0\0\x01" + bytes.fromhex("000000000000e03f")
ONE = bytes.fromhex("000000000000f03f")


@pytest.fixture
def stub() -> Iterator[StubRegistry]:
    with StubRegistry() as stub:
        yield stub


def registry(stub, transport="REST", **fields):
    return stream({"Transport": transport, "Encoding": {"Type": "avro-registry", "Url": stub.url} | fields})


def inline(stub, *records, **fields):
    data = [base64.b64encode(record).decode() for record in records]
    return registry(stub, {"Type": "inline", "DataBinary": data}, **fields)


async def outputs(engine, n_records):
    found = []
    while len(found) < n_records:
        found = (await engine.outputs(1, wait_s=1)).values
    return found


def test_records_of_several_schemas_are_scored_and_outputs_are_registered(rig, within, stub):
    stub.add("double")
    stub.add("int")

    @within
    async def _():
        engine = rig.engine()
        await engine.attach(0, inline(stub, HALF, b"\0\0\0\0\x02\x06", HALF))
        await engine.attach(1, registry(stub, Subject="out"))
        await engine.load(rig.model(TWICE))
        await asyncio.wait_for(engine.wait(*END), 60)
        assert engine.state is EngineState.FINISHED
        values = [b"\0\0\0\0\x01" + value for value in (ONE, bytes.fromhex("0000000000001840"), ONE)]
        assert await outputs(engine, 3) == values

    assert stub.subjects == {"out": [1]}
    assert stub.requests.count("GET /schemas/ids/1") == stub.requests.count("GET /schemas/ids/2") == 1


def test_inline_the_same_comes_out(rig, within, stub):
    stub.add("double")

    @within
    async def _():
        engine = rig.engine(is_inline=True)
        await engine.attach(0, inline(stub, HALF))
        await engine.attach(1, registry(stub, Subject="out"))
        await engine.load(rig.model(TWICE))
        await asyncio.wait_for(engine.wait(*END), 60)
        assert await outputs(engine, 1) == [b"\0\0\0\0\x01" + ONE]


def test_a_record_of_a_schema_that_there_is_not_is_rejected_with_the_reason_and_the_others_are_scored(
    rig, within, stub
):
    stub.add("double")
    stub.add("string")

    @within
    async def _():
        engine = rig.engine()
        await engine.attach(0, inline(stub, HALF, b"\0\0\0\0\x09", b"\0\0\0\0\x02\x02a", b"{}", HALF))
        await engine.attach(1, stream(REST))
        await engine.load(rig.model(TWICE))
        await asyncio.wait_for(engine.wait(*END), 60)
        assert [json.loads(value) for value in await outputs(engine, 2)] == [1.0, 1.0]
        reasons = [reject.reason for reject in engine.rejected()]
        assert [reject.seq_no for reject in engine.rejected()] == [2, 3, 4]
        assert "schema 9 of the registry" in reasons[0]
        assert stub.url in reasons[0]
        assert "double expected, got string" in reasons[1]
        assert "begins with the byte 123" in reasons[2]


@pytest.mark.parametrize("status", [503, 429])
def test_while_the_registry_is_away_a_record_waits_is_not_late_and_then_goes_on(rig, within, stub, status):
    stub.add("double")
    source = "# engine.timeout: 50ms\n# engine.on_error.0: reject\n" + TWICE

    @within
    async def _():
        engine = rig.engine()
        await engine.attach(0, registry(stub))
        await engine.attach(1, stream(REST))
        await engine.load(rig.model(source))
        stub.status = status
        await engine.accept(0, [HALF])
        while not engine.manifold.schemas.waits_for:
            await asyncio.sleep(0)
        assert f"No schema registry answers at {stub.url}" in engine.inspect().fence.trouble
        loop = asyncio.get_running_loop()
        [jet] = engine.manifold.crew.jets
        pid = jet.pid
        for later_s in range(10):  # as the watch would see it, had so much time gone by
            jet.watch(loop.time() + later_s)
        assert engine.rejected() == []
        stub.status = 0
        assert [json.loads(value) for value in await outputs(engine, 1)] == [1.0]
        assert engine.manifold.crew.jets[0].pid == pid
        assert engine.inspect().fence.trouble == ""
        assert engine.rejected() == []


def test_a_jet_that_is_killed_while_it_waits_is_no_fault_of_its_record(rig, within, stub):
    stub.add("double")

    @within
    async def _():
        engine = rig.engine(restart_backoff_s=0.0)
        await engine.attach(0, registry(stub))
        await engine.attach(1, stream(REST))
        await engine.load(rig.model("# engine.on_error.0: reject\n" + TWICE))
        stub.status = 503
        await engine.accept(0, [HALF])
        for _ in range(3):
            while not engine.manifold.schemas._asking:
                await asyncio.sleep(0.001)
            [jet] = engine.manifold.crew.jets
            n_restarts = jet.n_restarts
            jet._runner.kill()
            while jet.n_restarts == n_restarts or not jet.is_ready:
                await asyncio.sleep(0.001)
        stub.status = 0
        assert [json.loads(value) for value in await outputs(engine, 1)] == [1.0]
        assert engine.rejected() == []


def test_a_registry_that_turns_us_away_stops_the_engine_and_nothing_is_rejected(rig, within, stub):
    stub.add("double")

    @within
    async def _():
        engine = rig.engine()
        await engine.attach(0, registry(stub))
        await engine.attach(1, stream(REST))
        await engine.load(rig.model(TWICE))
        stub.user = "Basic somebody"
        await engine.accept(0, [HALF])
        await asyncio.wait_for(engine.wait(*END), 60)
        assert engine.state is EngineState.ERROR
        assert isinstance(engine.error, RegistryRefused)
        assert engine.rejected() == []


@pytest.mark.parametrize("is_model_first", [True, False])
def test_an_output_whose_subject_does_not_take_its_schema_keeps_the_model_from_starting(
    rig, within, stub, is_model_first
):
    stub.add("string", "out")
    stub.refused = {"out"}

    @within
    async def _():
        engine, model = rig.engine(), rig.model(TWICE)
        await engine.attach(0, stream(REST))
        if is_model_first:
            await engine.load(model)
        attach = engine.attach(1, registry(stub, Subject="out"))
        if not is_model_first:
            await attach
        with pytest.raises(RegistryRefused, match="'out' does not take the schema 'double'"):
            await (attach if is_model_first else engine.load(model))
        assert engine.state is EngineState.INIT


def test_an_input_whose_subject_has_what_the_model_cannot_read_is_refused(rig, within, stub):
    stub.add("string", "in")

    @within
    async def _():
        engine = rig.engine()
        await engine.load(rig.model(TWICE))
        with pytest.raises(SlotsUnfit, match=r"'in'.*double expected, got string"):
            await engine.attach(0, registry(stub, Subject="in"))


def test_a_registry_that_is_away_at_the_start_is_asked_when_the_first_output_comes(rig, within, stub):
    stub.status = 503

    @within
    async def _():
        engine = rig.engine()
        await engine.attach(0, stream(REST))
        await engine.attach(1, registry(stub, Subject="out"))
        await engine.load(rig.model(TWICE))
        await engine.accept(0, [b"0.5"])
        while not engine.manifold.schemas._asking:
            await asyncio.sleep(0.001)
        stub.status = 0
        assert await outputs(engine, 1) == [b"\0\0\0\0\x01" + ONE]


def test_what_begin_gives_is_written_with_the_registered_schema_too(rig, within, stub):
    source = DOUBLE + "def begin():\n    yield 0.5\n\ndef action(x):\n    yield x\n"

    @within
    async def _():
        engine = rig.engine()
        await engine.attach(0, stream(REST))
        await engine.attach(1, registry(stub, Subject="out"))
        await engine.load(rig.model(source))
        assert await outputs(engine, 1) == [HALF]


@pytest.mark.parametrize("policy", ["stop", "reject", "skip"])
def test_an_output_that_is_refused_only_when_it_comes_stops_the_engine_whatever_becomes_of_bad_records(
    rig, within, stub, policy
):
    stub.add("string", "out")
    stub.refused, stub.status = {"out"}, 503

    @within
    async def _():
        engine = rig.engine()
        await engine.attach(0, stream(REST))
        await engine.attach(1, registry(stub, Subject="out"))
        await engine.load(rig.model(f"# engine.on_error.0: {policy}\n{TWICE}"))
        await engine.accept(0, [b"0.5"])
        while not engine.manifold.schemas._asking:
            await asyncio.sleep(0.001)
        stub.status = 0
        await asyncio.wait_for(engine.wait(*END), 60)
        assert engine.state is EngineState.ERROR
        assert isinstance(engine.error, RegistryRefused)
        assert "'out' does not take the schema 'double'" in str(engine.error)
        assert engine.rejected() == []


def test_what_begin_gives_and_the_registry_refuses_keeps_the_engine_from_starting(rig, within, stub):
    source = DOUBLE + "def begin():\n    yield 0.5\n\ndef action(x):\n    yield x\n"
    stub.add("string", "out")
    stub.refused, stub.status = {"out"}, 503

    @within
    async def _():
        engine = rig.engine()
        await engine.attach(0, stream(REST))
        await engine.attach(1, registry(stub, Subject="out"))
        loading = asyncio.ensure_future(engine.load(rig.model(source)))
        while not engine.manifold.schemas._asking:
            await asyncio.sleep(0.001)
        stub.status = 0
        with pytest.raises(EngineError):
            await asyncio.wait_for(loading, 60)
        await asyncio.wait_for(engine.wait(*END), 60)
        assert "'out' does not take the schema 'double'" in str(engine.error)
