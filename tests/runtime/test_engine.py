import asyncio
import json

import pytest

from engine.errors import (
    ActionFailed,
    DataError,
    EngineError,
    InvalidTransition,
    LaunchFailed,
    RetryAfter,
    ScriptInvalid,
    SlotsUnfit,
    StreamError,
    StreamTimeout,
)
from engine.runtime import EngineState
from tests.runtime.conftest import DISCARD, END, REST, inline, stream

pytestmark = pytest.mark.integration  # each test starts jets

COUNT = "n = 0\ndef action(x):\n    global n\n    n += 1\n    yield [n, x]\ndef end():\n    yield 'end'\n"
ECHO = "def action(x):\n    yield x\n"


@pytest.mark.parametrize("is_inline", [False, True])
def test_a_finite_input_is_scored_in_order_and_ends_with_end(rig, within, is_inline):
    async def test():
        records = list(range(5000))
        engine, outputs = await rig.run(rig.model(COUNT), *records, is_inline=is_inline)
        assert engine.state is EngineState.FINISHED
        assert outputs[1] == [[n + 1, x] for n, x in enumerate(records)] + ["end"]

    within(test)


@pytest.mark.parametrize("order", ["load 0 1", "0 load 1", "1 0 load", "0 1 load"])
def test_load_and_attach_come_in_any_order(rig, within, order):
    async def test():
        engine = rig.engine()
        for step in order.split():
            assert engine.state is EngineState.INIT
            if step == "load":
                await engine.load(rig.model(ECHO))
            else:
                await engine.attach(int(step), stream(inline(1) if step == "0" else REST))
        await engine.wait(EngineState.FINISHED)
        assert (await engine.outputs(1)).values == [b"1"]

    within(test)


def test_a_pause_before_the_start_is_remembered(rig, within):
    async def test():
        engine = rig.engine()
        await engine.pause()
        await engine.load(rig.model(ECHO))
        await engine.attach(0, stream(inline(1, 2)))
        await engine.attach(1, stream(REST))
        assert engine.state is EngineState.PAUSED
        assert (await engine.outputs(1)).values == []
        await engine.unpause()
        await engine.wait(EngineState.FINISHED)
        assert (await engine.outputs(1)).values == [b"1", b"2"]

    within(test)


def test_while_paused_nothing_is_scored_and_nothing_is_lost(rig, within):
    async def test():
        engine = await rig.rest(rig.model(ECHO))
        await engine.pause()
        assert await engine.accept(0, [b"1", b"2"]) == 2
        with pytest.raises(InvalidTransition):
            await engine.score(b"3")
        assert (await engine.outputs(1, wait_s=5)).values == []
        await engine.unpause()
        assert (await engine.outputs(1, wait_s=5)).values == [b"1", b"2"]

    within(test)


def test_outputs_stay_until_they_are_acknowledged(rig, within):
    async def test():
        engine = await rig.rest(rig.model(ECHO))
        await engine.accept(0, [b"1", b"2", b"3"])
        first = await engine.outputs(1, limit=2, wait_s=5)
        assert (first.values, first.last_seq) == ([b"1", b"2"], 2)
        assert (await engine.outputs(1)).values == [b"1", b"2", b"3"]
        assert (await engine.outputs(1, after=2)).values == [b"3"]
        assert (await engine.outputs(1)).values == [b"3"]

    within(test)


def test_a_synchronous_score_is_the_callers_and_keeps_its_place(rig, within):
    async def test():
        engine = await rig.rest(rig.model("last = 0\ndef action(x):\n    global last\n    last += x\n    yield last\n"))
        await engine.accept(0, [b"1", b"10"])
        await engine.outputs(1, wait_s=5)
        assert await engine.score(b"100") == [b"111"]
        scores = await asyncio.gather(*(engine.score(b"1") for _ in range(50)))
        assert scores == [[b"%d" % (112 + i)] for i in range(50)]
        assert (await engine.outputs(1, wait_s=5)).values == [b"1", b"11"]

    within(test)


def test_a_score_gives_none_one_or_many_and_other_slots_go_their_way(rig, within):
    async def test():
        source = "# engine.slot.3: in-use\ndef action(n):\n    for i in range(n):\n        yield i\n    yield (3, n)\n"
        engine = rig.engine()
        await engine.attach(3, stream(REST))
        for slot in (0, 1):
            await engine.attach(slot, stream(REST))
        await engine.load(rig.model(source))
        assert [await engine.score(b"%d" % n) for n in (0, 1, 2)] == [[], [b"0"], [b"0", b"1"]]
        assert (await engine.outputs(3, wait_s=5)).values == [b"0", b"1", b"2"]
        assert await engine.score(b"5", output_slot=3) == [b"5"]

    within(test)


