"""Partitions of an input come and go while commits are aborted: nothing is lost, nothing is there twice."""

import asyncio
import json
import os
import signal
from contextlib import suppress

import pytest

from engine.errors import EngineError, NotBuilt
from engine.record import Batch, Label, Oversized
from engine.runtime import EngineState
from engine.runtime.crew import Crew
from engine.runtime.jets import Jet
from engine.runtime.lanes import Lane
from engine.runtime.outlet import Outlet
from engine.state import pack, unpack
from engine.state.commits import InputFence, OutputFence
from tests.runtime.conftest import DISCARD, stream
from tests.runtime.partitions import LOST, TRIED, Topic, begin, until, values

SUM = """
total = 0

def action(x):
    global total
    total += x
    yield [x, total]
"""

BARE = "def action(x):\n    yield [x, x]\n"


def records(task, n=60):
    return [b"%d" % (task * 1000 + i) for i in range(n)]


def sums(task, n=60):
    total, found = 0, []
    for i in range(n):
        total += task * 1000 + i
        found.append([task * 1000 + i, total])
    return found


def totals(log):
    return {place[1]: unpack(value) for place, value in log.state.items()}


def test_every_task_has_its_own_state_and_its_records_keep_their_order(rig, within):
    async def test():
        _, partitions, log, _ = await begin(rig, SUM, [records(task) for task in range(3)])
        await partitions.take([0, 1, 2])
        await until(lambda: partitions.is_through([0, 1, 2]))
        assert values(log) == {task: sums(task) for task in range(3)}
        assert totals(log) == {task: sums(task)[-1][1] for task in range(3)}
        assert log.fence.tasks.keys() == {0, 1, 2}
        assert all(commit.membership is not None for commit in log.commits if commit.fence.tasks)

    within(test)


@pytest.mark.parametrize("where", ["sink", "store"])
@pytest.mark.parametrize("source", [SUM, BARE])
def test_what_a_commit_was_aborted_for_is_committed_by_the_next(rig, within, where, source):
    async def test():
        _, partitions, log, topic = await begin(rig, source, [records(task) for task in range(2)])
        (topic if where == "sink" else log).aborts = [None, TRIED, None, TRIED, TRIED]
        for n in range(1, 7):
            partitions.records = [records(task, 10 * n) for task in range(2)]
            if n == 1:
                await partitions.take([0, 1])
            for task in range(2):
                partitions.feed(task)
            await until(lambda: partitions.is_through([0, 1]))
        assert log.n_aborted == 3
        by_task = values(log)
        if source == SUM:
            assert by_task == {task: sums(task) for task in range(2)}
        else:
            assert by_task == {task: [[x, x] for x, _ in sums(task)] for task in range(2)}

    within(test)


def test_local_files_are_cut_back_when_a_commit_is_aborted(rig, within):
    source = "# engine.slot.local: 3" + SUM.replace("yield [x, total]", "yield 3, [x, total]\n    yield [x, total]")

    async def test():
        path = rig.folder / "local"
        engine, partitions, log, _ = await begin(rig, source, [records(0)], file=path, commit_interval_s=0.01)
        log.aborts = [TRIED, None, TRIED, TRIED]
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        await engine.manifold.settled()
        assert [json.loads(line) for line in path.read_text().splitlines()] == sums(0) == values(log)[0]

    within(test)


def test_outputs_carry_what_their_records_carried(rig, within):
    async def test():
        _, partitions, log, _ = await begin(rig, SUM, [records(0, 9), records(1, 9)])
        await partitions.take([0, 1])
        await until(lambda: partitions.is_through([0, 1]))
        carried = [[label for _, label in log.topics["out"] if label.task == task] for task in range(2)]
        assert carried == [[Label(b"key-%d" % i, 1000 + i, (), task) for i in range(9)] for task in range(2)]

    within(test)


def test_outputs_behind_a_record_that_is_too_long_carry_what_is_their_own(rig, within):
    async def test():
        values = records(0, 9)
        values[3] = Oversized(b"1", 1 << 30)
        _, partitions, log, _ = await begin(rig, BARE, [values])
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        carried = [label for _, label in log.topics["out"]]
        assert carried == [Label(b"key-%d" % i, 1000 + i, (), 0) for i in range(9) if i != 3]

    within(test)


