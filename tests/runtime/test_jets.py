"""A jet under supervision, with runners that only note what they are told."""

import asyncio
from functools import wraps
from types import SimpleNamespace

import pytest

from engine.channel import (
    PIPE_BYTES,
    BatchFrame,
    Cell,
    Failure,
    FrameReader,
    Kind,
    OutputFrame,
    Phase,
    dump_error,
    pack_message,
    unpack_message,
)
from engine.errors import ActionFailed, EngineError, ModelCrashed, ModelStalled, ScriptInvalid, StateTooLarge
from engine.record import Label, Labels
from engine.runtime.flight import N_IN_FLIGHT
from engine.runtime.intake import Intake
from engine.runtime.jets import Jet, JetStatus
from engine.runtime.lanes import Lane
from engine.runtime.supervision import SLOW_S
from engine.runtime.work import Work
from engine.script import MESSAGE_KEY
from engine.settings import Settings
from engine.state.commits import SCRIPT as SCOPE
from engine.state.commits import Entry, InputFence
from tests.runtime.conftest import REST, stream

N_RESTARTS = 3
SCRIPT = SimpleNamespace(name="model", source="", timeout_s=None, keys={})


class FakeRunner:
    """A copy of the script that does what the test says: it answers what is asked of it, and batches on demand.

    Parameters
    ----------
    events : RunnerEvents
        The jet.
    silent : set of Kind
        What it does not answer.
    """

    def __init__(self, events, silent=()):
        self.events, self.silent = events, set(silent)
        self.cell, self.pid = Cell(), 7
        self.kinds, self.batches, self.deaths, self.restored = [], [], [], []
        self._reader = FrameReader()
        self._loop = asyncio.get_running_loop()

    def send(self, frame):
        for kind, body in self._reader.feed(frame):
            self.kinds.append(kind)
            if kind is Kind.BATCH:
                self.batches.append(BatchFrame.unpack(body))
            elif kind not in self.silent:
                self._answer(kind, body)

    def _answer(self, kind, body):
        if kind is Kind.SETUP:
            self.say(pack_message(Kind.LOADED, {"state": []}))
        elif kind in (Kind.BEGIN, Kind.END):
            self.say(OutputFrame(unpack_message(body), 1).pack())
        elif kind is Kind.RESTORE:
            is_last, task, rows = unpack_message(body)
            self.restored += rows
            if is_last:
                self.say(pack_message(Kind.RESTORED, {"task": task, "n_keys": 0}))
        elif kind is Kind.COMMIT:
            self.say_changed(unpack_message(body), [[0, b"", "total", b"7"]])

    def say(self, frame):
        [(kind, body)] = FrameReader().feed(frame)
        self._loop.call_soon(self.events.on_frame, kind, body)

    def say_changed(self, number, entries, *, is_last=True, **rest):
        """Answer a COMMIT, or a part of it."""
        figures = {"n_keys": 1, "n_live": 1, "size_bytes": 9, "refusals": [], "warnings": [], "failure": None}
        self.say(
            pack_message(Kind.CHANGED, {"number": number, "is_last": is_last, "entries": entries} | figures | rest)
        )

    def score(self, *, n_done=None, is_last=True, failures=(), is_halted=False):
        """Answer the oldest batch, with its records as its outputs."""
        batch = self.batches[0]
        values = batch.values[:n_done]
        if is_last:
            self.batches.pop(0)
        n_values = len(values)
        self.say(
            OutputFrame(
                batch.batch, n_values, values, range(n_values), [1] * n_values, list(failures), 0, is_last, is_halted
            ).pack()
        )

    def works_on(self, batch, index):
        """Note a record as the one in work."""
        self.cell.enter(Phase.ACTION, batch.batch, batch.slot, batch.first_seq)
        self.cell.words[Cell.INDEX] = index

    def die(self, exit_code=9):
        self._loop.call_soon(self.events.on_exit, exit_code)

    def listen(self, *, is_on):
        pass

    async def drain(self):
        pass

    def stop(self):
        self.deaths.append("stop")
        if "stop" not in self.silent:
            self.die(0)

    def kill(self):
        self.deaths.append("kill")
        self.die(-9)


