"""The commit log of a job that touches Kafka: a transaction there, and a store here for what only it can keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from engine.kafka.changelog import Changelog, Restoring
from engine.kafka.transaction import Transaction
from engine.state.commits import SCRIPT, Answer, Commit, Entry, Fence, Kept, Reject
from engine.state.sqlite import SqliteStore


class KafkaLog:
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
    home : str
        What tells the state directory from others, when the job has sinks or inboxes there: no other may go on with
        the job then. Empty for a job that any engine may go on with.
    on_step : callable
        Called in the committing thread: with ``prepared``, ``transacted`` and ``settled`` behind each of the three
        steps. `Transaction` has its own.

    Raises
    ------
    BoundElsewhere
        The job is bound to another state directory.
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
        home: str = "",
        on_step: Callable[[str], None] = lambda step: None,  # noqa: ARG005
    ) -> None:
        raise NotImplementedError

    @property
    def fence(self) -> Fence | None:
        """The last committed one; None before the first commit. When the log is opened it has no tasks yet."""
        raise NotImplementedError

    @property
    def job(self) -> Any:
        """What `set_job` kept in the local store; None before."""
        raise NotImplementedError

    def set_job(self, job: Any) -> Future[None]:
        """Keep what the runtime wants to know after a restart, in the local store."""
        raise NotImplementedError

    def restore(self, task: int) -> Restoring:
        """Return the committed state of a task, for iterating over it once; empty where there is no changelog."""
        raise NotImplementedError

    def entries(self, scope: str = SCRIPT, task: int = 0) -> Iterator[Entry]:
        """Return the committed state of a task in the order of the changelog: later entries override earlier ones."""
        raise NotImplementedError

    def scopes(self) -> list[str]:
        """Return the scopes that may have entries."""
        raise NotImplementedError

    def commit(self, commit: Commit) -> Future[None]:
        """Write a commit.

        The future fails with `CommitAborted` (nothing holds, and everything since the last commit is to be done again),
        `EngineFenced`, `DeliveryFailed` (nothing holds, and the topic will not take it), or `StoreFailed` (the local
        store could not prepare: the transaction is still open, and the same commit may be tried again).
        """
        raise NotImplementedError

    def abort(self) -> Future[None]:
        """Take back what sinks have written since the last commit."""
        raise NotImplementedError

    def append(
        self,
        attachment: int,
        values: Sequence[bytes],
        *,
        pending: bytes = b"",
        answer: Answer | None = None,
        is_synced: bool = True,
    ) -> Future[int]:
        """As `SqliteStore.append`."""
        raise NotImplementedError

    def inputs(self, attachment: int) -> Kept:
        """As `SqliteStore.inputs`."""
        raise NotImplementedError

    def outputs(self, attachment: int) -> Kept:
        """As `SqliteStore.outputs`."""
        raise NotImplementedError

    def acknowledge(self, attachment: int, through: int) -> None:
        """As `SqliteStore.acknowledge`."""
        raise NotImplementedError

    def answer_of(self, key: str) -> Answer | None:
        """As `SqliteStore.answer_of`."""
        raise NotImplementedError

    def rejects(self, after: int = 0, limit: int | None = None) -> list[Reject]:
        """As `SqliteStore.rejects`."""
        raise NotImplementedError

    def drop_rejects(self, numbers: Sequence[int] | None = None) -> Future[None]:
        """As `SqliteStore.drop_rejects`."""
        raise NotImplementedError

    def clear(self) -> Future[None]:
        """Begin a new job, here: the group goes on where it committed, with the state committed there."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the commit in work, take back what is open, and let go of Kafka; the local store stays open."""
        raise NotImplementedError