def test_a_task_that_is_let_go_of_is_committed_and_its_next_owner_goes_on_behind_it(rig, within):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 3000) for task in range(2)])
        await partitions.take([0, 1])
        await until(lambda: log.position(1).position)
        await partitions.release([1])
        assert (1 in log.commits[-1].fence.tasks, engine.manifold.owned) == (True, {0})
        at, n_commits = log.position(1).position, len(log.commits)
        await until(lambda: partitions.is_through([0]))
        assert log.position(1).position == at
        # None is left to come where both tasks were through by then.
        assert not any(1 in commit.fence.tasks for commit in log.commits[n_commits:])
        await partitions.take([1])
        await until(lambda: partitions.is_through([1]))
        assert values(log) == {task: sums(task, 3000) for task in range(2)}

    within(test)


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_task_is_let_go_of_while_the_engine_is_paused_and_while_the_other_tasks_flow(rig, within, is_paused):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 2000) for task in range(2)])
        await partitions.take([0, 1])
        await until(lambda: log.position(1).position)
        if is_paused:
            await engine.pause()
        await partitions.release([1])
        await partitions.take([1])
        if is_paused:
            await engine.unpause()
        await until(lambda: partitions.is_through([0, 1]))
        assert values(log) == {task: sums(task, 2000) for task in range(2)}

    within(test)


@pytest.mark.parametrize("error", [None, TRIED, LOST], ids=["kept", "aborted", "lost"])
@pytest.mark.parametrize("verb", ["release", "drop"])
def test_a_task_goes_while_a_commit_is_with_the_store(rig, within, verb, error):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 300) for task in range(3)])
        log.gate.clear()
        log.aborts = [error]
        await partitions.take([0, 1, 2])
        await until(lambda: log.is_waiting)
        going = asyncio.create_task(getattr(partitions, verb)([1]))
        await asyncio.sleep(0)
        assert not going.done()
        log.gate.set()
        await going
        assert 1 not in engine.manifold.owned
        if error is LOST:
            [tasks] = partitions.lost
            assert tasks >= {0, 2}
            await partitions.take([0, 2])
        await partitions.take([1])
        await until(lambda: partitions.is_through([0, 1, 2]))
        assert values(log) == {task: sums(task, 300) for task in range(3)}
        assert totals(log) == {task: sums(task, 300)[-1][1] for task in range(3)}

    within(test)


@pytest.mark.parametrize("verb", ["release", "drop"])
def test_a_task_goes_while_the_jet_is_started_again_and_comes_back(rig, within, verb):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 300) for task in range(2)])
        await partitions.take([0, 1])
        await until(lambda: log.position(1).position)
        jet = engine.manifold.crew.jets[0]
        os.kill(jet.pid, signal.SIGKILL)
        await until(lambda: not jet.is_ready)
        await getattr(partitions, verb)([1])
        await partitions.take([1])
        await until(lambda: partitions.is_through([0, 1]))
        assert jet.n_restarts == 1
        assert values(log) == {task: sums(task, 300) for task in range(2)}

    within(test)


def test_a_task_that_is_lost_while_it_is_let_go_of_is_not_committed(rig, within):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 300) for task in range(2)])
        log.gate.clear()
        await partitions.take([0, 1])
        await until(lambda: log.is_waiting)
        log.aborts = [LOST]
        releasing = asyncio.create_task(partitions.release([1]))
        await asyncio.sleep(0.01)
        dropping = asyncio.create_task(partitions.drop([1]))
        await asyncio.sleep(0.01)
        log.gate.set()
        await releasing
        await dropping
        assert (log.commits, engine.manifold.owned, engine.manifold.lanes) == ([], frozenset(), {})
        await partitions.take([0, 1])
        await until(lambda: partitions.is_through([0, 1]))
        assert values(log) == {task: sums(task, 300) for task in range(2)}

    within(test)