class FakeLauncher:
    """Gives out runners and keeps them; `prepare` says what the next ones do not answer, or raises."""

    def __init__(self):
        self.model, self.is_watched = SimpleNamespace(script=SCRIPT), False
        self.runners, self.cleaned, self.policies = [], [], {}
        self.prepare = lambda: ()

    async def launch(self, number, events):
        self.runners.append(FakeRunner(events, self.prepare()))
        return self.runners[-1]

    def policy(self, slot):
        return self.policies.get(slot, "stop")

    def coding(self, slot, stream):
        return {"slot": slot}

    def script_path(self, number):
        return "model.py"

    def clean(self, number):
        self.cleaned.append(number)


class FakeOwner:
    def __init__(self):
        self.outlets, self.answers, self.broken, self.n_ready, self.lines = {}, [], [], 0, []

        self.changes, self.asks, self.lost = [], [], []
        self.is_keeper, self.saved, self.n_ended, self.is_tasked = False, None, 0, False

    def on_answer(self, work):
        self.answers.append(work)

    def on_changed(self, jet, entries, figures):
        self.changes.append((entries, figures))

    def on_restored(self, n_keys):
        self.n_keys = n_keys

    def on_ask(self, jet, message, reply):
        self.asks.append(message)
        reply(b"value")

    def on_jet_lost(self, jet):
        self.lost.append(jet)
        return self.is_keeper

    async def saved_state(self, jet):
        if self.saved is not None:
            yield 0, self.saved

    def on_ready(self):
        self.n_ready += 1

    def on_jet_broken(self, jet, error):
        self.broken.append(error)

    def on_jet_ended(self, jet):
        self.n_ended += 1

    def on_console(self, line):
        self.lines.append(line)


class Bench:
    """A jet with all that surrounds it."""

    def __init__(self, **settings):
        self.launcher, self.owner = FakeLauncher(), FakeOwner()
        settings = {"n_restarts": N_RESTARTS, "restart_backoff_s": 0.0} | settings
        self.jet = Jet(1, self.launcher, self.owner, Settings(**settings))
        self._intake, self._n_records = Intake(1, InputFence(0), stream(REST), None), 0

    @property
    def runner(self):
        return self.launcher.runners[-1]

    async def ready(self):
        await self.jet.load()
        await self.jet.begin()
        self.jet.make_ready()
        return self

    def work(self, n=1, size_bytes=1, caller=None):
        first, self._n_records = self._n_records + 1, self._n_records + n
        values = [b"%d" % i + b"x" * (size_bytes - 1) for i in range(first, first + n)]
        return Work(self._intake, first, values, range(first, first + n), caller=caller)

    def submit(self, n=1, size_bytes=1):
        work = self.work(n, size_bytes)
        self.jet.submit(work)
        return work

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)


def on_loop(test):
    """Make a test of a coroutine function."""

    @wraps(test)
    def whole(*arguments, **options):
        asyncio.run(asyncio.wait_for(test(*arguments, **options), 5))

    return whole


@on_loop
async def test_a_jet_is_set_up_begun_and_then_takes_work():
    bench = Bench()
    assert not bench.jet.has_room(1)
    await bench.jet.load()
    assert not bench.jet.has_room(1)
    await bench.jet.begin()
    assert not bench.jet.has_room(1)
    bench.jet.make_ready()
    assert bench.jet.has_room(1)
    assert bench.runner.kinds == [Kind.SETUP, Kind.BEGIN]
    bench.submit()
    bench.submit()
    assert bench.runner.kinds[2:] == [Kind.SLOT, Kind.BATCH, Kind.BATCH]


