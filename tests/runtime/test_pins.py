"""Where everything stands is committed while a group moves: each try is of what is owned then."""

import asyncio

import pytest

from engine.runtime.committer import Committer
from tests.runtime.partitions import LOST, TRIED, begin, until, values

SUM = """
total = 0

def action(x):
    global total
    total += x
    yield [x, total]
"""
RECORDS = [[b"1"] * 5, [b"1"] * 5]
SUMS = [[1, n + 1] for n in range(6)]


@pytest.fixture(autouse=True)
def is_quick(monkeypatch):
    """Try again at once."""
    monkeypatch.setattr("engine.runtime.committer.RETRY_S", 0.01)


@pytest.mark.parametrize("error", [TRIED, LOST], ids=["aborted", "lost"])
def test_a_model_is_loaded_though_the_commit_for_it_comes_to_nothing(rig, within, error):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, [list(one) for one in RECORDS])
        await partitions.take([0, 1])
        await until(lambda: partitions.is_through([0, 1]))
        log.aborts = [error, TRIED]
        await engine.load(rig.model(SUM + "\n"))
        assert partitions.lost == ([{0, 1}] if error is LOST else [])
        if error is LOST:
            assert not engine.manifold.owned
            await partitions.take([0, 1])
        for task in range(2):
            partitions.records[task] += [b"1"]
            partitions.feed(task)
        await until(lambda: partitions.is_through([0, 1]))
        assert values(log) == {0: SUMS, 1: SUMS}

    within(test)


def test_a_task_that_is_lost_meanwhile_is_not_waited_for_and_not_in_the_next_try(rig, within, monkeypatch):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, RECORDS)
        await partitions.take([0, 1])
        await until(lambda: partitions.is_through([0, 1]))
        engine.manifold.membership = member = "before"
        n_refused, commit = 0, log._commit

        async def commit_of_a_member(given, done):
            nonlocal n_refused
            if given.membership == member:
                await commit(given, done)
            else:
                n_refused += 1
                done.set_exception(TRIED)

        monkeypatch.setattr(log, "_commit", commit_of_a_member)
        member = "behind"
        loading = asyncio.create_task(engine.load(rig.model(SUM + "\n")))
        await until(lambda: n_refused)
        await asyncio.wait_for(partitions.drop([1]), 30)
        engine.manifold.membership = member
        await asyncio.wait_for(loading, 30)
        assert log.fence.tasks.keys() == {0}

    within(test)


def test_a_commit_that_comes_meanwhile_is_behind_it(rig, within, monkeypatch):
    async def test():
        engine, partitions, log, _ = await begin(rig, SUM, RECORDS)
        await partitions.take([0])
        await until(lambda: partitions.is_through([0]))
        pin, log_gate = Committer._pin, log.gate

        async def pin_slowly(committer, look, *, has_begun):
            log_gate.clear()
            asyncio.get_running_loop().call_later(0.05, log_gate.set)
            engine.manifold.ledger.force()
            await pin(committer, look, has_begun=has_begun)

        monkeypatch.setattr(Committer, "_pin", pin_slowly)
        n_before = log.fence.number
        await engine.load(rig.model(SUM + "\n"))
        await until(lambda: not engine.manifold.ledger.is_forcing)
        assert log.fence.number == n_before + 2

    within(test)