def test_who_waits_for_what_is_accepted_is_not_kept_waiting_by_records_that_were_dropped(rig, within):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 300) for task in range(2)])
        log.gate.clear()
        log.aborts = [TRIED]
        await partitions.take([0, 1])
        await until(lambda: log.is_waiting)
        settled = asyncio.create_task(engine.manifold.settled())
        await asyncio.sleep(0)
        log.gate.set()
        await until(lambda: log.n_aborted)
        await partitions.drop([0, 1])
        await asyncio.wait_for(settled, 30)

    within(test)


def test_a_record_that_stops_the_engine_is_met_again_after_an_abort_and_what_is_in_front_of_it_is_committed(
    rig, within
):
    source = SUM.replace("yield [x, total]", "yield [x, total / (x != 1020)]")

    async def test():
        engine, partitions, log, _ = await begin(rig, source, [records(0), records(1)], commit_interval_s=10.0)
        log.aborts = [TRIED, TRIED]
        await partitions.take([0, 1])
        await engine.wait(EngineState.ERROR)
        assert log.n_aborted == 2
        assert values(log)[1] == sums(1)[:20]
        assert log.position(1).position == 20

    within(test)


def test_a_record_that_would_stop_the_engine_is_the_next_owners_when_its_task_is_lost(rig, within):
    source = SUM.replace("total += x", "total += x\n    if x == 1000: __import__('time').sleep(1); x / 0")

    async def test():
        engine, partitions, log, _ = await begin(rig, source, [records(0), records(1)])
        await partitions.take([1])
        await until(lambda: engine.manifold.crew.jets[0].n_in_flight)
        await partitions.drop([1])
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        assert values(log) == {0: sums(0)}
        assert engine.state is EngineState.RUNNING

    within(test)


@pytest.mark.parametrize("verb", ["close", "reset"])
@pytest.mark.parametrize("going", ["release", "drop"])
def test_an_engine_that_stops_lets_go_of_whoever_waits_for_a_task_to_go(rig, within, verb, going):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 300) for task in range(2)])
        log.gate.clear()
        await partitions.take([0, 1])
        await until(lambda: log.is_waiting)
        task = asyncio.create_task(getattr(partitions, going)([1]))
        await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.5, log.gate.set)
        await (engine.close(is_at_once=True) if verb == "close" else engine.reset())
        with suppress(EngineError):
            await asyncio.wait_for(task, 10)

    within(test)


def test_an_answer_is_given_once_though_the_commit_is_aborted(rig, within):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(0)])
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        log.aborts = [TRIED, TRIED]
        assert await engine.score(b"1", key="k") == await engine.score(b"1", key="k")
        await until(lambda: totals(log)[0] == sums(0)[-1][1] + 1)

    within(test)


def test_what_begin_gave_goes_with_the_task_that_it_was_given_for(rig, within):
    source = SUM + "\ndef begin():\n    yield -1\n"

    async def test():
        engine, partitions, log, _ = await begin(rig, source, [records(0, 20)])
        frames = await engine.manifold.crew.jets[0].begin()
        await engine.manifold.restore(0, [])
        log.aborts = [TRIED, LOST]
        engine.manifold.put_hook_outputs(frames, 0)
        await until(lambda: log.n_aborted == 2)
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        assert [json.loads(value) for value, _ in log.topics["out"]] == sums(0, 20)

    within(test)


def test_tasks_move_when_there_are_more_jets_or_less(rig, within):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 3000) for task in range(4)])
        await partitions.take([0, 1, 2, 3])
        for n_jets in (3, 2, 0, 1, 4):
            n_before = len(log.commits)
            await until(lambda n=n_before: len(log.commits) > n or partitions.is_through(range(4)))
            scaled = await engine.scale(n_jets)
            assert scaled.n_working == n_jets
            held = [sorted(jet.tasks) for jet in engine.manifold.crew.jets]
            assert held == [[task for task in range(4) if task % n_jets == at] for at in range(n_jets)]
            if n_jets == 0:
                await engine.scale(1)
        await until(lambda: partitions.is_through(range(4)))
        assert values(log) == {task: sums(task, 3000) for task in range(4)}
        assert totals(log) == {task: sums(task, 3000)[-1][1] for task in range(4)}

    within(test)


