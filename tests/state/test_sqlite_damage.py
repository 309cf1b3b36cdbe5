"""Whatever byte of a store is not what was written, one hears of it or reads what was committed; nothing else."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StateCorrupt, StateIncompatible
from engine.state.commits import Answer, Commit, Entry, Fence, InputFence, OutputFence, Reject
from engine.state.sqlite import Peek, SqliteStore, making
from engine.state.sqlite.reading import Reading

NOW_S = 1e9
REFUSED = "refused"


def open_store(folder: Path) -> SqliteStore:
    return SqliteStore(folder, clock=lambda: NOW_S)


def what_a_store_holds(store: SqliteStore) -> list[Any]:
    """Return all that was ever committed to a store, and is not gone."""
    state = [entry for scope in store.scopes() for entry in store.entries(scope)]
    streams = [store.inputs(1), store.outputs(2)]
    return [store.fence, store.job, state, *streams, store.answer_of("key"), store.rejects()]


def what_a_peek_holds(peek: Peek) -> list[Any]:
    """Return the same, without opening the store for writing: four times as fast."""
    state = [entry for scope in peek.scopes() for entry in peek.entries(scope)]
    assert peek._connection is not None
    read, ledger = Reading(peek._connection, peek._path), peek._ledger
    streams = [read.inputs(ledger, 1), read.outputs(ledger, 2, ledger.acknowledged.get(2, 0))]
    return [peek.fence, peek.job, state, *streams, read.answer(ledger.areas("answers"), "key"), peek.rejects()]


def write(store: SqliteStore, number: int) -> Iterator[None]:
    """Write a bit of everything, and stop after each write."""
    store.set_job({"number": number}).result()
    yield
    answer = Answer("key", b"digest", b"%d" % number, NOW_S)
    store.append(1, [b"a", b"%d" % number], pending=b"p" * number, answers=[answer]).result()
    yield
    entries = [Entry("script", b"%d" % key, "n", b"%d" % number * 20) for key in range(number % 3, 5)]
    entries.append(Entry("cells", b"", "c", b"%d" % number))
    fence = Fence(number, "m", "d", {}, {1: InputFence(0, 2 * number - 1)}, {2: OutputFence(1, 0, number)})
    rejects = [Reject(1.5, 0, number, None, "input", "E", "r", "t", b"v")]
    store.acknowledge(2, number - 2)
    store.commit(Commit(fence, entries, {2: [b"o%d" % number]}, rejects, replayed=[max(number - 2, 0)])).result()
    yield


class Made:
    """A store, closed or killed, to be put down again and again with some damage.

    Parameters
    ----------
    folder : Path
        Where it is.
    known : list
        What it held at one time or another; at last the last.
    """

    def __init__(self, folder: Path, known: list[list[Any]]) -> None:
        self.known = known
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}
        self._trial = folder.with_name("trial")

    def outcome(self, name: str, content: bytes, *, is_peek: bool) -> list[Any] | str:
        """Return what is read when a file has another content."""
        shutil.rmtree(self._trial, ignore_errors=True)
        self._trial.mkdir()
        for other, data in {**self.files, name: content}.items():
            (self._trial / other).write_bytes(data)
        try:
            if is_peek:
                with Peek(self._trial) as peek:
                    return what_a_peek_holds(peek)
            with open_store(self._trial) as store:
                return what_a_store_holds(store)
        except (StateCorrupt, StateIncompatible) as exc:
            return REFUSED if str(self._trial / "commits.db") in str(exc) else f"unclear: {exc}"

    def flipped(self, name: str, at: int) -> bytes:
        """Return a file's content with one bit, another one at each place, turned over."""
        content = bytearray(self.files[name])
        content[at] ^= 1 << at % 8
        return bytes(content)

    def cuts(self, name: str) -> list[int]:
        """Return lengths to cut a file to: whatever a sector or a page may end at, and around it."""
        size = len(self.files[name])
        return sorted(
            {at for step in range(0, size, 64 if size < 10_000 else 128) for at in (step, step + 1)} | {size - 1}
        )


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder in memory, if there is one: thousands of stores are written. Small pages make many of them."""
    monkeypatch.setattr(making, "PAGE_BYTES", 512)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as path:
        yield Path(path)


def killed(store: SqliteStore, folder: Path) -> Path:
    """Return a folder as an engine leaves it that is killed now."""
    # By another process: as soon as this one closes a file of SQLite's, SQLite has lost its locks on it.
    subprocess.run(["cp", "-r", str(folder), str(folder.with_name("killed"))], check=True)
    store.close()
    return folder.with_name("killed")


def make_closed(folder: Path) -> Made:
    """Return a store that was closed: there is no log."""
    with open_store(folder / "store") as store:
        for number in (1, 2):
            for _ in write(store, number):
                pass
        known = what_a_store_holds(store)
    return Made(folder / "store", [known])


def make_killed(folder: Path) -> Made:
    """Return a store with a log that holds the last writes."""
    known = list[list[Any]]()
    for numbers in ((1, 2), (3, 4)):
        store = open_store(folder / "store")
        known = [what_a_store_holds(store)]
        for number in numbers:
            known += [what_a_store_holds(store) for _ in write(store, number)]
        if numbers == (1, 2):
            store.close()
    return Made(killed(store, folder / "store"), known)


def make_half_moved(folder: Path) -> Made:
    """Return a store whose log has been moved to the file in part."""
    store = open_store(folder / "store")
    known = [what_a_store_holds(store)]
    for number in (1, 2, 3, 4):
        known += [what_a_store_holds(store) for _ in write(store, number)]
        if number == 2:
            peek = Peek(folder / "store")  # what it sees is moved, and no more; and the log cannot begin again
    assert store._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[2] > 0
    found = Made(killed(store, folder / "store"), known)
    peek.close()
    return found


MAKERS = [make_closed, make_killed, make_half_moved]


@pytest.mark.parametrize("make", MAKERS)
def test_a_byte_of_the_file_that_is_damaged_changes_nothing_or_is_told(
    folder: Path, make: Callable[[Path], Made]
) -> None:
    made = make(folder)
    assert made.outcome("epoch", made.files["epoch"], is_peek=False) == made.known[-1]
    step = 7 if make is make_half_moved else 1
    outcomes = {
        at: made.outcome("commits.db", made.flipped("commits.db", at), is_peek=at % 29 > 0)
        for at in range(0, len(made.files["commits.db"]), step)
    }
    assert [at for at, found in outcomes.items() if found not in (REFUSED, made.known[-1])] == []
    assert REFUSED in outcomes.values()
    assert made.known[-1] in outcomes.values()


@pytest.mark.parametrize("make", MAKERS)
def test_a_file_that_was_cut_off_changes_nothing_or_is_told(folder: Path, make: Callable[[Path], Made]) -> None:
    made = make(folder)
    outcomes = {
        at: made.outcome("commits.db", made.files["commits.db"][:at], is_peek=is_peek)
        for at in made.cuts("commits.db")
        for is_peek in (True, False)
    }
    assert [at for at, found in outcomes.items() if found not in (REFUSED, made.known[-1])] == []
    assert outcomes[0] == REFUSED


def test_a_page_of_an_earlier_commit_among_those_of_the_last_is_told(folder: Path) -> None:
    versions = []
    store = open_store(folder / "store")
    for number in (3, 6):  # what is written is as long both times, so it lies in the same places
        for _ in write(store, number):
            pass
        known = what_a_store_holds(store)
        store.close()
        versions.append(Made(folder / "store", [known]))
        shutil.rmtree(folder / "store")
        store = open_store(folder / "store")
    store.close()
    old, new = (made.files["commits.db"] for made in versions)
    assert len(old) == len(new)
    size = making.PAGE_BYTES
    pages = [at for at in range(0, len(new), size) if old[at : at + size] != new[at : at + size]]
    mixed = [
        versions[1].outcome("commits.db", new[:at] + old[at : at + size] + new[at + size :], is_peek=True)
        for at in pages
    ]
    assert len(pages) > 5
    assert [at for at, found in zip(pages, mixed, strict=True) if found not in (REFUSED, versions[1].known[0])] == []
    assert mixed.count(REFUSED) > 5


@pytest.mark.parametrize("make", MAKERS[1:])
def test_a_byte_of_the_log_that_is_damaged_costs_the_last_writes_at_most(
    folder: Path, make: Callable[[Path], Made]
) -> None:
    made = make(folder)
    name = "commits.db-wal"
    frame_bytes = 24 + making.PAGE_BYTES
    n_bytes = len(made.files[name])
    heads = {at + number % 24 for number, at in enumerate(range(32, n_bytes, frame_bytes))}  # another byte of each
    places = sorted({*range(64), *heads, *range(0, n_bytes, 83)})
    outcomes = {at: made.outcome(name, made.flipped(name, at), is_peek=at % 13 > 0) for at in places}
    assert [at for at, found in outcomes.items() if found != REFUSED and found not in made.known] == []
    if make is make_killed:
        assert made.known[0] in outcomes.values()


@pytest.mark.parametrize("make", MAKERS[1:])
def test_a_log_that_was_cut_off_costs_the_last_writes_at_most(folder: Path, make: Callable[[Path], Made]) -> None:
    made = make(folder)
    name = "commits.db-wal"
    outcomes = [made.outcome(name, made.files[name][:at], is_peek=at % 3 > 0) for at in made.cuts(name)]
    assert [found for found in outcomes if found != REFUSED and found not in made.known] == []
    if make is make_killed:
        assert all(known in outcomes for known in made.known[:-1])


def test_an_index_of_the_log_that_is_damaged_changes_nothing(folder: Path) -> None:
    made = make_killed(folder)
    size = len(made.files["commits.db-shm"])
    for content in (b"", b"\xff" * size, made.files["commits.db-shm"][: size // 2]):
        assert made.outcome("commits.db-shm", content, is_peek=False) == made.known[-1]


def test_a_store_of_a_later_version_is_refused_and_both_versions_are_named(folder: Path) -> None:
    made = make_closed(folder)
    content = bytearray(made.files["commits.db"])
    content[60:64] = (2).to_bytes(4, "big")  # where SQLite keeps the user_version
    (folder / "later").mkdir()
    (folder / "later" / "commits.db").write_bytes(bytes(content))
    with pytest.raises(StateIncompatible, match=r"later/commits\.db has version 2 of the format.* reads 1"):
        SqliteStore(folder / "later")