@on_loop
async def test_no_more_is_under_way_than_the_pipe_holds():
    bench = await Bench().ready()
    n_submitted, most_bytes = 0, 0
    for _ in range(50):
        size_bytes = PIPE_BYTES // 3
        if bench.jet.has_room(bench.work(1, size_bytes).size_bytes):
            bench.submit(1, size_bytes)
            n_submitted += 1
        else:
            n_answers = len(bench.owner.answers)
            bench.runner.score()
            await bench.until(lambda n=n_answers: len(bench.owner.answers) > n)
        under_way = sum(len(value) for batch in bench.runner.batches for value in batch.values)
        most_bytes = max(most_bytes, under_way)
        assert bench.jet.n_in_flight <= N_IN_FLIGHT
    assert n_submitted > 20
    assert PIPE_BYTES // 2 < most_bytes <= PIPE_BYTES


@on_loop
async def test_answers_come_in_the_order_of_the_batches():
    bench = await Bench().ready()
    works = [bench.submit(2) for _ in range(3)]
    bench.runner.score(n_done=1, is_last=False)
    await bench.until(lambda: bench.owner.answers)
    assert (works[0].outputs, works[0].is_done) == ({1: [b"1"]}, False)
    for _ in works:
        bench.runner.score()
    await bench.until(lambda: len(bench.owner.answers) == 4)
    assert bench.owner.answers == [works[0], *works]
    assert [work.is_done for work in works] == [True, True, True]
    assert works[1].outputs == {1: [b"3", b"4"]}
    assert bench.jet.n_records == 6


@on_loop
async def test_what_begin_raises_is_raised():
    bench = Bench()
    bench.launcher.prepare = lambda: {Kind.BEGIN}
    await bench.jet.load()
    begun = asyncio.create_task(bench.jet.begin())
    await bench.until(lambda: Kind.BEGIN in bench.runner.kinds)
    error = ActionFailed("begin", "RuntimeError: no")
    bench.runner.say(OutputFrame(1, 1, failures=[Failure(0, "action", error)]).pack())
    with pytest.raises(ActionFailed, match="begin"):
        await begun
    assert bench.jet.status is JetStatus.STARTING


@on_loop
async def test_what_the_import_raises_is_raised():
    bench = Bench()
    bench.launcher.prepare = lambda: {Kind.SETUP}
    loading = asyncio.create_task(bench.jet.load())
    await bench.until(lambda: bench.launcher.runners and bench.runner.kinds)
    bench.runner.say(pack_message(Kind.FAILED, dump_error(ScriptInvalid("model", "no"))))
    with pytest.raises(ScriptInvalid):
        await loading


@pytest.mark.parametrize("during", [Kind.SETUP, Kind.BEGIN])
@on_loop
async def test_an_end_before_the_first_record_is_raised_and_not_tried_again(during):
    bench = Bench()
    bench.launcher.prepare = lambda: {during}
    starting = asyncio.create_task(bench.ready())
    await bench.until(lambda: bench.launcher.runners and during in bench.runner.kinds)
    bench.runner.cell.enter(Phase.IMPORT if during is Kind.SETUP else Phase.BEGIN)
    bench.runner.die(3)
    with pytest.raises(ModelCrashed, match="ended with exit code 3 while it worked on"):
        await starting
    assert len(bench.launcher.runners) == 1
    assert bench.launcher.cleaned == [1]


@on_loop
async def test_after_an_end_what_was_not_answered_is_sent_again_in_order():
    bench = await Bench().ready()
    works = [bench.submit(3) for _ in range(2)]
    bench.runner.score(n_done=2, is_last=False)
    await bench.until(lambda: bench.owner.answers)
    bench.runner.die()
    await bench.until(lambda: bench.owner.n_ready)
    assert len(bench.launcher.runners) == 2
    assert [batch.values for batch in bench.runner.batches] == [[b"3"], [b"4", b"5", b"6"]]
    assert [batch.first_seq for batch in bench.runner.batches] == [3, 4]
    for _ in works:
        bench.runner.score()
    await bench.until(lambda: all(work.is_done for work in works))
    assert [work.outputs for work in works] == [{1: [b"1", b"2", b"3"]}, {1: [b"4", b"5", b"6"]}]
    assert (bench.jet.n_restarts, bench.owner.broken) == (1, [])