def test_a_caller_gets_the_error_of_its_record_and_the_engine_goes_on(rig, within):
    async def test():
        engine = await rig.rest(rig.model("# engine.schema.0: double\ndef action(x):\n    return 1 / x\n"))
        with pytest.raises(DataError, match="double expected"):
            await engine.score(b'"text"')
        with pytest.raises(ActionFailed, match=r"action\(\) failed on record 2 of slot 0: ZeroDivisionError"):
            await engine.score(b"0")
        assert await engine.score(b"4") == [b"0.25"]
        assert engine.state is EngineState.RUNNING

    within(test)


def test_a_score_that_takes_too_long_is_given_up(rig, within):
    async def test():
        engine = await rig.rest(rig.model("import time\ndef action(x):\n    time.sleep(x)\n    yield x\n"))
        with pytest.raises(StreamTimeout, match=r"not scored within 0\.05 s"):
            await engine.score(b"0.5", timeout_s=0.05)
        assert await engine.score(b"0") == [b"0"]

    within(test)


@pytest.mark.parametrize(
    ("policy", "state", "scored", "n_kept"),
    [
        ("stop", EngineState.ERROR, [1.0], 0),
        ("reject", EngineState.FINISHED, [1.0, 0.5], 1),
        ("skip", EngineState.FINISHED, [1.0, 0.5], 0),
    ],
)
def test_on_error_decides_what_becomes_of_a_record_that_fails(rig, within, policy, state, scored, n_kept):
    async def test():
        source = f"# engine.on_error: {policy}\ndef action(x):\n    return 1 / x\n"
        engine, outputs = await rig.run(rig.model(source), 1, 0, 2)
        assert engine.state is state
        assert outputs[1] == scored
        assert len(rig.rejects) == n_kept
        for reject in rig.rejects:
            assert (reject.slot, reject.seq_no, reject.error, reject.value) == (0, 2, "ActionFailed", b"0")
            assert "line 3, in action" in reject.traceback

    within(test)


def test_without_a_policy_the_engine_stops_and_says_on_which_record(rig, within):
    async def test():
        engine, outputs = await rig.run(rig.model("def action(x):\n    yield 1 / x\n"), 1, 2, 0, 4)
        assert engine.state is EngineState.ERROR
        assert outputs[1] == [1.0, 0.5]
        assert "action() failed on record 3 of slot 0: ZeroDivisionError: division by zero" in engine.inspect().error
        assert "line 2, in action" in engine.inspect().error

    within(test)


def test_two_inputs_and_two_outputs_keep_their_order(rig, within):
    async def test():
        source = (
            "# engine.action.0: left\n# engine.action.2: right\n# engine.slot.3: in-use\n"
            "def left(x):\n    yield x\ndef right(x):\n    yield (3, x)\n"
        )
        engine = rig.engine()
        await engine.attach(0, stream(inline(*range(1, 3000, 2))))
        await engine.attach(2, stream(inline(*range(0, 3000, 2))))
        await engine.attach(1, stream(REST))
        await engine.attach(3, stream(REST))
        await engine.load(rig.model(source))
        await engine.wait(*END)
        assert list(map(json.loads, (await engine.outputs(1)).values)) == list(range(1, 3000, 2))
        assert list(map(json.loads, (await engine.outputs(3)).values)) == list(range(0, 3000, 2))

    within(test)


@pytest.mark.parametrize("encoding", ["json", "avro-binary"])
def test_a_stream_without_a_schema_takes_the_models_whatever_comes_first(rig, within, encoding):
    async def test():
        data = rig.folder / "in"
        data.write_bytes(b"\0\0\0\0\0\0\xf0?" * 3 if encoding == "avro-binary" else b"1.0\n1\n1e0\n")
        source = "# engine.schema.0: double\n# engine.schema.1: double\ndef action(x):\n    yield x * 2\n"
        for is_loaded_first in (True, False):
            engine = rig.engine()
            if is_loaded_first:
                await engine.load(rig.model(source))
            await engine.attach(0, stream({"Transport": {"Type": "file", "Path": str(data)}, "Encoding": encoding}))
            await engine.attach(1, stream(REST))
            if not is_loaded_first:
                await engine.load(rig.model(source))
            await engine.wait(*END)
            assert (await engine.outputs(1)).values == [b"2.0"] * 3

    within(test)


