"""The store: a queue of writes, and the thread that writes them."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from engine.errors import StoreFailed
from engine.state.commits import SCRIPT, Answer, Commit, Entry, Fence, Kept, Reject
from engine.state.sqlite import writes
from engine.state.sqlite.changes import Changes
from engine.state.sqlite.checkpoints import LIMIT_BYTES, MOST_PAGES, N_PAGES, Checkpointer, move, move_all
from engine.state.sqlite.failures import failed, reading
from engine.state.sqlite.folder import Folder, VolatileFolder
from engine.state.sqlite.forms import key_text, unpack_commit
from engine.state.sqlite.ledger import Ledger
from engine.state.sqlite.making import head_row, make
from engine.state.sqlite.reading import Reading, check_file, connect, load, load_head
from engine.state.sqlite.tables import ANSWERS, ENTRIES, HEAD

_MOVE, _STOP = "move", "stop"

_CACHE_KIB = 64 << 10
"""Of pages that the writer holds, at most: those that ten thousand keys change, which else are written twice."""

_FULL, _NORMAL, _OFF = "FULL", "NORMAL", "OFF"


@dataclass(slots=True, eq=False)
class _Write:
    """One thing to be written."""

    change: Callable[[Changes], Any]
    is_synced: bool
    steps: str = ""
    is_alone: bool = False
    """It removes whole tables, so nothing may stand before or behind it in its transaction."""
    n_failed: int | None = None
    """Of a commit: how many had failed when it was queued. What was queued behind one that failed may not pass it."""
    future: Future[Any] = field(default_factory=Future)


class SqliteStore:
    """A `CommitLog` in one SQLite file.

    Parameters
    ----------
    folder : Path or None
        Where it is kept, in a file ``commits.db``; made if it is missing. None for a store that is gone with the
        process.
    on_step : callable
        Called in the writing thread: with ``journal-open``, ``prepare-open`` and ``fence-open`` when records, a
        prepared commit and a commit are written, in a transaction that is not closed; with ``journal-closed`` and so on
        when it is, and nobody knows.
    clock : callable
        Returns the time in seconds since 1970, by which answers are forgotten.

    Raises
    ------
    StateLocked
        Another process has it.
    StateCorrupt, StateIncompatible
        It is not what was written, or a later version wrote it.
    StoreFailed
        It cannot be written.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        on_step: Callable[[str], None] = lambda step: None,  # noqa: ARG005
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = Folder(folder) if folder is not None else VolatileFolder()
        self._path = self._folder.file
        self._on_step, self._clock = on_step, clock
        self._sync = ""
        self._n_failed = self._n_pages = 0
        self._acknowledged: dict[int, int] = {}
        self._fenced_by: StoreFailed | None = None
        self._queue: queue.SimpleQueue[_Write | str] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._is_closed = False
        self._read_lock = threading.Lock()
        try:
            self._open()
        except BaseException:
            self._folder.release()
            raise
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()
        if not self._ledger.identity:  # it is new, or of a time when stores had none
            try:
                self._put(_Write(writes.identify, is_synced=True)).result()
            except BaseException:
                self.close()
                raise

    def _open(self) -> None:
        make(self._folder)
        with reading(self._path):
            connection = connect(self._path, is_writer=True)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                for setting in (
                    f"cache_size = -{_CACHE_KIB}",
                    f"journal_size_limit = {LIMIT_BYTES}",
                    "wal_autocheckpoint = 0",  # it would keep a commit waiting
                    "secure_delete = OFF",
                    "temp_store = MEMORY",
                ):
                    connection.execute(f"PRAGMA {setting}")
                self._connection = connection
                self._take_over()
            except BaseException:
                connection.close()
                raise
            self._reader = connect(self._path)
            self._checkpointer = Checkpointer(self._path, lambda: self._queue.put(_MOVE))

    def _take_over(self) -> None:
        """Read what there is, and raise the epoch: whoever had the store before cannot write to it any more."""
        connection = self._connection
        self._set_sync(_FULL)
        connection.execute("BEGIN IMMEDIATE")
        check_file(connection, self._path)
        before = load(connection, self._path)
        after = before.copy()
        after.epoch = max(before.epoch, self._folder.read_epoch()) + 1
        self._head = head_row(before)
        self._head = self._write_head(after)
        connection.execute("COMMIT")
        self._ledger = after
        self._acknowledged = dict(after.acknowledged)
        self._folder.write_epoch(after.epoch)

    # What it knows.

    @property
    def fence(self) -> Fence | None:
        """The last committed one; None before the first commit."""
        return self._ledger.fence

    @property
    def job(self) -> Any:
        """What `set_job` kept; None before."""
        return self._ledger.job

    @property
    def prepared(self) -> tuple[Commit, Any] | None:
        """The commit that is prepared and not settled, without its entries, and what `prepare` was to note with it."""
        packed = self._ledger.prepared
        if packed is None:
            return None
        with reading(self._path):
            return unpack_commit(packed)

    @property
    def identity(self) -> str:
        """What tells the store from all others, for as long as its file is there."""
        return self._ledger.identity

    @property
    def life(self) -> str:
        """What tells the job in it from those that were in it before: `clear` begins another one."""
        return self._ledger.life

    @property
    def is_volatile(self) -> bool:
        """Whether it is gone with the process."""
        return self._folder.is_volatile

    def scopes(self) -> list[str]:
        """Return the scopes that have entries."""
        return [key_text(area) for area in self._ledger.areas(ENTRIES)]

    # Reading.

    def entries(self, scope: str = SCRIPT, task: int = 0) -> Iterator[Entry]:
        """Return the state as it is when the first entry is asked for; commits may go on meanwhile.

        Here all inputs together are one task, and others have no state.

        Raises
        ------
        StateCorrupt
            The state, or a part of it that was handed out already, is not what was written.
        """
        if task:
            return
        with reading(self._path):
            connection = connect(self._path)
            try:
                connection.execute("BEGIN")
                yield from Reading(connection, self._path).entries(load_head(connection, self._path), scope)
            finally:
                connection.close()

    def inputs(self, attachment: int) -> Kept:
        """Return what was journaled and is behind the fence's position."""
        with self._reading() as read:
            return read.inputs(self._ledger, attachment)

    def outputs(self, attachment: int) -> Kept:
        """Return the outputs that nobody acknowledged."""
        with self._reading() as read:
            ledger = self._ledger
            known = max(facts.get(attachment, 0) for facts in (ledger.acknowledged, self._acknowledged))
            return read.outputs(ledger, attachment, known)

    def answer_of(self, key: str) -> Answer | None:
        """Return what the request with this key was answered within the last day."""
        with self._reading() as read:
            answer = read.answer(self._ledger.areas(ANSWERS), key)
        is_over = answer is not None and answer.time_s < self._clock() - writes.ANSWER_S
        return None if is_over else answer

    def rejects(self, after: int = 0, limit: int | None = None) -> list[Reject]:
        """Return the reject log, oldest first."""
        with self._reading() as read:
            return read.rejects(after, limit)

    @contextmanager
    def _reading(self) -> Iterator[Reading]:
        with self._read_lock, reading(self._path):
            yield Reading(self._reader, self._path)

    # Writing.

    def set_job(self, job: Any) -> Future[None]:
        """Keep what the runtime wants to know after a restart: None, numbers, texts, bytes, lists and dicts."""
        return self._put(_Write(functools.partial(writes.set_job, job=job), is_synced=True))

    def commit(self, commit: Commit) -> Future[None]:
        """Write a commit."""
        change = functools.partial(writes.commit, commit=commit)
        return self._put(_Write(change, commit.is_synced, "fence", is_alone=commit.is_anew, n_failed=self._n_failed))

    def prepare(self, commit: Commit, note: Any = None) -> Future[None]:
        """Keep a commit, without its entries, that holds only when something elsewhere does; it is synced.

        Parameters
        ----------
        commit : Commit
            Nothing of it is seen before it is settled.
        note : object
            By what it will be decided: None, numbers, texts, bytes, lists and dicts.
        """
        change = functools.partial(writes.prepare, commit=commit, note=note)
        return self._put(_Write(change, is_synced=True, steps="prepare"))

    def settle(self, *, is_true: bool = True) -> Future[None]:
        """Write the prepared commit, if there is one, or forget it: so soon that a power loss may bring it back."""
        change = functools.partial(writes.settle, is_true=is_true)
        # Alone, since the commit may be one that forgets all state.
        return self._put(_Write(change, is_synced=False, steps="fence" if is_true else "", is_alone=True))

    def append(
        self,
        attachment: int,
        values: Sequence[bytes],
        *,
        pending: bytes = b"",
        answers: Sequence[Answer] = (),
        is_synced: bool = True,
    ) -> Future[int]:
        """Journal records that came in; return the sequence number of the last. The fence's position frees them."""
        change = functools.partial(
            writes.append, attachment=attachment, values=values, pending=pending, answers=answers
        )
        return self._put(_Write(change, is_synced, "journal"))

    def acknowledge(self, attachment: int, through: int) -> None:
        """Forget outputs up to and with a sequence number, soon: a loss of power may bring them back."""
        fence = self._ledger.fence
        written = fence.outputs.get(attachment) if fence is not None else None
        if written is not None:
            last = min(through, written.seq_no)
            self._acknowledged[attachment] = max(last, self._acknowledged.get(attachment, 0))
            self._put(_Write(lambda _changes: None, is_synced=False))

    def drop_rejects(self, numbers: Sequence[int] | None = None) -> Future[None]:
        """Remove rejects from the log; all of them when None."""
        change = functools.partial(writes.drop_rejects, numbers=numbers)
        return self._put(_Write(change, is_synced=True, is_alone=numbers is None))

    def clear(self) -> Future[None]:
        """Begin a new job: forget all but the reject log."""
        return self._put(_Write(self._clear, is_synced=True, is_alone=True))

    def _clear(self, changes: Changes) -> None:
        self._acknowledged.clear()  # the numbers of attachments begin anew
        writes.clear(changes)

    def close(self) -> None:
        """Write what is queued, and let go."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue.put(_STOP)
        self._thread.join()
        self._checkpointer.close()
        with self._read_lock:
            self._reader.close()
        move_all(self._connection)
        self._connection.close()
        self._folder.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _put(self, write: _Write) -> Future[Any]:
        write.future.set_running_or_notify_cancel()  # it will be written: whoever waits for it cannot take it back
        with self._closing:
            if self._is_closed:
                write.future.set_exception(StoreFailed(str(self._path), "it is closed"))
            else:
                self._queue.put(write)
        return write.future

    # The thread that writes.

    def _run(self) -> None:
        is_stopping = False
        while not is_stopping:
            waiting = [self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get())
            is_stopping = _STOP in waiting
            group: list[_Write] = []
            for write in waiting:
                if isinstance(write, str):
                    continue
                if write.is_alone or (group and group[-1].is_alone):
                    self._write(group)
                    group = []
                group.append(write)
            self._write(group)
            if _MOVE in waiting or self._n_pages > MOST_PAGES:
                move(self._connection)
                self._n_pages = 0
        self._write([_Write(lambda _: None, is_synced=True)])  # what was acknowledged last

    def _write(self, group: list[_Write]) -> None:
        """Write a group in one transaction; if that fails, each by itself: one of them may be what does not fit."""
        if not group:
            return
        results: list[Any] = []
        try:
            results = self._transact(group)
        except Exception as exc:  # noqa: BLE001  whatever it was, those who wait must hear of it
            if len(group) > 1 and self._fenced_by is None:
                for write in group:
                    self._write([write])
                return
            failure = exc if isinstance(exc, StoreFailed) else failed(self._path, exc)
            failure.__cause__ = exc if failure is not exc else exc.__cause__
            if failure.is_full:
                move_all(self._connection)  # the log may have grown by what was not kept
            results = [failure]
            self._n_failed += group[0].n_failed is not None
        for write, result in zip(group, results, strict=True):
            if isinstance(result, Exception):
                write.future.set_exception(result)
            else:
                write.future.set_result(result)

    def _transact(self, group: list[_Write]) -> list[Any]:
        changes = Changes(self._ledger)
        results = [self._change(changes, write) for write in group]
        for attachment, through in list(self._acknowledged.items()):
            writes.acknowledge(changes, attachment, through)
        if not changes:
            return results
        writes.forget_answers(changes, self._clock())
        is_synced = any(write.is_synced for write in group)
        steps = [step for step in ("journal", "prepare", "fence") if any(write.steps == step for write in group)]
        self._set_sync(_FULL if is_synced else _NORMAL)
        connection = self._connection
        if self._fenced_by is not None:
            raise self._fenced_by
        connection.execute("BEGIN IMMEDIATE")
        try:
            changes.write(connection)
            head = self._write_head(changes.ledger)
            for step in steps:
                self._on_step(f"{step}-open")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._head, self._ledger = head, changes.ledger
        for step in steps:
            self._on_step(f"{step}-closed")
        self._n_pages += changes.n_pages
        if self._n_pages >= N_PAGES:
            self._checkpointer.ask()
        return results

    def _change(self, changes: Changes, write: _Write) -> Any:
        """Return what the write gives, or why it cannot be: a value that has no form is nobody else's trouble."""
        try:
            if write.n_failed is not None and write.n_failed != self._n_failed:
                return StoreFailed(str(self._path), "the commit before it was not kept")
            return write.change(changes)
        except Exception as exc:  # noqa: BLE001  a mistake of whoever asked
            failure = failed(self._path, exc)
            failure.__cause__ = exc
            self._n_failed += write.n_failed is not None
            return failure

    def _write_head(self, ledger: Ledger) -> tuple[bytes, int]:
        """Write what all rows come to; only if it is what this store wrote last, so if nobody else has it."""
        head = head_row(ledger)
        sql = "UPDATE meta SET value = ?, checksum = ? WHERE area = ? AND value = ?"
        if self._connection.execute(sql, (*head, HEAD, self._head[0])).rowcount != 1:
            self._fenced_by = StoreFailed(
                str(self._path), f"another process has opened it since (this one has epoch {ledger.epoch})"
            )
            raise self._fenced_by
        return head

    def _set_sync(self, sync: str) -> None:
        sync = _OFF if self._folder.is_volatile else sync
        if sync != self._sync:
            self._connection.execute(f"PRAGMA synchronous = {sync}")
            self._sync = sync


def discard(folder: Path) -> None:
    """Remove a store that cannot be opened, rejects and all.

    Raises
    ------
    StateLocked
        A process works with it.
    """
    found = Folder(folder)
    try:
        found.empty()
    finally:
        found.release()