@on_loop
async def test_a_poison_record_is_cut_out_of_its_batch():
    bench = await Bench().ready()
    bench.launcher.policies[0] = "reject"
    work = bench.submit(4)
    for n_ready in (1, 2):
        bench.runner.works_on(bench.runner.batches[0], 1)
        bench.runner.die()
        await bench.until(lambda n=n_ready: bench.owner.n_ready == n)
    assert [batch.values for batch in bench.runner.batches] == [[b"1"], [b"3", b"4"]]
    [failure] = work.failures
    assert (failure.index, failure.stage) == (1, "action")
    assert str(failure.error).endswith("while it worked on record 2 of slot 0.")
    bench.runner.score()
    bench.runner.score()
    await bench.until(lambda: work.is_done)
    assert work.outputs == {1: [b"1", b"3", b"4"]}


@on_loop
async def test_a_record_that_somebody_waits_for_is_not_tried_twice():
    bench = await Bench().ready()
    work = bench.work(caller=asyncio.get_running_loop().create_future())
    bench.jet.submit(work)
    bench.runner.works_on(bench.runner.batches[0], 0)
    bench.runner.die()
    await bench.until(lambda: bench.owner.n_ready)
    assert bench.owner.answers == [work]
    assert (work.is_done, len(work.failures)) == (True, 1)
    assert bench.runner.batches == []


@pytest.mark.parametrize(("elapsed_s", "is_stalled"), [(0.9, False), (1.1, True)])
@on_loop
async def test_a_record_that_takes_longer_than_its_time_ends_the_jet(monkeypatch, elapsed_s, is_stalled):
    monkeypatch.setattr(SCRIPT, "timeout_s", 1.0)
    bench = await Bench().ready()
    bench.submit(2)
    runner = bench.runner
    runner.works_on(runner.batches[0], 0)
    bench.jet.watch(100.0)
    runner.works_on(runner.batches[0], 1)
    bench.jet.watch(101.5)  # another record: its time begins
    bench.jet.watch(101.5 + elapsed_s)
    assert runner.deaths == ["kill"] * is_stalled
    if is_stalled:
        await bench.until(lambda: bench.owner.n_ready)
        bench.runner.works_on(bench.runner.batches[0], 1)
        bench.jet.watch(200.0)
        bench.jet.watch(201.1)
        await bench.until(lambda: bench.owner.n_ready == 2)
        [work] = {part.work for part in bench.jet._flight.land()}
        assert isinstance(work.fatal, ModelStalled)
        assert "longer than 1 s for record 2 of slot 0" in str(work.fatal)


@on_loop
async def test_a_slow_record_without_a_time_is_only_warned_about():
    bench = await Bench().ready()
    bench.submit()
    bench.runner.works_on(bench.runner.batches[0], 0)
    for now_s in (0.0, SLOW_S + 1, 3 * SLOW_S):
        bench.jet.watch(now_s)
    assert bench.runner.deaths == []


@on_loop
async def test_a_jet_between_records_is_never_too_slow(monkeypatch):
    monkeypatch.setattr(SCRIPT, "timeout_s", 1.0)
    bench = await Bench().ready()
    for now_s in (0.0, 10.0, 20.0):
        bench.jet.watch(now_s)
    assert bench.runner.deaths == []


@on_loop
async def test_a_jet_that_ends_again_and_again_is_given_up():
    bench = await Bench().ready()
    bench.submit()
    for n_ready in range(1, N_RESTARTS + 1):
        bench.runner.die()
        await bench.until(lambda n=n_ready: bench.owner.n_ready == n)
    bench.runner.die(5)
    await bench.until(lambda: bench.owner.broken)
    [error] = bench.owner.broken
    assert isinstance(error, ModelCrashed)
    assert len(bench.launcher.runners) == 1 + N_RESTARTS
    assert bench.jet.n_restarts == N_RESTARTS


