"""The state of a job as a compacted topic: partition p holds the state of task p, and where its inputs go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.kafka.connection import Connection
from engine.kafka.forms import JobRecord, Stamp
from engine.state.commits import Commit, Entry, Fence


class Restoring:
    """The committed state of one task, in the order in which it was written: a later entry overrides an earlier one.

    To be iterated once, in any thread; entries without a value are forgotten ones. All that others have written when
    the iteration begins is read, after the end of their transactions.

    Parameters
    ----------
    changelog : Changelog
        Where from.
    task : int
        Whose.
    """

    fence: Fence | None = None
    """The task's own: model, digest, keys, and under `tasks` the one of this task. Whole when the iteration is over."""
    job: JobRecord | None = None
    """Of task 0: what the job keeps beside its tasks. Whole when the iteration is over."""
    n_read: int = 0
    n_total: int = 0
    """Of about how many records the iteration is through with how many."""
    waits_for: str = ""
    """What keeps the iteration from going on, while something does."""
    is_whole: bool = False
    """Whether it came to its end, and nobody closed it before."""

    def __init__(self, changelog: Changelog, task: int) -> None:
        self.task = task
        self._changelog = changelog

    def __iter__(self) -> Iterator[Entry]:
        """Return the entries.

        Raises
        ------
        StateCorrupt, StateIncompatible
            A record is not what was written, or a later version wrote it.
        BrokerRefused, BrokerUnreachable
            The topic cannot be read.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the iteration soon, from any thread."""
        raise NotImplementedError


class Changelog:
    """A compacted topic.

    Parameters
    ----------
    connection : Connection
        The brokers.
    topic : str
        Its name.
    """

    def __init__(self, connection: Connection, topic: str) -> None:
        self.topic = topic
        self._connection = connection

    def ensure(self, n_partitions: int) -> None:
        """Make the topic, or look whether it is fit.

        Raises
        ------
        BrokerRefused
            It has other partitions, is not compacted or takes too little; the sentence has the fix.
        """
        raise NotImplementedError

    def restore(self, task: int) -> Restoring:
        """Return the committed state of a task, which is read when it is iterated."""
        return Restoring(self, task)

    def read_job(self) -> JobRecord | None:
        """Return what the job keeps beside its tasks."""
        raise NotImplementedError

    def records(
        self, commit: Commit, tasks: Sequence[int], stamp: Stamp, home: str | None
    ) -> list[tuple[int, bytes, bytes | None]]:
        """Return partition, key and value of everything that a commit writes.

        Parameters
        ----------
        commit : Commit
            What is committed.
        tasks : sequence of int
            Of which tasks the fence has changed.
        stamp : Stamp
            By what the commit is known again.
        home : str or None
            The state directory that the job is bound to; None for a job that any engine may go on with.
        """
        raise NotImplementedError