def test_a_stream_is_swapped_while_the_engine_runs(rig, within):
    async def test():
        engine = await rig.rest(rig.model(ECHO))
        await engine.accept(0, [b"1"])
        assert (await engine.outputs(1, wait_s=5)).values == [b"1"]
        await engine.attach(0, stream({"Transport": "REST", "Encoding": "utf-8"}, "text"))
        await engine.accept(0, [b"two"])
        outputs = await engine.outputs(1, wait_s=5)
        assert outputs.values == [b"1", b'"two"']
        with pytest.raises(StreamError, match="holds 2 outputs that nobody has taken"):
            await engine.attach(1, stream({"Transport": "REST", "Encoding": "utf-8"}, "text"))
        await engine.outputs(1, after=outputs.last_seq)
        await engine.attach(1, stream({"Transport": "REST", "Encoding": "utf-8"}, "text"))
        await engine.accept(0, [b"three"])
        assert (await engine.outputs(1, wait_s=5)).values == [b"three"]
        assert engine.inspect().slots[0].n_records == 2

    within(test)


def test_a_model_is_replaced_without_losing_a_record(rig, within):
    async def test():
        engine = await rig.rest(rig.model("def action(x):\n    yield ['old', x]\n"))
        await engine.accept(0, [b"%d" % i for i in range(100)])
        await engine.load(rig.model("def action(x):\n    yield ['new', x]\n", "other"))
        await engine.accept(0, [b"%d" % i for i in range(100, 200)])
        values = [json.loads(value) for value in (await engine.outputs(1, wait_s=5)).values]
        assert [x for _, x in values] == list(range(200))
        assert values[-1] == ["new", 199]
        assert engine.inspect().model.name == "other"

    within(test)


def test_a_model_that_cannot_be_loaded_leaves_the_running_one_alone(rig, within):
    async def test():
        engine = await rig.rest(rig.model(ECHO))
        with pytest.raises(ScriptInvalid, match="No module named"):
            await engine.load(rig.model("import no_such_module\ndef action(x):\n    pass\n", "broken"))
        assert await engine.score(b"1") == [b"1"]
        assert engine.inspect().model.name == "model"

    within(test)


def test_scale_deals_a_stateless_models_batches_and_puts_outputs_back_in_order(rig, within):
    async def test():
        source = "import os\ndef action(x):\n    yield [x, os.getpid()]\n"
        engine = rig.engine()
        await engine.load(rig.model(source))
        scaled = await engine.scale(2)
        assert (scaled.n_jets, scaled.n_working, scaled.note) == (2, 2, "")
        await engine.attach(0, stream(inline(*range(20_000))))
        await engine.attach(1, stream(REST))
        await engine.wait(*END)
        values = [json.loads(value) for value in (await engine.outputs(1)).values]
        assert [x for x, _ in values] == list(range(20_000))
        assert len({pid for _, pid in values}) == 2

    within(test)


def test_scale_says_that_jets_of_a_model_with_state_idle(rig, within):
    async def test():
        engine = await rig.rest(rig.model(COUNT))
        scaled = await engine.scale(4)
        assert (scaled.n_jets, scaled.n_working) == (4, 1)
        assert "3 of 4 jets idle" in scaled.note
        assert len(engine.inspect().jets) == 4
        await engine.accept(0, [b"0"] * 50)
        values = (await engine.outputs(1, wait_s=5)).values
        assert json.loads(values[-1]) == [50, 0]
        await engine.scale(1)
        assert json.loads((await engine.score(b"0"))[0]) == [51, 0]

    within(test)


def test_with_no_jets_input_waits(rig, within):
    async def test():
        engine = await rig.rest(rig.model(ECHO))
        await engine.scale(0)
        await engine.accept(0, [b"1", b"2"])
        assert (await engine.outputs(1, wait_s=0.05)).values == []
        await engine.scale(1)
        assert (await engine.outputs(1, wait_s=5)).values == [b"1", b"2"]

    within(test)