@on_loop
async def test_a_record_that_is_scored_renews_the_budget():
    bench = await Bench().ready()
    for n_ready in range(1, 3 * N_RESTARTS):
        work = bench.submit()
        bench.runner.score()
        await bench.until(lambda work=work: work.is_done)
        bench.runner.die()
        await bench.until(lambda n=n_ready: bench.owner.n_ready == n)
    assert bench.owner.broken == []


@on_loop
async def test_the_pause_before_a_restart_doubles_up_to_its_bound(monkeypatch):
    pauses = []
    sleep = asyncio.sleep

    async def note(seconds):
        if seconds:
            pauses.append(seconds)
        await sleep(0)

    bench = await Bench(n_restarts=5, restart_backoff_s=1.0, restart_backoff_max_s=5.0).ready()
    monkeypatch.setattr(asyncio, "sleep", note)
    for n_ready in range(1, 6):
        bench.runner.die()
        await bench.until(lambda n=n_ready: bench.owner.n_ready == n)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


@on_loop
async def test_a_restart_whose_import_raises_is_the_end():
    bench = await Bench().ready()
    bench.launcher.prepare = lambda: {Kind.SETUP}
    bench.runner.die()
    await bench.until(lambda: len(bench.launcher.runners) == 2 and bench.runner.kinds)
    bench.runner.say(pack_message(Kind.FAILED, dump_error(ScriptInvalid("model", "the file has gone"))))
    await bench.until(lambda: bench.owner.broken)
    assert isinstance(bench.owner.broken[0], ScriptInvalid)


@on_loop
async def test_a_restart_that_cannot_be_launched_is_the_end():
    bench = await Bench().ready()

    def fail():
        raise OSError(24, "Too many open files")

    bench.launcher.prepare = fail
    bench.runner.die()
    await bench.until(lambda: bench.owner.broken)
    assert "Too many open files" in str(bench.owner.broken[0])


@on_loop
async def test_an_end_while_restarting_is_the_new_runners():
    bench = await Bench().ready()
    bench.runner.die()
    await bench.until(lambda: bench.jet.status is JetStatus.RESTARTING)
    assert await bench.jet.end()
    assert len(bench.launcher.runners) == 2
    assert bench.runner.kinds == [Kind.SETUP, Kind.BEGIN, Kind.END]


@on_loop
async def test_a_stop_waits_for_the_runner_to_finish():
    bench = await Bench().ready()
    await bench.jet.stop()
    assert bench.runner.deaths == ["stop"]
    assert bench.jet.pid is None
    assert bench.launcher.cleaned == [1]


@on_loop
async def test_a_stop_that_is_not_heard_is_followed_by_a_kill(monkeypatch):
    monkeypatch.setattr("engine.runtime.jets.STOP_S", 0.01)
    bench = Bench()
    bench.launcher.prepare = lambda: {"stop"}
    await bench.ready()
    await bench.jet.stop()
    assert bench.runner.deaths == ["stop", "kill"]


@on_loop
async def test_a_stop_while_restarting_ends_it_and_answers_who_waits():
    bench = await Bench(restart_backoff_s=1000.0, restart_backoff_max_s=1000.0).ready()
    caller = asyncio.get_running_loop().create_future()
    bench.jet.submit(bench.work(caller=caller))
    bench.runner.die()
    await bench.until(lambda: bench.jet.status is JetStatus.RESTARTING)
    await bench.jet.stop()
    with pytest.raises(EngineError, match="stopped"):
        await caller
    assert bench.jet.status is JetStatus.STOPPED
    assert len(bench.launcher.runners) == 1
    assert bench.owner.broken == []


