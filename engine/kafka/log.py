"""The commit log of a job that touches Kafka: a transaction there, and a store here for what only it can keep."""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import (
    BrokerRefused,
    BrokerUnreachable,
    CommitAborted,
    CommitUnknown,
    DeliveryFailed,
    StoreFailed,
)
from engine.kafka.beside import Beside
from engine.kafka.changelog import Changelog, Restoring, latest
from engine.kafka.claiming import claim, read_job
from engine.kafka.deciding import Deciding, Trace, note_of
from engine.kafka.forms import JobRecord, Stamp
from engine.log import get_logger
from engine.state.commits import SCRIPT, Commit, Entry, Fence, TaskFence
from engine.state.sqlite import SqliteStore

if TYPE_CHECKING:
    from engine.kafka.transaction import Outbound, Transaction

log = get_logger(__name__)

_CLOSE_S = 10  # for the commit in work: by then the broker has given its transaction up

_N_WRITER = 8  # random bytes; only the writers of one changelog must differ


class KafkaLog(Beside):
    """A `CommitLog` whose commits are transactions of Kafka.

    A commit is three steps, in a thread of its own: what only the local store can keep (outputs of REST and HTTP,
    rejects, answers) is *prepared* there; the *transaction* is committed, with the outputs that sinks wrote into it,
    the changelog and the offsets; the local store *settles*. When the log is opened, whatever was left in between is
    decided by what the transaction came to.

    Commits are written one at a time: the next one is given when the one before is done.

    Parameters
    ----------
    local : SqliteStore
        The job's own store. It is not closed with the log.
    transaction : Transaction
        Not yet initialised: the log does it.
    changelog : Changelog or None
        Which exists; None for a job that has neither state, ``begin()`` nor local streams.
    topics : mapping of int to str
        For each input slot that is Kafka, its topic.
    group : str
        The consumer group of the inputs.
    is_bound : bool
        Whether the job has sinks or inboxes that only this machine has: no other store may go on with it then.
    on_step : callable
        Called in the committing thread: with ``transacted`` when a transaction is committed, and the local store does
        not know. `Transaction` and `SqliteStore` have steps of their own.

    Raises
    ------
    BoundElsewhere
        The job is bound to another store.
    StateCorrupt, StateIncompatible
        The changelog is not what was written, or a later version wrote it.
    BrokerRefused, BrokerUnreachable
        There is no permission, or no broker.
    """

    def __init__(
        self,
        local: SqliteStore,
        transaction: Transaction,
        changelog: Changelog | None,
        *,
        topics: Mapping[int, str],
        group: str = "",
        is_bound: bool = False,
        on_step: Callable[[str], None] = lambda step: None,  # noqa: ARG005
    ) -> None:
        super().__init__(local)
        self._transaction, self._changelog = transaction, changelog
        self._topics, self._on_step = dict(topics), on_step
        self._home = local.identity if is_bound and not local.is_volatile else ""
        self._writer = secrets.token_bytes(_N_WRITER)
        self._deciding = Deciding(transaction, changelog, group)
        self._tasks: dict[int, TaskFence] = {}
        self._unsettled: Commit | None = None
        self._last: Trace | None = None
        """Of the last commit, unless it cannot be forgotten any more."""
        self._scopes: set[str] = set()
        self._beside: list[Entry] | None = None
        self._queue: queue.SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = queue.SimpleQueue()
        self._n_aborted = 0
        self._closing = threading.Lock()
        self._is_closed = False
        transaction.init()
        try:
            self._fence = self._take_over()
        except BaseException:
            transaction.close()
            raise
        self._thread = threading.Thread(target=self._run, name="kafka-log", daemon=True)
        self._thread.start()

    def _take_over(self) -> Fence | None:
        """Decide what was left, take the job for this store if it is to be bound, and return where it stands."""
        local, changelog = self._local, self._changelog
        job = read_job(changelog, local.identity) if changelog is not None else None
        prepared = local.prepared
        if prepared is not None:
            is_true = self._deciding.has_come_true(Trace.load(prepared[1]))
            log.info("commit.decided", number=prepared[0].fence.number, is_true=is_true)
            local.settle(is_true=is_true).result()
        fence = local.fence
        if job is not None:
            self._scopes |= set(job.scopes)
            is_later = job.fence is not None and (fence is None or job.fence.number > fence.number)
            if is_later and job.fence is not None and (job.home, job.life) == (local.identity, local.life):
                fence = job.fence
                local.commit(Commit(fence)).result()
        if changelog is not None and self._home and (job is None or (job.home, job.life) != (self._home, local.life)):
            if not self._topics:  # no group goes on with the state of the job before
                changelog.floors[0] = changelog.high(0)
            stamp = Stamp(self._writer, fence.number if fence is not None else 0)
            claim(self._transaction.connection, changelog, self._job(fence), stamp)
        return fence

    def _job(self, fence: Fence | None, scopes: Iterable[str] = ()) -> JobRecord:
        of_job = (self._home, self._local.life, fence) if self._home else ("", "", None)
        return JobRecord(*of_job, tuple(sorted(self._scopes.union(scopes))))

    # What it knows.

    @property
    def _topic(self) -> str:
        return self._changelog.topic if self._changelog is not None else ""

    @property
    def fence(self) -> Fence | None:
        """The last committed one; None before the first commit. When the log is opened it has no tasks yet."""
        return self._fence

    def restore(self, task: int) -> Restoring:
        """Return the committed state of a task, for iterating over it once; empty where there is no changelog."""
        return self._changelog.restore(task) if self._changelog is not None else Restoring(None, task)

    def entries(self, scope: str = SCRIPT, task: int = 0) -> Iterator[Entry]:
        """Return the committed state of a task, all of it in memory: `restore` is for the state of many keys."""
        if scope == SCRIPT:
            yield from (entry for entry in latest(self.restore(task)) if entry.scope == SCRIPT)
            return
        if self._beside is None:  # in one reading for all of them, which stand among the state of task 0
            self._beside = [entry for entry in latest(self.restore(0)) if entry.scope != SCRIPT]
        yield from (entry for entry in self._beside if entry.scope == scope)

    def scopes(self) -> list[str]:
        """Return the scopes that may have entries."""
        return sorted({SCRIPT, *self._scopes}) if self._changelog is not None else []

    # Writing.

    def commit(self, commit: Commit) -> Future[None]:
        """Write a commit.

        The future fails with `CommitAborted` (nothing holds, and everything since the last commit is to be done again),
        `EngineFenced`, `DeliveryFailed` (nothing holds, and the topic will not take it), or `StoreFailed` (what the
        store should keep is not kept; the same commit may be tried again, whether or not the transaction holds).
        """
        return self._put(lambda: self._commit(commit))

    def abort(self) -> Future[None]:
        """Take back what sinks have written since the last commit; no sink may be writing."""
        return self._put(self._transaction.abort)

    def _put(self, call: Callable[[], None]) -> Future[None]:
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # it will be done: whoever waits for it cannot take it back
        with self._closing:
            if self._is_closed:
                future.set_exception(CommitAborted("the log is closed", is_lost=True))
            else:
                self._queue.put((call, future))
        return future

    def _run(self) -> None:
        while (waiting := self._queue.get()) is not None:
            call, future = waiting
            try:
                call()
            except BaseException as exc:  # noqa: BLE001  whatever it was, who waits must hear of it
                future.set_exception(exc)
            else:
                future.set_result(None)

    def _commit(self, commit: Commit) -> None:
        self._beside = None
        if self._unsettled is not None:
            is_same = commit is self._unsettled
            self._settle()
            if is_same:
                return
        if commit.entries and self._changelog is None:
            raise ValueError("there is state, and no changelog for it")
        self._look_back()
        tasks = [task for task, one in commit.fence.tasks.items() if self._tasks.get(task) != one or commit.is_anew]
        is_local = bool(commit.outputs or commit.rejects or commit.answers or commit.replayed)
        has_state = self._changelog is not None and bool(commit.entries or commit.is_anew or self._home)
        is_transacted = bool(self._transaction.is_open or tasks or has_state)
        is_prepared = is_transacted and is_local and not self._local.is_volatile
        if is_transacted:
            self._transact(commit, tasks, is_prepared=is_prepared)
        self._fence, self._tasks = commit.fence, dict(commit.fence.tasks)
        if is_prepared:
            self._unsettled = commit
            self._settle()
            return
        is_needed = is_local or not is_transacted
        # What it only notes of the transaction can be noted anew: nobody waits for it.
        kept = replace(commit, entries=(), membership=None, is_synced=commit.is_synced and is_needed)
        written = self._local.commit(kept)
        if is_needed:
            written.result()

    def _settle(self) -> None:
        self._local.settle().result()
        self._unsettled = None

    def _transact(self, commit: Commit, tasks: list[int], *, is_prepared: bool) -> None:
        """Write a commit as a transaction, with a trace by which it is found again whether it has come true."""
        fence = commit.fence
        scopes = {entry.scope for entry in commit.entries} - {SCRIPT}
        # Where something is read, whoever has not task 0 does not know from where on what is kept beside it counts.
        is_beside = 0 in tasks or (0 in fence.tasks and scopes)
        is_jobs = bool(self._home or is_beside or not self._topics)
        tasks = tasks or sorted(fence.tasks)  # outputs alone: the group still has a say in whose they are
        offsets = {
            (self._topics[slot], task): one.position for task in tasks for slot, one in fence.tasks[task].inputs.items()
        }
        trace = Trace(Stamp(self._writer, fence.number), 0 if is_jobs or not tasks else tasks[0], is_jobs, offsets)
        if is_prepared:
            self._local.prepare(commit, trace.dump()).result()
        try:
            if self._changelog is not None:
                anew = self._anew(self._changelog, commit)
                floors = {**self._changelog.floors, **anew}
                job = self._job(fence, scopes) if is_jobs else None
                self._write(self._changelog.records(commit, tasks, trace.stamp, job=job, floors=floors))
                if is_prepared or trace.is_bare:
                    self._write(self._deciding.receipt(trace))
            try:
                self._transaction.commit(offsets, commit.membership, note_of(trace.stamp))
            except CommitUnknown as exc:
                self._deciding.decide(exc, trace)
        except BaseException as exc:
            self._transaction.abort()
            if is_prepared and isinstance(exc, CommitAborted | DeliveryFailed):  # others leave open what became of it
                with contextlib.suppress(StoreFailed):  # when the log is opened, it is seen that it never came true
                    self._local.settle(is_true=False).result()
            raise
        self._last, self._n_aborted = trace, self._transaction.n_aborted
        self._on_step("transacted")
        if self._changelog is not None:
            self._changelog.floors.update(anew)
        self._scopes |= scopes

    def _look_back(self) -> None:
        """Fail if the last commit is taken back although it was confirmed: behind an abort that may be."""
        trace, n_aborted = self._last, self._transaction.n_aborted
        if trace is None or not trace.offsets or n_aborted == self._n_aborted:
            return
        try:
            is_forgotten = self._deciding.is_forgotten(trace)
        except BrokerUnreachable as exc:  # the next commit asks again
            self._transaction.abort()
            raise CommitAborted(exc.reason) from exc
        except BrokerRefused as exc:
            log.warning("commit.in_doubt", number=trace.stamp.number, reason=str(exc))
            return
        self._tasks.clear()  # what of it is left, of whichever task, is written once more
        if is_forgotten is None:
            log.warning("commit.in_doubt", number=trace.stamp.number, reason="its partitions wait to hear of it")
            return
        self._last = None
        if is_forgotten:
            log.error("commit.forgotten", number=trace.stamp.number)
            self._transaction.abort()
            raise CommitAborted(
                f"the brokers have forgotten commit {trace.stamp.number}, which they had confirmed", is_lost=True
            )

    def _anew(self, changelog: Changelog, commit: Commit) -> dict[int, int]:
        """Return, by task, where state begins that the commit forgets."""
        if not commit.is_anew:
            return {}
        try:
            tasks = commit.fence.tasks if self._topics else [0]  # those of others are not forgotten
            return {task: changelog.high(task) for task in tasks}
        except BrokerUnreachable as exc:
            raise CommitAborted(exc.reason) from exc

    def _write(self, records: Iterable[Outbound]) -> None:
        self._transaction.write(self._topic, records)

    def clear(self) -> Future[None]:
        """Begin a new job, here: the group goes on where it committed, with the state committed there."""
        return self._local.clear()

    def close(self) -> None:
        """Finish the commit in work, take back what is open, and let go of Kafka; the local store stays open."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue.put(None)
        self._thread.join(_CLOSE_S)
        self._transaction.close()
        self._thread.join()
