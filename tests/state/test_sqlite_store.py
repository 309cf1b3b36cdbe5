"""What a store of commits promises, kept by the one in SQLite: in one process, and over the end of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import StateCorrupt, StateLocked, StoreFailed
from engine.record import Oversized
from engine.state.commits import Answer, Commit, Entry, Fence, InputFence, Kept, OutputFence, Reject
from engine.state.sqlite import Peek, SqliteStore, discard

DAY_S = 24 * 3600


def fence_of(number: int = 1, position: int = 0, out: int = 0) -> Fence:
    """Return a fence with input 1 on slot 0 and output 2 on slot 1."""
    inputs, outputs = {1: InputFence(0, position, position, 0)}, {2: OutputFence(1, 0, out, "")}
    return Fence(number, "model", "digest", {0: "symbol"}, inputs, outputs)


def now_and_later(reopen: Callable[[], SqliteStore], store: SqliteStore) -> Iterator[SqliteStore]:
    """Return a store as it is, and then as it is when it was opened again."""
    yield store
    yield reopen()


def reject_of(reason: str) -> Reject:
    return Reject(1.5, 0, 7, None, "input", "DecodeError", reason, "line 1", b"\xff\x00")


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Callable[[], SqliteStore]]:
    """Return what opens the store of a folder, after it has closed the one from before."""
    opened: list[SqliteStore] = []

    def reopen() -> SqliteStore:
        for store in opened:
            store.close()
        opened.append(SqliteStore(tmp_path / "jobs" / "serve"))
        return opened[-1]

    yield reopen
    for store in opened:
        store.close()


@pytest.fixture(params=["in a folder", "volatile"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "store" if request.param == "in a folder" else None) as store:
        yield store


def test_a_new_store_holds_nothing(store: SqliteStore) -> None:
    assert (store.fence, store.job, store.scopes(), list(store.entries())) == (None, None, [], [])
    assert (store.rejects(), store.answer_of("a")) == ([], None)
    assert store.inputs(1) == store.outputs(1) == Kept(1, [], b"", ())


def test_a_commit_is_there_after_the_store_was_opened_again(reopen: Callable[[], SqliteStore]) -> None:
    store = reopen()
    entries = [Entry("script", b"k", "n", b"v"), Entry("cells", b"", "c", b"w"), Entry("pools/p", b"k", "", b"")]
    commit = Commit(fence_of(1, 0, 2), entries, {2: [b"a", b""]}, [reject_of("r")], [], [Answer("k", b"d", b"c", 9e9)])
    store.commit(commit).result()
    store.set_job({"name": "n", 1: [None, b"x", 1.5]}).result()
    for found in now_and_later(reopen, store):
        assert found.fence == commit.fence
        assert found.job == {"name": "n", 1: [None, b"x", 1.5]}
        assert found.scopes() == ["cells", "pools/p", "script"]
        assert [entry for scope in ("script", "cells", "pools/p") for entry in found.entries(scope)] == entries
        assert found.outputs(2) == Kept(1, [b"a", b""], b"", (2,))
        assert [(reject.number, reject.reason) for reject in found.rejects()] == [(1, "r")]
        assert found.answer_of("k") == commit.answers[0]


def test_the_last_value_of_a_key_counts_and_none_forgets_it(store: SqliteStore) -> None:
    def entry(key: bytes, value: bytes | None) -> Entry:
        return Entry("script", key, "n", value)

    store.commit(Commit(fence_of(1), [entry(b"a", b"1"), entry(b"b", b"1"), entry(b"b", b"2")])).result()
    store.commit(Commit(fence_of(2), [entry(b"a", None), entry(b"never", None), entry(b"c", b"3")])).result()
    assert list(store.entries()) == [entry(b"b", b"2"), entry(b"c", b"3")]
    store.commit(Commit(fence_of(3), [entry(b"b", None), entry(b"c", None), entry(b"c", b"4")])).result()
    assert list(store.entries()) == [entry(b"c", b"4")]


def test_a_commit_of_another_model_forgets_the_state_and_nothing_else(store: SqliteStore) -> None:
    store.append(1, [b"a"]).result()
    before = [Entry("script", b"", "x", b"1"), Entry("pools/p", b"k", "", b"1")]
    store.commit(Commit(fence_of(1, 0, 1), before, {2: [b"o"]})).result()
    after = [Entry("script", b"", "y", b"2")]
    store.commit(Commit(fence_of(2, 0, 1), after, is_anew=True)).result()
    assert (store.scopes(), list(store.entries())) == (["script"], after)
    assert (store.inputs(1).values, store.outputs(2).values) == ([b"a"], [b"o"])


def test_journaled_records_are_counted_and_freed_by_the_fence(reopen: Callable[[], SqliteStore]) -> None:
    store = reopen()
    assert [store.append(1, values).result() for values in ([b"a", b"b"], [b"c"], [b"d"])] == [2, 3, 4]
    assert store.append(7, [b"x"]).result() == 1
    store.commit(Commit(fence_of(1, 1))).result()
    for found in now_and_later(reopen, store):
        assert found.inputs(1) == Kept(2, [b"b", b"c", b"d"], b"", (2, 3, 4))
    store = found
    store.commit(Commit(fence_of(2, 4))).result()
    for found in now_and_later(reopen, store):
        assert found.inputs(1) == Kept(5, [], b"", ())
        assert found.inputs(7).values == [b"x"]
    store = found
    assert [area[-1] for _, area in store._ledger.streams] == [7]  # no room is taken by the other
    assert store.append(1, [b"e"]).result() == 5


def test_the_beginning_of_a_record_is_kept_until_the_next_request(reopen: Callable[[], SqliteStore]) -> None:
    store = reopen()
    store.append(1, [], pending=b"ab").result()
    assert reopen().inputs(1) == Kept(1, [], b"ab", ())
    store = reopen()
    assert store.append(1, [b"abc"], pending=b"d").result() == 1
    assert store.inputs(1) == Kept(1, [b"abc"], b"d", (1,))
    store.append(1, [b"de"]).result()
    assert reopen().inputs(1) == Kept(1, [b"abc", b"de"], b"", (1, 2))


def test_an_oversized_record_comes_back_as_one(reopen: Callable[[], SqliteStore]) -> None:
    reopen().append(1, [b"a", Oversized(b"head", 1 << 40)]).result()
    plain, oversized = reopen().inputs(1).values
    assert (type(plain), type(oversized), oversized) == (bytes, Oversized, b"head")
    assert isinstance(oversized, Oversized)
    assert oversized.size_bytes == 1 << 40


def test_outputs_stay_until_they_are_acknowledged(reopen: Callable[[], SqliteStore]) -> None:
    store = reopen()
    store.commit(Commit(fence_of(1, 0, 2), outputs={2: [b"a", b"b"]})).result()
    store.commit(Commit(fence_of(2, 0, 2))).result()
    store.commit(Commit(fence_of(3, 0, 4), outputs={2: [b"c", b"d"]})).result()
    assert store.outputs(2) == Kept(1, [b"a", b"b", b"c", b"d"], b"", (2, 4))
    store.acknowledge(2, 3)
    store.acknowledge(2, 1)
    for found in now_and_later(reopen, store):
        assert found.outputs(2) == Kept(4, [b"d"], b"", (4,))
    store = found
    store.acknowledge(2, 1000)  # more than there is: what comes later is not meant
    for found in now_and_later(reopen, store):
        assert found.outputs(2) == Kept(5, [], b"", ())
    store = found
    assert store._ledger.streams == set()  # and no room is taken any more
    store.commit(Commit(fence_of(4, 0, 5), outputs={2: [b"e"]})).result()
    assert reopen().outputs(2) == Kept(5, [b"e"], b"", (5,))


def test_outputs_that_do_not_follow_those_before_are_refused(store: SqliteStore) -> None:
    store.commit(Commit(fence_of(1, 0, 2), outputs={2: [b"a", b"b"]})).result()
    with pytest.raises(StoreFailed, match="do not follow 2"):
        store.commit(Commit(fence_of(2, 0, 4), outputs={2: [b"d"]})).result()
    assert store.fence == fence_of(1, 0, 2)


def test_an_attachment_that_the_fence_does_not_name_any_more_is_forgotten(reopen: Callable[[], SqliteStore]) -> None:
    store = reopen()
    store.append(1, [b"a"], pending=b"b").result()
    store.append(3, [b"c"]).result()
    store.commit(Commit(fence_of(1, 0, 2), outputs={2: [b"o", b"p"]})).result()
    store.acknowledge(2, 1)
    store.commit(Commit(Fence(2, "model", "digest"))).result()
    for found in now_and_later(reopen, store):
        assert (found.inputs(1), found.outputs(2)) == (Kept(1, []), Kept(1, []))
        assert found.inputs(3).values == [b"c"]


def test_rejects_are_numbered_for_ever_and_leave_the_log_when_they_are_fed_back(
    reopen: Callable[[], SqliteStore],
) -> None:
    def numbers(store: SqliteStore) -> list[tuple[int, str]]:
        return [(reject.number, reject.reason) for reject in store.rejects()]

    store = reopen()
    store.commit(Commit(fence_of(1), rejects=[reject_of(reason) for reason in "abcd"])).result()
    store.commit(Commit(fence_of(2), rejects=[reject_of("e")], replayed=[2, 4, 99])).result()
    assert numbers(store) == [(1, "a"), (3, "c"), (5, "e")]
    assert [reject.number for reject in store.rejects(1, 1)] == [3]
    store.drop_rejects([5, 1]).result()
    store = reopen()
    assert numbers(store) == [(3, "c")]
    store.clear().result()
    store = reopen()
    assert numbers(store) == [(3, "c")]
    store.drop_rejects().result()
    store = reopen()
    assert numbers(store) == []
    store.commit(Commit(fence_of(1), rejects=[reject_of("f")])).result()
    assert numbers(reopen()) == [(6, "f")]


def test_an_answer_is_kept_for_a_day(tmp_path: Path) -> None:
    now = [100 * DAY_S + 5.0]
    with SqliteStore(tmp_path, clock=lambda: now[0]) as store:
        answer = Answer("\ud800 key", b"digest", b"content", now[0])
        assert store.append(1, [b"a"], answers=[answer]).result() == 1
        assert store.answer_of("\ud800 key") == answer
        again = Answer("\ud800 key", b"digest", b"other", now[0] + 3600)
        store.append(1, [], answers=[again]).result()
        assert store.answer_of("\ud800 key") == again
        now[0] += DAY_S + 3600
        assert store.answer_of("\ud800 key") == again
        now[0] += 1
        assert store.answer_of("\ud800 key") is None
        assert len(store._ledger.areas("answers")) == 2
        now[0] += 900
        store.append(1, [b"a"]).result()
        assert len(store._ledger.areas("answers")) == 0


def test_clear_begins_a_new_job(reopen: Callable[[], SqliteStore]) -> None:
    store = reopen()
    store.append(1, [b"a"], pending=b"b", answers=[Answer("k", b"", b"", time.time())]).result()
    store.set_job("job").result()
    store.commit(Commit(fence_of(1, 0, 3), [Entry("script", b"", "x", b"1")], {2: [b"o"] * 3})).result()
    store.acknowledge(2, 2)
    store.clear().result()
    for found in now_and_later(reopen, store):
        assert (found.fence, found.job, found.scopes(), list(found.entries())) == (None, None, [], [])
        assert (found.inputs(1), found.outputs(2), found.answer_of("k")) == (Kept(1, []), Kept(1, []), None)
    store = found
    store.commit(Commit(fence_of(1, 0, 1), outputs={2: [b"new"]})).result()
    assert reopen().outputs(2).values == [b"new"]


@pytest.mark.parametrize(
    "commit",
    [
        Commit(fence_of(2), [Entry("script", b"k", "n", "text")]),  # type: ignore[arg-type]
        Commit(fence_of(2), [Entry("script", b"k", "n", b"v"), Entry("cells", "key", "n", b"v")]),  # type: ignore[arg-type]
        Commit(fence_of(2), [Entry("script", b"k", "n", b"v")], outputs={9: [b"a"]}),
        Commit(fence_of(2, 0, 1), [Entry("script", b"k", "n", b"v")], outputs={2: ["text"]}),  # type: ignore[list-item]
        Commit(fence_of(2), [Entry("script", b"k", "n", b"v")], rejects=[object()]),  # type: ignore[list-item]
    ],
    ids=["value", "key", "attachment", "output", "reject"],
)
def test_a_write_that_cannot_be_fails_alone_and_leaves_nothing(store: SqliteStore, commit: Commit) -> None:
    store.commit(Commit(fence_of(1))).result()
    futures = [store.append(1, [b"a"]), store.commit(commit), store.append(1, [b"b"])]
    assert [type(future.exception()) for future in futures] == [type(None), StoreFailed, type(None)]
    assert (store.fence, store.scopes(), store.inputs(1).values) == (fence_of(1), [], [b"a", b"b"])
    store.commit(Commit(fence_of(2), [Entry("script", b"k", "n", b"v")])).result()
    assert [entry.value for entry in store.entries()] == [b"v"]


def test_a_commit_that_was_queued_behind_one_that_failed_is_not_kept(tmp_path: Path) -> None:
    gate = threading.Event()
    with SqliteStore(tmp_path, on_step=lambda _: gate.wait() and None) as store:
        first = store.append(1, [b"a"])
        bad = store.commit(Commit(fence_of(1), [Entry("script", b"", "x", "text")]))  # type: ignore[arg-type]
        behind = store.commit(Commit(fence_of(2), [Entry("script", b"", "y", b"1")]))
        gate.set()
        assert first.result() == 1
        assert isinstance(bad.exception(), StoreFailed)
        assert isinstance(behind.exception(), StoreFailed)
        store.commit(Commit(fence_of(1))).result()
        assert store.scopes() == []


def test_what_waits_is_written_in_one_transaction(tmp_path: Path) -> None:
    gate, steps = threading.Event(), list[str]()

    def on_step(step: str) -> None:
        gate.wait()
        steps.append(step)

    with SqliteStore(tmp_path, on_step=on_step) as store:
        futures = [store.append(1, [b"first"])]
        while not store._queue.empty():  # it stands at the gate with the first one when it has taken it
            os.sched_yield()
        futures += [store.append(1, [b"%d" % number]) for number in range(50)]
        done = list[int]()
        for future in futures:
            future.add_done_callback(lambda future: done.append(future.result()))
        committed = store.commit(Commit(fence_of(1, 3)))
        assert not any(future.done() for future in futures)
        gate.set()
        committed.result()
        assert done == list(range(1, 52))
        assert steps[:2] == ["journal-open", "journal-closed"]
        assert steps[2:] == ["journal-open", "fence-open", "journal-closed", "fence-closed"]
        assert store.inputs(1).first_seq == 4


def test_a_commit_of_many_keys_is_written_in_few_statements(store: SqliteStore) -> None:
    # Each of them may wait 5 ms for Python's lock: one for each key would take a minute.
    statements = list[str]()
    store._connection.set_trace_callback(lambda sql: statements.append(sql[:30]))
    for number in (1, 2):
        entries = [Entry("script", b"%d" % key, "n", b"v") for key in range(10_000)]
        store.commit(Commit(fence_of(number), entries)).result()
    assert 20 < len(statements) < 100


def test_at_a_step_that_is_open_nobody_sees_the_write_and_at_one_that_is_closed_everybody_does(tmp_path: Path) -> None:
    seen: dict[str, int | None] = {}

    def on_step(step: str) -> None:
        with Peek(tmp_path) as peek:
            seen[step] = peek.fence.number if peek.fence else None

    with SqliteStore(tmp_path, on_step=on_step) as store:
        store.commit(Commit(fence_of(1))).result()
    assert seen == {"fence-open": None, "fence-closed": 1}


def test_a_write_after_the_end_fails_and_what_was_queued_before_is_kept(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    futures = [store.append(1, [b"a"]) for _ in range(100)]
    store.close()
    store.close()
    assert [future.result() for future in futures] == list(range(1, 101))
    with pytest.raises(StoreFailed, match="it is closed"):
        store.append(1, [b"b"]).result()
    assert {path.name for path in tmp_path.iterdir()} == {"commits.db", "epoch", "lock"}


def test_a_future_that_nobody_waits_for_any_more_is_written_all_the_same(store: SqliteStore) -> None:
    future = store.append(1, [b"a"])
    assert not future.cancel()
    assert future.result() == 1


def test_entries_are_those_of_one_moment_while_commits_go_on(store: SqliteStore) -> None:
    def commit(number: int) -> None:
        value = b"%d" % number
        entries = [Entry("script", b"%06d" % key, "n", value) for key in range(3000)]
        store.commit(Commit(fence_of(number), entries, is_synced=False)).result()

    commit(1)
    reading = store.entries()
    first = next(reading)
    for number in range(2, 6):
        commit(number)
    assert {entry.value for entry in (first, *reading)} == {b"1"}
    assert {entry.value for entry in store.entries()} == {b"5"}


def test_a_second_engine_is_refused_and_told_who_has_the_store(tmp_path: Path) -> None:
    with SqliteStore(tmp_path), pytest.raises(StateLocked) as caught:
        SqliteStore(tmp_path)
    assert (caught.value.path, caught.value.pid) == (str(tmp_path), os.getpid())
    SqliteStore(tmp_path).close()


def test_whoever_had_the_store_cannot_write_once_another_has_opened_it(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as old:
        old.append(1, [b"a"]).result()
        (tmp_path / "lock").unlink()  # as on a file system whose locks do not reach every machine
        with SqliteStore(tmp_path) as new:
            for _ in range(2):
                with pytest.raises(StoreFailed, match="another process has opened it since"):
                    old.append(1, [b"b"]).result()
            assert new.append(1, [b"c"]).result() == 2
    with SqliteStore(tmp_path) as store:
        assert store.inputs(1).values == [b"a", b"c"]


def test_a_store_is_read_while_an_engine_writes_it(tmp_path: Path) -> None:
    with Peek(tmp_path) as peek:
        assert (peek.fence, peek.job, peek.scopes(), list(peek.entries()), peek.rejects()) == (None, None, [], [], [])
    entry = Entry("script", b"k", "n", b"v")
    with SqliteStore(tmp_path) as store:
        store.set_job(["job"]).result()
        store.commit(Commit(fence_of(1), [entry], rejects=[reject_of("r")])).result()
        with Peek(tmp_path) as peek:
            store.commit(Commit(fence_of(2), [Entry("script", b"k", "n", b"later")])).result()
            store.drop_rejects().result()
            assert (peek.fence, peek.job, peek.scopes()) == (fence_of(1), ["job"], ["script"])
            assert (list(peek.entries()), [reject.reason for reject in peek.rejects()]) == ([entry], ["r"])
    with Peek(tmp_path) as peek:
        assert peek.fence == fence_of(2)


@pytest.mark.parametrize("is_gone", [False, True], ids=["empty", "gone"])
def test_a_store_that_is_empty_or_gone_is_not_taken_for_a_new_one(tmp_path: Path, is_gone: bool) -> None:
    SqliteStore(tmp_path).close()
    file = tmp_path / "commits.db"
    file.unlink() if is_gone else file.write_bytes(b"")
    with pytest.raises(StateCorrupt, match=r"commits\.db.*engine state clear"):
        SqliteStore(tmp_path)
    discard(tmp_path)
    with SqliteStore(tmp_path) as store:
        assert store.fence is None


@pytest.mark.parametrize("content", [b"", b"7", b"7 00000000\n", b"\xff\xff", None])
def test_a_damaged_epoch_beside_the_store_loses_nothing(tmp_path: Path, content: bytes | None) -> None:
    with SqliteStore(tmp_path) as store:
        store.commit(Commit(fence_of(1))).result()
    epoch = tmp_path / "epoch"
    epoch.unlink() if content is None else epoch.write_bytes(content)
    with SqliteStore(tmp_path) as store:
        assert store.fence == fence_of(1)


def test_the_folder_of_a_volatile_store_goes_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    abandoned = tmp_path / "engine-volatile-abandoned"
    abandoned.mkdir()
    (abandoned / "lock").write_bytes(b"1")
    with SqliteStore(None) as store:
        assert store.append(1, [b"a"]).result() == 1
        assert len(list(tmp_path.iterdir())) == 1
        assert not abandoned.exists()
        with SqliteStore(None):
            assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFailed, match="file"):
        SqliteStore(tmp_path / "file" / "jobs")