@on_loop
async def test_a_kill_in_begin_ends_the_wait_for_it():
    bench = Bench()
    bench.launcher.prepare = lambda: {Kind.BEGIN}
    starting = asyncio.create_task(bench.ready())
    await bench.until(lambda: bench.launcher.runners and Kind.BEGIN in bench.runner.kinds)
    await bench.jet.stop(is_kill=True)
    assert bench.runner.deaths == ["kill"]
    with pytest.raises(EngineError, match="stopped"):
        await starting
    assert bench.jet.status is JetStatus.STOPPED


@on_loop
async def test_a_stop_while_a_runner_is_launched_ends_that_runner():
    bench = Bench()
    gate = asyncio.Event()
    launch = bench.launcher.launch

    async def slow_launch(number, events):
        await gate.wait()
        return await launch(number, events)

    bench.launcher.launch = slow_launch
    loading = asyncio.create_task(bench.jet.load())
    await asyncio.sleep(0)
    stopping = asyncio.create_task(bench.jet.stop())
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(EngineError, match="stopped"):
        await loading
    await stopping
    assert bench.runner.deaths[0] == "kill"
    assert Kind.SETUP not in bench.runner.kinds


@on_loop
async def test_a_printed_line_names_the_record_in_work():
    bench = await Bench().ready()
    bench.jet.on_console("stdout", "hello", (0, 3))
    bench.jet.on_console("stderr", "and bye", None)
    assert [(line.jet, line.text, line.slot, line.seq_no) for line in bench.owner.lines] == [
        (1, "hello", 0, 3),
        (1, "and bye", None, None),
    ]


@on_loop
async def test_a_commit_gives_the_owner_what_has_changed_once_all_of_it_is_there():
    bench = await Bench().ready()
    bench.launcher.runners[0].silent.add(Kind.COMMIT)
    bench.jet.commit()
    bench.runner.say_changed(1, [[0, b"", "total", b"7"]], is_last=False)
    bench.runner.say_changed(1, [[0, b"", "gone", None]])
    await bench.until(lambda: bench.owner.changes)
    [(entries, figures)] = bench.owner.changes
    assert entries == [Entry(SCOPE, b"", "total", b"7"), Entry(SCOPE, b"", "gone", None)]
    assert (figures.n_keys, figures.size_bytes) == (1, 9)


@on_loop
async def test_what_a_jet_warns_about_with_its_state_is_in_the_log(caplog):
    bench = await Bench().ready()
    bench.launcher.runners[0].silent.add(Kind.COMMIT)
    bench.jet.commit()
    bench.runner.say_changed(1, [], warnings=[("key.split", {"key": "'A'", "partitions": [0, 1]})])
    await bench.until(lambda: bench.owner.changes)
    [warned] = [record.msg for record in caplog.records if record.msg["event"] == "key.split"]
    assert (warned["jet"], warned["key"], warned["partitions"]) == (1, "'A'", [0, 1])


@on_loop
async def test_state_that_cannot_be_handed_over_breaks_the_jet():
    bench = await Bench().ready()
    bench.launcher.runners[0].silent.add(Kind.COMMIT)
    bench.jet.commit()
    bench.runner.say_changed(1, [], failure=dump_error(StateTooLarge("prices", 1 << 25, 1 << 24)))
    await bench.until(lambda: bench.owner.broken)
    assert "prices" in str(bench.owner.broken[0])
    assert bench.owner.changes == []


@on_loop
async def test_a_jet_that_held_the_state_begins_with_what_was_saved_and_sends_nothing_by_itself():
    bench = await Bench().ready()
    bench.owner.is_keeper, bench.owner.saved = True, [Entry(SCOPE, b"", "total", b"7")]
    bench.submit(3)
    bench.runner.die()
    await bench.until(lambda: bench.owner.n_ready)
    assert bench.owner.lost == [bench.jet]
    assert bench.runner.restored == [[b"", "total", b"7"]]
    assert bench.runner.kinds == [Kind.SETUP, Kind.BEGIN, Kind.RESTORE]
    assert bench.jet.n_in_flight == 0