def test_what_a_jet_takes_with_it_is_done_again_and_the_other_jets_go_on(rig, within):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(task, 2000) for task in range(2)], n_jets=2)
        await partitions.take([0, 1])
        await until(lambda: log.position(1).position)
        first, second = engine.manifold.crew.jets
        os.kill(second.pid, signal.SIGKILL)
        await until(lambda: partitions.is_through([0, 1]) and second.n_restarts)  # it may have been through before
        assert (first.n_restarts, second.n_restarts) == (0, 1)
        assert values(log) == {task: sums(task, 2000) for task in range(2)}
        assert totals(log) == {task: sums(task, 2000)[-1][1] for task in range(2)}

    within(test)


def test_a_record_that_stops_the_engine_stops_it_with_several_jets_and_all_in_front_of_it_is_committed(rig, within):
    source = SUM.replace("yield [x, total]", "yield [x, total / (x != 1020)]")

    async def test():
        engine, partitions, log, _ = await begin(rig, source, [records(0), records(1)], n_jets=2)
        await partitions.take([0, 1])
        await engine.wait(EngineState.ERROR)
        assert values(log)[1] == sums(1)[:20]
        assert log.position(1).position == 20
        assert values(log).get(0, []) == sums(0)[: log.position(0).position]
        assert totals(log).get(0, 0) == ([[0, 0], *sums(0)])[log.position(0).position][1]

    within(test)


def test_a_task_that_is_lost_while_its_outputs_are_written_is_not_committed(rig, within):
    async def test():
        _, partitions, log, topic = await begin(rig, SUM, [records(task) for task in range(2)])
        topic.gate.clear()
        await partitions.take([0, 1])
        await until(lambda: topic.is_waiting)
        await partitions.drop([1])
        topic.gate.set()
        await until(lambda: partitions.is_through([0]))
        assert (values(log), totals(log).keys()) == ({0: sums(0)}, {0})
        await partitions.take([1])
        await until(lambda: partitions.is_through([1]))
        assert values(log) == {task: sums(task) for task in range(2)}

    within(test)


def test_nothing_is_kept_of_what_a_lost_task_has_changed_before_a_commit_that_was_asked_for(rig, within):
    source = SUM.replace("total += x", "total += x\n    __import__('time').sleep(0.01)")

    async def test():
        engine, partitions, log, _ = await begin(rig, source, [records(1), records(0)], commit_interval_s=0.01)
        await partitions.take([0, 1])
        manifold = engine.manifold
        await until(lambda: manifold.ledger.is_cutting and any(work.task == 1 for work in manifold.line.sent_works))
        at = log.position(1)
        kept = totals(log).get(1)
        await partitions.drop([1])
        assert manifold.crew.jets[0].tasks == {0}
        await until(lambda: partitions.is_through([0]))
        assert (log.position(1), totals(log).get(1)) == (at, kept)

    within(test)


def test_a_jet_that_ends_behind_its_answer_to_a_commit_takes_its_answer_with_it(rig, within):
    source = SUM.replace("total += x", "total += x\n    if x >= 1000: __import__('time').sleep(0.05)")

    async def test():
        engine, partitions, log, _ = await begin(
            rig, source, [records(0, 500), records(1, 30)], n_jets=2, commit_interval_s=0.01
        )
        await partitions.take([1, 0])
        ledger = engine.manifold.ledger
        await until(lambda: ledger.is_cutting and any(entry.task == 0 for entry in ledger.cut.entries))
        os.kill(engine.manifold.crew.jets[0].pid, signal.SIGKILL)
        await until(lambda: partitions.is_through([0, 1]))
        assert values(log) == {0: sums(0, 500), 1: sums(1, 30)}
        assert totals(log) == {0: sums(0, 500)[-1][1], 1: sums(1, 30)[-1][1]}

    within(test)


def test_a_commit_that_no_jet_is_left_to_answer_does_not_keep_them_from_starting_again(rig, within):
    source = SUM.replace("total += x", "total += x\n    __import__('time').sleep(0.01)")

    async def test():
        engine, partitions, log, _ = await begin(
            rig, source, [records(0), records(1)], n_jets=2, commit_interval_s=0.01
        )
        await partitions.take([0, 1])
        await until(lambda: engine.manifold.ledger.is_cutting)
        for jet in engine.manifold.crew.jets:
            os.kill(jet.pid, signal.SIGKILL)
        await until(lambda: partitions.is_through([0, 1]))
        assert values(log) == {task: sums(task) for task in range(2)}

    within(test)


