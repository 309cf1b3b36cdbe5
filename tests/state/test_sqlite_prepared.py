"""A commit that is prepared is kept, seen by nobody, and comes true or is forgotten when it is settled."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import StoreFailed
from engine.record import Oversized
from engine.state.commits import Answer, Commit, Entry, Fence, InputFence, Kept, OutputFence, Reject, TaskFence
from engine.state.sqlite import SqliteStore

REJECT = Reject(1.5, 0, 7, 9, "input", "DecodeError", "no double", "", Oversized(b"\xff\x00", 1 << 30))
COMMIT = Commit(
    Fence(
        3,
        "model",
        "digest",
        {0: "symbol"},
        {1: InputFence(0, 2, 2)},
        {2: OutputFence(1, 0, 2)},
        tasks={0: TaskFence({0: InputFence(0, 70, 7, 1)}), 5: TaskFence({0: InputFence(0, 0)}, has_begun=False)},
    ),
    [Entry("script", b"k", "n", b"v")],
    {2: [b"a", b"b"]},
    [REJECT],
    [],
    [Answer("key", b"d" * 16, b"answer", 9e9)],
)


def holds(store: SqliteStore) -> tuple[object, ...]:
    return store.fence, store.outputs(2), [one.reason for one in store.rejects()], store.answer_of("key")


NOTHING = (None, Kept(1, [], b"", ()), [], None)
ALL = (COMMIT.fence, Kept(1, [b"a", b"b"], b"", (2,)), ["no double"], COMMIT.answers[0])


@pytest.mark.parametrize("is_reopened", [False, True], ids=["at once", "by the next process"])
@pytest.mark.parametrize(("is_true", "expected"), [(True, ALL), (False, NOTHING)], ids=["true", "not true"])
def test_a_prepared_commit_is_seen_when_it_is_settled_and_true(
    tmp_path: Path, is_reopened: bool, is_true: bool, expected: tuple[object, ...]
) -> None:
    store = SqliteStore(tmp_path)
    try:
        assert store.append(1, [b"one", b"two", b"three"]).result() == 3
        assert store.prepared is None
        store.prepare(COMMIT, [b"writer", 3]).result()
        assert holds(store) == NOTHING
        if is_reopened:
            store.close()
            store = SqliteStore(tmp_path)
        assert store.prepared is not None
        commit, note = store.prepared
        assert (commit.fence, note, commit.rejects) == (COMMIT.fence, [b"writer", 3], [REJECT])
        store.settle(is_true=is_true).result()
        assert (holds(store), store.prepared) == (expected, None)
        assert store.inputs(1).values == ([b"three"] if is_true else [b"one", b"two", b"three"])
        store.close()
        store = SqliteStore(tmp_path)
        assert (holds(store), store.prepared) == (expected, None)
        assert list(store.entries()) == []  # the state is elsewhere
    finally:
        store.close()


def test_settling_without_a_prepared_commit_changes_nothing() -> None:
    with SqliteStore(None) as store:
        store.settle().result()
        assert holds(store) == NOTHING
        assert store.is_volatile


def test_what_is_prepared_later_takes_the_place_of_what_was_before() -> None:
    with SqliteStore(None) as store:
        store.prepare(Commit(Fence(1, "m", "d"), replayed=[1]), "first").result()
        store.prepare(COMMIT, "second").result()
        assert store.prepared is not None
        assert store.prepared[1] == "second"
        store.settle().result()
        assert holds(store) == ALL


def test_outputs_that_do_not_follow_are_refused_before_anything_is_prepared() -> None:
    with SqliteStore(None) as store:
        wrong = Commit(Fence(1, "m", "d", outputs={2: OutputFence(1, 0, 1)}), outputs={2: [b"a", b"b"]})
        with pytest.raises(StoreFailed, match="do not follow"):
            store.prepare(wrong).result()
        assert store.prepared is None


def test_a_new_job_has_nothing_prepared() -> None:
    with SqliteStore(None) as store:
        store.prepare(COMMIT).result()
        store.clear().result()
        assert store.prepared is None


def test_a_commit_that_begins_anew_forgets_the_state_when_it_is_settled() -> None:
    with SqliteStore(None) as store:
        store.commit(Commit(Fence(1, "m", "d"), [Entry("script", b"", "n", b"v")])).result()
        store.prepare(Commit(Fence(2, "m", "d"), is_anew=True)).result()
        assert len(list(store.entries())) == 1
        store.settle().result()
        assert list(store.entries()) == []


def test_the_steps_of_preparing_and_settling_are_told() -> None:
    steps: list[str] = []
    with SqliteStore(None, on_step=steps.append) as store:
        store.prepare(COMMIT).result()
        store.settle().result()
    assert steps == ["prepare-open", "prepare-closed", "fence-open", "fence-closed"]


def test_a_store_keeps_its_identity_and_every_job_in_it_has_a_life_of_its_own(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "one") as store, SqliteStore(tmp_path / "two") as other:
        identity, life = store.identity, store.life
        assert len({identity, life, other.identity, other.life}) == 4
    with SqliteStore(tmp_path / "one") as store:
        assert (store.identity, store.life) == (identity, life)
        store.clear().result()
        assert store.identity == identity
        assert store.life not in (life, identity)
        after = store.life
    with SqliteStore(tmp_path / "one") as store:
        assert (store.identity, store.life) == (identity, after)