@on_loop
async def test_a_jet_that_is_renewed_is_started_again_and_nobody_is_blamed():
    bench = await Bench().ready()
    bench.owner.is_keeper = True
    work = bench.submit(2)
    bench.runner.works_on(bench.runner.batches[0], 0)
    runner = bench.runner
    bench.jet.renew()
    assert not bench.jet.is_ready
    runner.score()  # its last answers are about what is given up
    await bench.until(lambda: bench.owner.n_ready)
    assert (len(bench.launcher.runners), work.condemned, work.outputs, bench.owner.answers) == (2, [], {}, [])
    assert bench.owner.lost == []


@on_loop
async def test_a_jet_that_ends_before_it_is_ready_is_not_made_ready():
    bench = Bench()
    await bench.jet.load()
    await bench.jet.begin()
    bench.runner.die(3)
    await bench.until(lambda: bench.owner.n_ended)
    with pytest.raises(ModelCrashed, match="exit code 3"):
        await bench.jet.restore([])
    with pytest.raises(ModelCrashed):
        bench.jet.make_ready()
    assert len(bench.launcher.runners) == 1


@on_loop
async def test_what_a_script_asks_of_its_cells_is_answered():
    bench = await Bench().ready()
    bench.runner.say(pack_message(Kind.ASK, ["get", "cells", b"", "total", None]))
    await bench.until(lambda: Kind.REPLY in bench.runner.kinds)
    assert bench.owner.asks == [["get", "cells", b"", "total", None]]


@on_loop
async def test_state_of_a_task_is_put_back_while_a_batch_of_another_is_in_work():
    bench = Bench()
    bench.owner.is_tasked = True
    await bench.ready()
    work = bench.submit(2)
    restoring = asyncio.create_task(bench.jet.restore([Entry(SCOPE, b"", "total", b"7", 3)], 3))
    bench.runner.score()
    assert await restoring == 0
    await bench.until(lambda: work.is_done)
    assert (work.outputs, bench.jet.tasks) == ({1: [b"1", b"2"]}, {3})
    bench.jet.forget([3])
    assert (bench.runner.kinds[-1], bench.jet.tasks) == (Kind.FORGET, set())


@on_loop
async def test_a_jet_that_ends_while_state_is_put_back_is_started_again_and_says_so():
    bench = Bench()
    bench.owner.is_tasked = True
    await bench.ready()
    bench.runner.silent.add(Kind.RESTORE)
    restoring = asyncio.create_task(bench.jet.restore([], 3))
    await bench.until(lambda: Kind.RESTORE in bench.runner.kinds)
    bench.runner.die()
    with pytest.raises(ModelCrashed):
        await restoring
    await bench.until(lambda: bench.owner.n_ready)
    assert bench.jet.tasks == set()


@on_loop
async def test_a_jet_is_set_up_again_when_tasks_have_states_after_all():
    bench = Bench()
    await bench.jet.load()
    bench.owner.is_tasked = True
    await bench.jet.reload()
    await bench.jet.begin()
    bench.jet.make_ready()
    assert [runner.kinds for runner in bench.launcher.runners] == [[Kind.SETUP], [Kind.SETUP, Kind.BEGIN]]
    assert bench.jet.is_tasked


@pytest.mark.parametrize(
    ("keys", "said"), [({}, None), ({0: "symbol"}, None), ({0: MESSAGE_KEY}, [b"a", None])], ids=str
)
@on_loop
async def test_a_batch_says_its_task_and_what_the_script_asks_of_that_which_its_records_carry(keys, said):
    bench = Bench()
    bench.launcher.model = SimpleNamespace(script=SimpleNamespace(**vars(SCRIPT) | {"keys": keys}))
    await bench.ready()
    lane = Lane(2, 5, InputFence(0), stream(REST), None, lambda _: None)
    labels = [Label(b"a", 7), Label(None, None)]
    bench.jet.submit(Work(lane, 1, [b"1", b"2"], (1, 2), labels=Labels.of(labels)))
    [batch] = bench.runner.batches
    assert (batch.task, batch.keys, batch.timestamps_ms) == (5, said, [7, None])
