"""What is committed when, what a jet that ends takes with it (nothing), and what the next engine goes on with."""

import asyncio
import json

import pytest

from engine.errors import EngineError, StateIncompatible
from engine.runtime import EngineState
from engine.runtime.steps import Step
from engine.state import pack
from engine.state.commits import Entry
from engine.state.sqlite import SqliteStore
from tests.runtime.conftest import END, REST, inline, stream

SUM = """
total = 0

def begin():
    yield -1

def action(x):
    global total
    total += x
    yield total
"""
ELSEWHERE = {Step.REMEMBERED, Step.PREPARE_OPEN, Step.PREPARE_CLOSED, Step.SENT, Step.TRANSACTED}
"""Steps that are none of a commit into a store alone."""

SUMS = [-1] + [sum(range(1, n + 1)) for n in range(1, 3001)]
"""What SUM gives for 1 to 3000."""

DIES_STATELESS = """
import os, time

def action(x):
    time.sleep(0.001)
    if x == {at} and not os.path.exists({flag!r}):
        open({flag!r}, "w").close()
        os._exit(3)
    yield x
"""

DIES_ONCE = """
import os

total, recent = 0, []

def action(x):
    global total
    total += x
    recent.append(x)
    if x == {at} and not os.path.exists({flag!r}):
        open({flag!r}, "w").close()
        os._exit(3)
    yield [total, len(recent)]
"""

FAILS = """
total = 0

def action(x):
    global total
    total += x
    yield total {fix}/ (x != 50)
"""

FAILS_AT_FIRST = """
# engine.on_error: reject

n_tries = 0

def action(x):
    global n_tries
    n_tries += 1
    yield 1 / (n_tries > 2) * x
"""


@pytest.fixture
def store(rig):
    """Open the store of a job in the test's folder, for one engine after another."""
    return lambda: SqliteStore(rig.folder / "state" / "jobs" / "test")


@pytest.fixture
def job(rig, store):
    """Start an engine that reads records and writes a file, as one of the job's."""

    async def start(source, records=(), *, is_resuming=False, output=None, **settings):
        engine = rig.engine(store=store(), job="test", is_resuming=is_resuming, **settings)
        await engine.attach(0, stream(inline(*records) if records else REST))
        path = {"Transport": {"Type": "file", "Path": str(rig.folder / "out")}, "Encoding": "json"}
        await engine.attach(1, stream(output or path))
        await engine.load(rig.model(source))
        return engine

    return start


def written(rig):
    return list(map(json.loads, (rig.folder / "out").read_text().splitlines()))


@pytest.mark.parametrize("at", [1, 2, 777, 3000])
@pytest.mark.parametrize("interval_s", [0.0, 0.1, 100.0])
def test_state_and_outputs_are_those_of_a_run_in_which_the_jet_did_not_end(rig, within, job, at, interval_s):
    async def test():
        source = DIES_ONCE.format(at=at, flag=str(rig.folder / "flag"))
        engine = await job(source, range(1, 3001), commit_interval_s=interval_s, restart_backoff_s=0.0)
        assert await engine.wait(*END) is EngineState.FINISHED
        assert engine.inspect().jets == [] or engine.manifold.crew.jets[0].n_restarts == 1
        assert written(rig) == [[total, n] for n, total in enumerate(SUMS[1:], 1)]

    within(test)


@pytest.mark.parametrize("n_jets", [1, 2])
def test_a_commit_that_waits_for_a_jet_without_state_does_not_keep_it_from_starting_again(rig, within, job, n_jets):
    async def test():
        source = DIES_STATELESS.format(at=150, flag=str(rig.folder / "flag"))
        options = {"commit_interval_s": 0.0, "restart_backoff_s": 0.0, "n_jets": n_jets}
        engine = await job(source, range(1, 301), **options)
        assert await engine.wait(*END) is EngineState.FINISHED
        assert written(rig) == [*range(1, 301)]

    within(test)


def test_a_restarted_engine_goes_on_behind_what_is_committed_and_begin_gives_nothing_again(rig, within, job):
    async def test():
        first = await job(SUM, output=REST | {"Durable": "disk"})
        await first.accept(0, [b"%d" % n for n in range(1, 1501)])
        before = await first.outputs(1, wait_s=60)
        await first.accept(0, [b"%d" % n for n in range(1501, 1601)])
        await first.close()
        second = rig.engine(store=SqliteStore(rig.folder / "state" / "jobs" / "test"), job="test")
        resumed = await second.resume(None)
        assert (resumed.model, resumed.positions, resumed.state) == ("model", {0: 1600}, "RUNNING")
        await second.accept(0, [b"%d" % n for n in range(1601, 3001)])
        after = await second.outputs(1, after=before.last_seq, wait_s=60)
        assert list(map(json.loads, before.values + after.values)) == SUMS

    within(test)


def test_what_was_journaled_and_not_scored_is_scored_by_the_next_engine(rig, within, job):
    async def test():
        first = await job(SUM)
        await first.pause()
        await first.accept(0, [b"1", b"2", b"3"])
        await first.close()
        assert written(rig) == [-1]
        second = rig.engine(store=SqliteStore(rig.folder / "state" / "jobs" / "test"), job="test")
        assert (await second.resume(None)).state == "PAUSED"
        await second.unpause()
        await asyncio.wait_for(second.manifold.settled(), 30)
        assert written(rig) == [-1, 1, 3, 6]

    within(test)