def test_reset_ends_everything_and_the_engine_can_be_used_again(rig, within):
    async def test():
        engine = await rig.rest(rig.model(COUNT))
        await engine.score(b"0")
        await engine.reset()
        info = engine.inspect()
        assert (info.state, info.model, info.slots, info.jets) == ("INIT", None, [], [])
        await engine.attach(0, stream(REST))
        await engine.attach(1, stream(REST))
        await engine.load(rig.model(COUNT))
        assert json.loads((await engine.score(b"0"))[0]) == [1, 0]

    within(test)


@pytest.mark.parametrize("verb", ["reset", "close"])
@pytest.mark.parametrize("source", ["def begin():\n    {}\ndef action(x): pass\n", "def action(x): pass\n{}\n"])
def test_a_script_that_never_gets_ready_can_be_ended(rig, within, source, verb):
    async def test():
        engine, sign = rig.engine(), rig.folder / "sign"
        await engine.attach(0, stream(REST))
        await engine.attach(1, stream(REST))
        hang = f"open({str(sign)!r}, 'w').close(); exec('while True: pass')"
        starting = asyncio.create_task(engine.load(rig.model(source.format(hang))))
        while not sign.exists():
            await asyncio.sleep(0.01)
        await getattr(engine, verb)()
        with pytest.raises(EngineError):
            await starting
        if verb == "reset":
            assert engine.state is EngineState.INIT

    within(test)


def test_unload_gives_the_processes_back(rig, within):
    async def test():
        engine = rig.engine()
        await engine.load(rig.model(ECHO))
        [jet] = engine.inspect().jets
        assert (rig.folder.__class__("/proc") / str(jet.pid)).exists()
        await engine.unload()
        assert not (rig.folder.__class__("/proc") / str(jet.pid)).exists()
        assert engine.inspect().model is None

    within(test)


@pytest.mark.parametrize(
    ("verb", "error"),
    [
        (lambda engine: engine.unload(), InvalidTransition),
        (lambda engine: engine.detach(0), InvalidTransition),
        (lambda engine: engine.attach(2, stream(REST)), SlotsUnfit),
        (lambda engine: engine.outputs(3), StreamError),
        (lambda engine: engine.score(b"1", input_slot=2), StreamError),
        (lambda engine: engine.score(b"1", output_slot=3), StreamError),
    ],
)
def test_what_a_running_engine_does_not_do_is_refused(rig, within, verb, error):
    async def test():
        engine = await rig.rest(rig.model(ECHO))
        with pytest.raises(error):
            await verb(engine)
        assert await engine.score(b"1") == [b"1"]

    within(test)


def test_a_stream_on_a_slot_that_the_model_does_not_use_is_refused_at_load(rig, within):
    async def test():
        engine = rig.engine()
        await engine.attach(2, stream(REST, "extra"))
        with pytest.raises(SlotsUnfit, match="'extra' has no place on slot 2: model 'model' uses slots 0, 1 only"):
            await engine.load(rig.model(ECHO))
        await engine.detach(2)
        await engine.load(rig.model(ECHO))

    within(test)


@pytest.mark.parametrize("is_loaded_first", [True, False])
def test_schemas_that_do_not_fit_are_refused_with_the_path(rig, within, is_loaded_first):
    async def test():
        engine, text = rig.engine(), stream(REST | {"Schema": "string"}, "text")
        model = rig.model("# engine.schema.0: double\ndef action(x):\n    pass\n")
        if is_loaded_first:
            await engine.load(model)
        else:
            await engine.attach(0, text)
        with pytest.raises(SlotsUnfit, match=r"Stream 'text' does not fit slot 0 of model 'model'.*double expected"):
            await (engine.attach(0, text) if is_loaded_first else engine.load(model))

    within(test)


def test_a_full_inbox_tells_the_sender_to_come_back(rig, within):
    async def test():
        engine = await rig.rest(rig.model(ECHO), inbox_bytes=1000)
        await engine.pause()
        with pytest.raises(RetryAfter):
            _ = [await engine.accept(0, [b"1" * 100]) for _ in range(10_000)]

    within(test)


def test_a_wait_ends_when_only_the_one_who_waits_can_make_room(rig, within):
    async def test():
        engine = await rig.rest(rig.model("def action(x):\n    yield 'x' * 5000\n"), outbox_bytes=20_000)
        await engine.accept(0, [b"1"] * 20)
        assert len((await engine.outputs(1, wait_s=60)).values) == 20  # what one commit brings, though it is too much
        await engine.accept(0, [b"1"] * 20)
        outputs = await engine.outputs(1, wait_s=60)
        assert (len(outputs.values), outputs.is_settled) == (20, False)
        n_seen = 20
        while not outputs.is_settled or outputs.values:
            outputs = await engine.outputs(1, after=outputs.last_seq, wait_s=60)
            n_seen += len(outputs.values)
        assert n_seen == 40

    within(test)