@pytest.mark.parametrize("is_aborted", [True, False])
def test_an_input_whose_tasks_are_lost_is_not_at_its_end(rig, within, is_aborted):
    """Of a run that ends where its topic does: what was read and is not committed is still to come."""

    async def test():
        engine, partitions, log, topic = await begin(rig, SUM, [records(0)])
        topic.gate.clear()
        await partitions.take([0])
        await until(lambda: topic.is_waiting)
        engine.manifold.intakes[0].is_eof = True  # all of it is read, and the last commit is under way
        if is_aborted:
            topic.aborts = [LOST]
            topic.gate.set()
            await until(lambda: not engine.manifold.owned)
        else:
            dropped = asyncio.ensure_future(partitions.drop([0]))
            await asyncio.sleep(0)
            topic.gate.set()
            await dropped
        await asyncio.sleep(0.05)
        assert engine.state is EngineState.RUNNING
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        assert values(log) == {0: sums(0)}

    within(test)


@pytest.mark.parametrize(("error", "state"), [(TRIED, EngineState.FINISHED), (LOST, EngineState.ERROR)])
def test_what_end_gave_is_written_once_though_the_last_commit_is_aborted(rig, within, error, state):
    source = SUM + "\ndef end():\n    yield -1\n"

    async def test():
        engine, partitions, log, _ = await begin(rig, source, [records(0)])
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        await engine.manifold.settled()
        log.aborts = [error, error]
        engine.manifold.intakes[0].is_eof = True
        engine.manifold.on_end()
        assert await engine.wait(EngineState.FINISHED, EngineState.ERROR) is state
        assert [json.loads(value) for value, _ in log.topics["out"]] == sums(0) + [-1] * (error is TRIED)
        assert not log.fence.is_finished

    within(test)


def test_an_output_that_says_what_it_carries_keeps_the_rest_of_its_records(rig, within):
    source = "from engine import Message\n\ndef action(x):\n    yield Message(x, key=b'mine')\n    yield x\n"

    async def test():
        _, partitions, log, _ = await begin(rig, source, [records(0, 3)])
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        assert [label for _, label in log.topics["out"]] == [
            Label(key, 1000 + i, (), 0) for i in range(3) for key in (b"mine", b"key-%d" % i)
        ]

    within(test)


def test_rejects_go_to_their_topic_with_what_their_records_carried_and_not_when_a_commit_is_aborted(rig, within):
    source = "# engine.on_error: reject\n\ndef action(x):\n    yield 1 / (x % 2)\n"

    async def test():
        engine, partitions, log, _ = await begin(rig, source, [[], records(1, 4)])
        intake = engine.manifold.intakes[0]
        intake.rejects = partitions.rejects = Outlet(
            10, stream(DISCARD), Topic(log, "rejects"), OutputFence(0), engine.manifold
        )
        partitions.rejects.start()
        log.aborts = [TRIED]
        await partitions.take([1])
        await until(lambda: partitions.is_through([1]))
        rejected = [(json.loads(value)["seq_no"], label) for value, label in log.topics["rejects"]]
        assert rejected == [(n + 1, Label(b"key-%d" % n, 1000 + n, (), 1)) for n in (0, 2)]

    within(test)


def test_inputs_of_one_partition_share_its_state_and_stand_each_where_it_does(rig, within):
    source = "# engine.slot.other: 2" + SUM.replace("action(x)", "action(x, slot)").replace(
        "[x, total]", "[slot, total]"
    )

    async def test():
        engine, _, log, _ = await begin(rig, source, [[]], inputs=(0, 2))
        manifold, streams = engine.manifold, stream({"Transport": "REST", "Encoding": "json"})
        await manifold.restore(1, [])
        lanes = [Lane(7 + slot, 1, InputFence(slot, 10), streams, None, lambda _: None) for slot in (0, 2)]
        manifold.add_lanes(lanes)
        await manifold.pin_lanes()
        assert log.position(1, 2) == InputFence(2, 10)
        for n, lane in enumerate(lanes):
            manifold.on_batch(lane, Batch([b"1"] * (n + 1), range(11, 12 + n)))
        await manifold.settled()
        assert values(log) == {1: [[0, 1], [2, 2], [2, 3]]}
        assert [log.position(1, slot) for slot in (0, 2)] == [InputFence(0, 11, 1), InputFence(2, 12, 2)]

    within(test)