@pytest.mark.parametrize("interval_s", [0.0, 100.0])
def test_what_is_in_front_of_a_record_that_stops_the_engine_is_committed_as_if_it_had_not_been_tried(
    rig, within, job, interval_s
):
    async def test():
        first = await job(FAILS.format(fix=""), range(1, 101), commit_interval_s=interval_s, restart_backoff_s=0.0)
        assert await first.wait(*END) is EngineState.ERROR
        assert written(rig) == SUMS[1:50]
        assert first.inspect().slots[0].position == 49
        await first.close()
        second = await job(FAILS.format(fix="#"), range(1, 101), is_resuming=True)
        assert await second.wait(*END) is EngineState.FINISHED
        assert written(rig) == SUMS[1:101]

    within(test)


def test_a_finished_run_is_found_finished_whatever_comes_first(rig, within, job):
    async def test():
        first = await job(SUM, range(1, 11))
        assert await first.wait(*END) is EngineState.FINISHED
        await first.close()
        second = rig.engine(store=SqliteStore(rig.folder / "state" / "jobs" / "test"), job="test", is_resuming=True)
        await second.load(rig.model(SUM))
        await second.attach(0, stream(inline(*range(1, 11))))
        await second.attach(1, stream({"Transport": {"Type": "file", "Path": str(rig.folder / "out")}}))
        await second.wait(EngineState.FINISHED)
        assert written(rig) == SUMS[:11]

    within(test)


def test_a_finished_job_is_found_finished_and_its_outputs_can_still_be_read(rig, within, job):
    async def test():
        first = await job(SUM, range(1, 11), output=REST)
        assert await first.wait(*END) is EngineState.FINISHED
        await first.close()
        second = rig.engine(store=SqliteStore(rig.folder / "state" / "jobs" / "test"), job="test")
        await second.resume(None)
        await second.wait(EngineState.FINISHED)
        outputs = await second.outputs(1)
        assert (list(map(json.loads, outputs.values)), outputs.is_eof) == (SUMS[:11], False)
        assert (await second.outputs(1, after=outputs.last_seq)).is_eof

    within(test)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def action(x):\n    yield x\n", "'total'"),
        (f"# engine.key.0: name\n{SUM}", "no key"),
    ],
)
def test_a_script_that_cannot_take_up_the_state_is_refused_and_both_are_named(rig, within, job, source, said):
    async def test():
        first = await job(SUM)
        await first.accept(0, [b"1"])
        await first.manifold.settled()
        await first.close()
        with pytest.raises(StateIncompatible, match=said):
            await job(source, is_resuming=True)

    within(test)


def test_another_version_of_the_model_goes_on_with_the_state_and_another_model_begins_anew(rig, within, job):
    async def test():
        engine = await job(SUM)
        await engine.accept(0, [b"1", b"2"])
        await engine.load(rig.model(SUM.replace("yield total", "yield total * 10")))
        await engine.accept(0, [b"3"])
        await engine.load(rig.model(SUM, "other"))
        await engine.accept(0, [b"4"])
        await engine.manifold.settled()
        assert written(rig) == [-1, 1, 3, -1, 60, -1, 4]
        assert list(engine.state_entries()) == [Entry("script", b"", "total", pack(4))]

    within(test)


def test_a_job_that_is_put_together_again_is_not_kept_by_halves(rig, within, job):
    async def test():
        first = await job(SUM)
        await first.accept(0, [b"1"])
        await first.manifold.settled()
        kept = first.store.job
        await first.close()
        second = rig.engine(store=SqliteStore(rig.folder / "state" / "jobs" / "test"), job="test", is_resuming=True)
        await second.load(rig.model(SUM))
        await second.attach(0, stream(REST))
        assert second.store.job == kept
        path = {"Transport": {"Type": "file", "Path": str(rig.folder / "out")}, "Encoding": "json"}
        await second.attach(1, stream(path))
        assert second.store.job == kept
        await second.pause()
        assert second.store.job == kept | {"is_paused": True}

    within(test)


def test_a_reset_forgets_the_job_and_keeps_the_rejects(rig, within, job):
    async def test():
        engine = await job(SUM)
        await engine.accept(0, [b"1", b'"no number"' + b"\xff"])
        await engine.manifold.settled()
        assert [reject.value for reject in engine.rejected()] == [b'"no number"\xff']
        await engine.reset()
        assert (engine.store.fence, list(engine.state_entries()), len(engine.rejected())) == (None, [], 1)

    within(test)


def test_a_replayed_reject_is_scored_and_leaves_the_log(rig, within, job):
    async def test():
        engine = await job(FAILS_AT_FIRST)
        await engine.accept(0, [b"7", b"8", b"9"])
        await engine.manifold.settled()
        assert [reject.value for reject in engine.rejected()] == [b"7", b"8"]
        with pytest.raises(EngineError, match="no record 77"):
            await engine.replay([77])
        assert await engine.replay() == 2
        await engine.manifold.drained()
        assert engine.rejected() == []
        assert sorted(written(rig)) == [7.0, 8.0, 9.0]

    within(test)


def test_every_step_of_a_commit_is_reached_in_its_order(rig, within, monkeypatch):
    async def test():
        reached = []
        monkeypatch.setattr("engine.runtime.engine.Killer", lambda where: reached.append)
        store = SqliteStore(rig.folder / "store", on_step=reached.append)
        engine = rig.engine(store=store, job="test")
        await engine.attach(0, stream(REST))
        await engine.attach(1, stream({"Transport": {"Type": "file", "Path": str(rig.folder / "out")}}))
        await engine.load(rig.model("def action(x):\n    yield x\n"))
        reached.clear()
        await engine.accept(0, [b"1"])
        await engine.manifold.settled()
        assert reached == [step.value for step in Step if step not in ELSEWHERE]

    within(test)
