"""What jets ask of a registry is answered once, late, or not at all, as the registry behaves."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.channel import SchemaAnswer
from engine.errors import ConfigError, EngineError, RegistryRefused, SchemaUnknown, SlotsUnfit
from engine.runtime import schemas
from engine.runtime.schemas import SchemaDesk
from engine.schema import parse_schema
from engine.streams import Stream, parse_descriptor, resolve_stream
from tests.stub_registry import StubRegistry

NOWHERE = Path("/nowhere")

PRICE = {"type": "record", "name": "Price", "fields": [{"name": "cents", "type": "long"}]}
NEWER = {"type": "record", "name": "Price", "fields": [*PRICE["fields"], {"name": "venue", "type": "string"}]}


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: Any, **fields: Any) -> None:
        asyncio.run(test(*arguments, **fields))

    return run


@pytest.fixture
def stub() -> Iterator[StubRegistry]:
    with StubRegistry() as stub:
        yield stub


@asynccontextmanager
async def opened(pause_s: Callable[[int], float] = lambda _: 0.0) -> AsyncIterator[SchemaDesk]:
    desk = SchemaDesk(NOWHERE, pause_s)
    try:
        yield desk
    finally:
        await desk.close()


def stream_of(stub: StubRegistry, schema: object = "$inherit", **fields: Any) -> Stream:
    encoding = {"Type": "avro-registry", "Url": stub.url} | fields
    transport = {"Type": "Kafka", "BootstrapServers": ["broker"], "Topic": "prices"}
    descriptor = parse_descriptor({"Transport": transport, "Encoding": encoding, "Schema": schema})
    return resolve_stream("prices", descriptor, parse_schema)


def model_of(**by_slot: object) -> Any:
    """Return a model whose slots, such as s0, have these schemas."""
    slots = {int(name[1:]): SimpleNamespace(schema=name if schema else None) for name, schema in by_slot.items()}
    found = {name: parse_schema(schema) for name, schema in by_slot.items() if schema}
    return SimpleNamespace(script=SimpleNamespace(slots=slots, name="m"), schemas=found)


class Question:
    """One that a jet has asked, and what came of it."""

    def __init__(self, desk: SchemaDesk, stream: Stream, key: Any, schema: object = None, **fields: Any) -> None:
        self.replies: list[bytes] = []
        self.refused: list[EngineError] = []
        self._done = asyncio.Event()
        own = parse_schema(schema) if schema is not None else None
        desk.ask(fields.pop("jet", "jet"), stream, own, key, self._reply, self._refuse, **fields)

    def _reply(self, packed: bytes) -> None:
        self.replies.append(packed)
        self._done.set()

    def _refuse(self, error: EngineError) -> None:
        self.refused.append(error)
        self._done.set()

    async def answer(self) -> SchemaAnswer:
        await self._done.wait()
        if self.refused:
            raise self.refused[0]
        return SchemaAnswer.unpack(self.replies[0])


@on_loop
async def test_a_schema_is_asked_for_once_and_then_known_to_every_jet(stub):
    number = stub.add(PRICE)
    async with opened() as desk:
        assert (await Question(desk, stream_of(stub), number).answer()).source == PRICE
        again = Question(desk, stream_of(stub), number, jet="another")
        assert SchemaAnswer.unpack(again.replies[0]).source == PRICE
    assert stub.requests == [f"GET /schemas/ids/{number}"]


@on_loop
async def test_a_schema_that_there_is_not_is_said_at_once_and_asked_for_again_a_little_later(stub, monkeypatch):
    async with opened() as desk:
        with pytest.raises(SchemaUnknown):
            await Question(desk, stream_of(stub), 1).answer()
        stub.add(PRICE)
        with pytest.raises(SchemaUnknown):
            await Question(desk, stream_of(stub), 1).answer()
        assert len(stub.requests) == 1
        monkeypatch.setattr(schemas, "UNKNOWN_S", 0.0)
        assert (await Question(desk, stream_of(stub), 1).answer()).source == PRICE


@on_loop
async def test_of_schemas_that_there_are_not_no_more_than_so_many_are_remembered(stub, monkeypatch):
    monkeypatch.setattr(schemas, "MAX_UNKNOWN", 3)
    async with opened() as desk:
        for key in range(10):
            with pytest.raises(SchemaUnknown):
                await Question(desk, stream_of(stub), key).answer()
        assert len(desk._unknown) <= 3


@on_loop
async def test_a_registry_that_is_away_is_waited_for_and_that_is_said_once(stub):
    number = stub.add(PRICE)
    stub.status, tries = 503, []
    is_late = asyncio.Event()
    loop = asyncio.get_running_loop()

    def pause_s(n_tries: int) -> float:
        tries.append(n_tries)
        if n_tries == 3:
            loop.call_soon_threadsafe(is_late.set)
        return 0.01

    with capture_logs() as said:
        async with opened(pause_s) as desk:
            question = Question(desk, stream_of(stub), number)
            await is_late.wait()
            assert "503" in desk.waits_for[0]
            assert not question.replies
            stub.status = 0
            assert (await question.answer()).source == PRICE
            while desk.waits_for:  # the thread that has answered says so a moment later
                await asyncio.sleep(0)
    assert [line["event"] for line in said] == ["registry.waits", "registry.resumed"]
    assert tries[:3] == [1, 2, 3]


@on_loop
async def test_a_registry_that_will_not_talk_to_us_is_no_fault_of_the_record(stub):
    stub.user = "Basic nobody"
    async with opened() as desk:
        question = Question(desk, stream_of(stub), 1)
        with pytest.raises(RegistryRefused, match="Username and Password"):
            await question.answer()
        assert question.replies == []


@on_loop
async def test_a_secret_that_is_not_there_is_a_fault_of_the_stream(stub):
    async with opened() as desk:
        with pytest.raises(ConfigError, match="secret://no"):
            await Question(desk, stream_of(stub, Username="anna", Password="secret://no"), 1).answer()


@on_loop
async def test_a_jet_that_has_ended_gets_no_answer_and_the_one_after_it_gets_its_own(stub):
    first, second = stub.add(PRICE), stub.add("double")
    async with opened() as desk:
        lost = Question(desk, stream_of(stub), first)
        desk.release("jet")
        assert (await Question(desk, stream_of(stub), second).answer()).source == "double"
        assert lost.replies == lost.refused == []


@on_loop
async def test_a_jet_on_this_thread_has_its_answer_when_the_question_returns(stub):
    number = stub.add(PRICE)
    async with opened() as desk:
        question = Question(desk, stream_of(stub), number, is_at_once=True)
        assert SchemaAnswer.unpack(question.replies[0]).source == PRICE


@on_loop
async def test_an_output_is_registered_under_the_subject_of_its_topic_when_it_is_checked(stub):
    async with opened() as desk:
        await desk.check(model_of(s1=PRICE), {1: stream_of(stub)})
        assert stub.subjects == {"prices-value": [1]}
        n_requests = len(stub.requests)
        known = Question(desk, stream_of(stub), None, PRICE)
        assert SchemaAnswer.unpack(known.replies[0]) == SchemaAnswer(PRICE, 1)
        assert len(stub.requests) == n_requests


@on_loop
async def test_the_streams_own_schema_is_the_one_that_is_registered(stub):
    async with opened() as desk:
        await desk.check(model_of(s1="int"), {1: stream_of(stub, "double", Subject="own")})
    assert stub.schemas == [{"schema": '"double"'}]
    assert stub.subjects == {"own": [1]}


@on_loop
async def test_an_output_that_may_not_be_registered_is_refused_with_both_named(stub):
    stub.add("string", "prices-value")
    stub.refused = {"prices-value"}
    async with opened() as desk:
        with pytest.raises(RegistryRefused, match=r"'prices-value' does not take the schema 'record Price'"):
            await desk.check(model_of(s1=PRICE), {1: stream_of(stub)})


@on_loop
async def test_without_auto_register_the_schema_must_be_there_and_nothing_is_written(stub):
    async with opened() as desk:
        with pytest.raises(RegistryRefused, match=r"'prices-value' does not have the schema 'record Price'.*'prices'"):
            await desk.check(model_of(s1=PRICE), {1: stream_of(stub, AutoRegister=False)})
        number = stub.add(PRICE, "prices-value")
        await desk.check(model_of(s1=PRICE), {1: stream_of(stub, AutoRegister=False)})
        answer = await Question(desk, stream_of(stub, AutoRegister=False), None, PRICE).answer()
    assert answer.number == number
    assert not [line for line in stub.requests if line.endswith("/versions")]


@on_loop
async def test_an_output_without_a_schema_takes_the_latest_of_its_subject_or_is_refused(stub):
    async with opened() as desk:
        with pytest.raises(RegistryRefused, match="has no schema, and neither stream 'prices' nor the script"):
            await desk.check(model_of(s1=None), {1: stream_of(stub)})
        number = stub.add(PRICE, "prices-value")
        await desk.check(model_of(s1=None), {1: stream_of(stub)})
        assert await Question(desk, stream_of(stub), None).answer() == SchemaAnswer(PRICE, number)


@pytest.mark.parametrize(
    ("registered", "own", "inner", "misfit"),
    [
        (NEWER, "$inherit", PRICE, None),
        (PRICE, "$inherit", NEWER, "venue"),
        (PRICE, NEWER, NEWER, "venue"),
        ("int", "double", "double", None),
        ("string", "$inherit", "double", "double expected, got string"),
        ("string", "$inherit", None, None),
        (None, "$inherit", "double", None),
    ],
)
@on_loop
async def test_what_is_written_to_the_subject_of_an_input_now_must_fit_the_slot(
    stub, registered, own, inner, misfit
):  # fmt: skip
    if registered is not None:
        stub.add(registered, "prices-value")
    async with opened() as desk:
        check = desk.check(model_of(s0=inner), {0: stream_of(stub, own)})
        if misfit is None:
            await check
        else:
            with pytest.raises(SlotsUnfit, match=f"'prices' does not fit slot 0.*'prices-value'.*{misfit}"):
                await check


@on_loop
async def test_a_subject_of_another_kind_of_schema_is_refused_when_it_is_attached(stub):
    stub.add(PRICE, "prices-value", schemaType="JSON")
    async with opened() as desk:
        with pytest.raises(RegistryRefused, match="of type JSON"):
            await desk.check(model_of(s0=PRICE), {0: stream_of(stub)})


@on_loop
async def test_a_registry_that_is_away_keeps_nothing_from_being_attached(stub):
    stub.status = 503
    async with opened() as desk:
        await desk.check(model_of(s0=PRICE, s1=PRICE), {0: stream_of(stub), 1: stream_of(stub)})
        stub.status = 0
        assert (await Question(desk, stream_of(stub), None, PRICE).answer()).number == 1


@on_loop
async def test_who_attaches_a_stream_does_not_wait_behind_a_record_that_waits(stub):
    number = stub.add(PRICE)
    stub.status = 503
    async with opened(lambda _: 3600.0) as desk:
        question = Question(desk, stream_of(stub), number)
        while not desk.waits_for:
            await asyncio.sleep(0)
        await desk.check(model_of(s1=PRICE), {1: stream_of(stub)})
        assert question.replies == []
        stub.status = 0
        await desk.check(model_of(s1=PRICE), {1: stream_of(stub)})
        assert (await question.answer()).source == PRICE


@on_loop
async def test_who_gives_up_an_attachment_leaves_the_registry_to_others(stub):
    number = stub.add(PRICE)
    async with opened() as desk:
        check = asyncio.ensure_future(desk.check(model_of(s1=PRICE), {1: stream_of(stub)}))
        await asyncio.sleep(0)
        check.cancel()
        assert (await Question(desk, stream_of(stub), number).answer()).source == PRICE
    assert check.cancelled()


@on_loop
async def test_streams_without_a_registry_are_none_of_its_business():
    descriptor = parse_descriptor({"Transport": "REST", "Encoding": "json"})
    async with opened() as desk:
        await desk.check(model_of(s0=PRICE), {0: resolve_stream("r", descriptor, parse_schema)})
