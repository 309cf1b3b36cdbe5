"""A disk without room refuses what does not fit, loses nothing of what is there, and takes the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import StoreFailed
from engine.state.commits import Commit, Entry, Fence
from engine.state.sqlite import SqliteStore


def big_commit(number: int) -> Commit:
    """Return a commit of a megabyte."""
    return Commit(Fence(number, "m", "d"), [Entry("script", b"%d" % key, "n", bytes(1000)) for key in range(1000)])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path) as store:
        yield store


def limit(store: SqliteStore, n_pages: int) -> None:
    """Give the store so many pages on its disk."""
    store._connection.execute(f"PRAGMA max_page_count = {n_pages}")


def test_a_commit_that_does_not_fit_is_refused_whole_and_fits_when_there_is_room(store: SqliteStore) -> None:
    store.commit(Commit(Fence(1, "m", "d"), [Entry("script", b"0", "n", b"before")])).result()
    limit(store, 50)
    for _ in range(2):
        with pytest.raises(StoreFailed, match="full") as caught:
            store.commit(big_commit(2)).result()
        assert caught.value.is_full
        assert (store.fence, [entry.value for entry in store.entries()]) == (Fence(1, "m", "d"), [b"before"])
    assert store.append(1, [b"small"]).result() == 1
    limit(store, 10_000)
    store.commit(big_commit(2)).result()
    assert len(list(store.entries())) == 1000
    assert store.inputs(1).values == [b"small"]


def test_small_writes_beside_one_that_does_not_fit_are_kept(tmp_path: Path) -> None:
    gate = threading.Event()
    with SqliteStore(tmp_path, on_step=lambda _: gate.wait()) as store:
        limit(store, 50)
        before = [store.append(1, [b"%d" % number]) for number in range(3)]
        big = store.commit(big_commit(1))
        behind = store.commit(Commit(Fence(2, "m", "d")))
        after = [store.append(1, [b"%d" % number]) for number in range(3, 6)]
        gate.set()
        assert [future.result() for future in (*before, *after)] == [1, 2, 3, 4, 5, 6]
        assert isinstance(big.exception(), StoreFailed)
        with pytest.raises(StoreFailed, match="the commit before it was not kept"):
            behind.result()
    with SqliteStore(tmp_path) as store:
        assert (store.fence, store.inputs(1).values) == (None, [b"%d" % number for number in range(6)])


def test_what_a_refused_commit_took_of_the_disk_is_given_back(store: SqliteStore) -> None:
    store._connection.execute("PRAGMA cache_size = 10")  # so that the log takes what memory does not
    limit(store, 100)
    assert isinstance(store.commit(big_commit(1)).exception(), StoreFailed)
    assert store._path.with_name("commits.db-wal").stat().st_size == 0


def test_the_log_is_moved_to_the_file_while_commits_go_on(store: SqliteStore) -> None:
    log = store._path.with_name("commits.db-wal")
    sizes = []
    for number in range(1, 60):
        store.commit(big_commit(number)).result()
        sizes.append(log.stat().st_size)
    assert max(sizes) < 59 << 20
    assert store._path.stat().st_size > 1 << 20