def test_a_slow_reader_holds_the_model_up_and_loses_nothing(rig, within):
    async def test():
        engine = rig.engine(outbox_bytes=20_000)
        await engine.attach(0, stream(inline(*range(5000))))
        await engine.attach(1, stream(REST))
        await engine.load(rig.model("def action(x):\n    yield [x, 'x' * 5000]\n"))
        seen, after = [], 0
        while len(seen) < 5000:
            outputs = await engine.outputs(1, after=after, wait_s=60)
            seen += [json.loads(value)[0] for value in outputs.values]
            after = outputs.last_seq
            await asyncio.sleep(0)
        await engine.outputs(1, after=after)  # nothing is left to be read: the end does not wait for it
        assert seen == list(range(5000))

    within(test)


@pytest.mark.parametrize("verb", ["reset", "close"])
@pytest.mark.parametrize("is_error", [False, True])
def test_a_sink_that_takes_nothing_does_not_hold_up_the_end(rig, within, monkeypatch, verb, is_error):
    monkeypatch.setattr("engine.runtime.outlet.CLOSE_S", 0.05)

    async def test():
        source = "def action(x):\n    yield 'x' * 5000 if x else 1 / x\n"
        engine = await rig.rest(rig.model(source), outbox_bytes=20_000, drain_timeout_s=0.05)
        await engine.accept(0, [b"1"] * 20)
        assert (await engine.outputs(1, wait_s=60)).values
        await engine.accept(0, [b"1"] * 20 + [b"0"] * is_error)
        assert not (await engine.outputs(1, wait_s=60)).is_settled
        await getattr(engine, verb)()
        assert engine.inspect().jets == [] or verb == "close"

    within(test)


def test_an_error_of_the_system_at_a_restart_ends_in_error_and_not_in_silence(rig, within, monkeypatch):
    async def test():
        engine = await rig.rest(rig.model("import os\ndef action(x):\n    os._exit(1)\n"), restart_backoff_s=0.01)

        def no_room(*_args, **_options):
            raise OSError(28, "No space left on device", "/somewhere")

        monkeypatch.setattr("engine.runtime.launcher.Workdir", no_room)
        await engine.accept(0, [b"1"])
        await engine.wait(EngineState.ERROR)
        reason = "The process of 'model' could not be started: No space left on device: /somewhere."
        assert engine.inspect().error == reason
        monkeypatch.undo()
        await engine.reset()
        await engine.load(rig.model(ECHO))

    within(test)


def test_a_model_whose_folder_cannot_be_made_is_refused_and_leaves_nothing(rig, within):
    async def test():
        engine = rig.engine(state_dir=rig.folder / "file" / "state")
        (rig.folder / "file").write_text("not a folder")
        with pytest.raises(LaunchFailed, match="Not a directory"):
            await engine.load(rig.model(ECHO))
        assert engine.inspect().model is None

    within(test)


def test_a_file_has_one_writer_and_no_reader_beside_it(rig, within):
    async def test():
        engine, path = rig.engine(), rig.folder / "file"
        path.write_text("1\n")
        file = stream({"Transport": {"Type": "file", "Path": str(path)}, "Encoding": "json"})
        await engine.attach(0, file)
        with pytest.raises(SlotsUnfit, match="file cannot be attached to slot 1: slot 0 reads it already"):
            await engine.attach(1, file)
        await engine.detach(0)
        await engine.attach(1, file)
        for slot in (0, 1, 3):
            with pytest.raises(SlotsUnfit, match=f"slot {slot}: slot 1 writes it already"):
                await engine.attach(slot, file)

    within(test)


def test_an_input_that_is_swapped_is_read_to_its_end(rig, within):
    async def test():
        engine = await rig.rest(rig.model("import time\ndef action(x):\n    time.sleep(0.0001)\n    yield x\n"))
        await engine.accept(0, [b"%d" % i for i in range(5000)])
        await engine.attach(0, stream(REST, "other"))
        await engine.accept(0, [b"-1"])
        outputs = await engine.outputs(1, wait_s=60)
        assert sorted(map(int, outputs.values)) == [-1, *range(5000)]
        assert outputs.is_settled

    within(test)