def test_what_begin_gives_counts_once_however_many_jets_there_are(rig, within):
    source = SUM + "\ndef begin():\n    yield -1\n"

    async def test():
        engine, *_ = await begin(rig, source, [[]])
        crew = Crew(rig.model(source), engine.manifold, engine.settings)
        crew.jets = await crew.grow(2)
        [frame] = await crew.begin(crew.jets)
        new = await crew.grow(1)
        assert (frame.values, await crew.begin(new)) == ([b"-1"], [])
        await crew.abandon()

    within(test)


@pytest.mark.parametrize("verb", ["scale", "load"])
def test_a_task_that_is_taken_over_while_the_jets_change_has_its_state_where_its_records_go(
    rig, within, monkeypatch, verb
):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(0), records(1)])
        log.state["script", 1, b"", "total"] = pack(7)
        [jet] = engine.manifold.crew.jets
        restored, goes_on = asyncio.Event(), asyncio.Event()

        async def restore(entries, task=0):  # as with a state that takes a while
            n_keys = await Jet.restore(jet, entries, task)
            restored.set()
            await goes_on.wait()
            return n_keys

        monkeypatch.setattr(jet, "restore", restore)
        taking = asyncio.create_task(partitions.take([1]))
        await restored.wait()
        await (engine.scale(2) if verb == "scale" else engine.load(rig.model(SUM + "\n")))
        goes_on.set()
        await taking
        await until(lambda: partitions.is_through([1]))
        assert totals(log)[1] == 7 + sums(1)[-1][1]

    within(test)


@pytest.mark.parametrize("is_back", [False, True])
def test_a_task_that_comes_while_a_model_takes_the_place_of_another_has_its_state(rig, within, monkeypatch, is_back):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [records(0), records(1)])
        if is_back:
            await partitions.take([1])
            await until(lambda: partitions.is_through([1]))
        restore_tasks = Crew._restore_tasks

        async def restore(crew, jets):
            await restore_tasks(crew, jets)
            if is_back:
                await partitions.release([1])
            log.state["script", 1, b"", "total"] = pack(7)  # as whoever had it before has left it
            await partitions.take([1])

        monkeypatch.setattr(Crew, "_restore_tasks", restore)
        await engine.load(rig.model(SUM + "\n"))
        partitions.records[1] += [b"1"]
        partitions.feed(1)
        await until(lambda: partitions.is_through([1]))
        assert totals(log)[1] == (8 if is_back else 8 + sums(1)[-1][1])

    within(test)


def test_rejects_of_a_topic_are_not_scored_with_the_state_of_another_partition(rig, within):
    async def test():
        engine, partitions, _, _ = await begin(rig, BARE, [[], []])
        await partitions.take([0, 1])
        kafka = {"Type": "Kafka", "BootstrapServers": ["broker"], "Topic": "prices"}
        engine.manifold.intakes[0].stream = stream({"Transport": kafka, "Encoding": "json"}, "prices")
        with pytest.raises(NotBuilt, match=r"Slot 0: A replay into a topic .*rejects show --raw"):
            engine.manifold.replay(0, [1], [b"1"])
        assert not engine.manifold.delivery.replaying

    within(test)


def test_the_state_of_all_partitions_that_are_read_here_is_shown(rig, within):
    async def test():
        engine, partitions, _, _ = await begin(rig, SUM, [[b"1"], [b"5"]])
        assert list(engine.state_entries()) == []
        await partitions.take([0, 1])
        await until(lambda: partitions.is_through([0, 1]))
        await until(lambda: {entry.task: unpack(entry.value) for entry in engine.state_entries()} == {0: 1, 1: 5})

    within(test)