def test_nothing_is_taken_once_the_engine_is_about_to_stop(rig, within):
    async def test():
        engine = await rig.rest(rig.model("import time\ndef action(x):\n    time.sleep(0.05)\n    yield x\n"))
        await engine.accept(0, [b"1", b"2"])
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0)
        with pytest.raises(RetryAfter):
            await engine.accept(0, [b"3"])
        with pytest.raises(RetryAfter):
            await engine.score(b"3")
        await closing
        assert (await engine.outputs(1)).values == [b"1", b"2"]

    within(test)


def test_callers_who_have_gone_leave_nothing_behind(rig, within):
    async def test():
        engine = await rig.rest(rig.model(ECHO), inbox_bytes=100_000)
        await engine.scale(0)
        for _ in range(5):
            with pytest.raises(StreamTimeout):
                await engine.score(b'"%s"' % (b"1" * 50_000), timeout_s=0.01)
        assert engine.manifold.calling_bytes == 0
        waiting = [asyncio.create_task(engine.score(b'"%s"' % (b"1" * 60_000))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(RetryAfter):
            await engine.score(b"1")
        await engine.scale(1)
        assert len(await asyncio.gather(*waiting)) == 2

    within(test)


def test_positions_and_counts_stop_at_the_record_that_stopped_the_engine(rig, within):
    async def test():
        engine, outputs = await rig.run(rig.model("def action(x):\n    yield 1 / x\n"), 1, 2, 0, 4, 5)
        slot = engine.inspect().slots[0]
        assert (slot.position, slot.n_rejected, outputs[1]) == (2, 0, [1.0, 0.5])

    within(test)


def test_outputs_wait_in_the_pipe_and_not_in_memory(rig, within):
    async def test():
        engine = await rig.rest(rig.model("def action(x):\n    yield 'x' * 1_000_000\n"), outbox_bytes=1_000_000)
        await engine.accept(0, [b"1"] * 200)
        assert not (await engine.outputs(1, wait_s=1)).is_settled
        assert engine.manifold.ledger.output_bytes < 30_000_000
        seen, after = 0, 0
        while seen < 200:
            outputs = await engine.outputs(1, after=after, wait_s=1)
            seen, after = seen + len(outputs.values), outputs.last_seq
        assert engine.inspect().jets[0].n_restarts == 0

    within(test)


def test_a_stop_finishes_what_was_accepted(rig, within):
    async def test():
        model = rig.model("import time\ndef action(x):\n    time.sleep(0.005)\n    yield x\n")
        engine = rig.engine()
        path = rig.folder / "out"
        await engine.attach(0, stream(REST))
        await engine.attach(1, stream({"Transport": {"Type": "file", "Path": str(path)}, "Encoding": "json"}))
        await engine.load(model)
        await engine.accept(0, [b"%d" % i for i in range(100)])
        await engine.close()
        assert path.read_text().split() == [str(i) for i in range(100)]

    within(test)


@pytest.mark.parametrize("envelope", [None, "delimited"])
def test_a_record_over_the_limit_is_rejected_with_its_size_and_the_others_are_scored(rig, within, envelope):
    async def test():
        engine = rig.engine(max_record_bytes=1000)
        await engine.attach(0, stream(REST | ({"Envelope": envelope} if envelope else {})))
        await engine.attach(1, stream(REST))
        await engine.load(rig.model("def action(x):\n    yield len(x)\n"))
        assert await engine.accept(0, [b'"12"', b'"%s"' % (b"x" * 5000), b'"1234"']) == 3
        assert (await engine.outputs(1, wait_s=5)).values == [b"2", b"4"]
        [reject] = engine.inspect().rejects
        assert (reject.seq_no, reject.stage) == (2, "input")
        assert "5,002 bytes are over the limit" in reject.reason

    within(test)


def test_outputs_of_begin_come_first(rig, within):
    async def test():
        source = "def begin():\n    yield 'begin'\ndef action(x):\n    yield x\n"
        _, outputs = await rig.run(rig.model(source), 1, 2)
        assert outputs[1] == ["begin", 1, 2]

    within(test)


def test_an_input_that_does_not_exist_is_refused_at_attach(rig, within):
    async def test():
        engine = rig.engine()
        with pytest.raises(StreamError, match="nowhere"):
            await engine.attach(0, stream({"Transport": {"Type": "file", "Path": "/nowhere/at/all"}}))
        await engine.attach(1, stream(DISCARD))
        assert engine.inspect().waits_for == ["a model"]

    within(test)
