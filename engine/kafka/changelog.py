"""The state of a job as a compacted topic: partition p holds the state of task p, and where its inputs go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.errors import BrokerRefused, BrokerUnreachable
from engine.kafka.brokers import Brokers
from engine.kafka.connection import MAX_MESSAGE_BYTES, Connection
from engine.kafka.forms import (
    JOB_KEY,
    TASK_KEY,
    JobRecord,
    Place,
    Stamp,
    entry_key,
    is_entry,
    pack_job,
    pack_task,
    receipt_key,
    seal,
    unpack_entry,
    unpack_job,
    unpack_receipt,
    unpack_task,
)
from engine.kafka.partition import IS_OPEN, Partition
from engine.kafka.topics import create_topic, find_topic
from engine.log import get_logger
from engine.state.commits import SCRIPT, Commit, Entry, Fence

if TYPE_CHECKING:
    from engine.kafka.transaction import Outbound

log = get_logger(__name__)

_SETTINGS = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
    "segment.bytes": str(
        64 << 20
    ),  # the last segment is never compacted: what is read for nothing is no more than that
    "min.compaction.lag.ms": str(60_000),  # what a commit came to is looked up for some seconds after it
}


class Restoring:
    """The committed state of one task, in the order in which it was written: a later entry overrides an earlier one.

    To be iterated once, in any thread; entries without a value are forgotten ones. All that others have written when
    the iteration begins is read, after the end of their transactions.

    Parameters
    ----------
    changelog : Changelog or None
        Where from; None for a task without any state.
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

    def __init__(self, changelog: Changelog | None, task: int) -> None:
        self.task = task
        self._changelog = changelog
        self._partition: Partition | None = None
        self._is_closed = False

    def __iter__(self) -> Iterator[Entry]:
        """Return the entries.

        Raises
        ------
        StateCorrupt, StateIncompatible
            A record is not what was written, or a later version wrote it.
        BrokerRefused, BrokerUnreachable
            The topic cannot be read.
        """
        changelog, task = self._changelog, self.task
        if changelog is None:
            self.is_whole = True
            return
        with changelog.partition(task, self._waits) as partition:
            self._partition = partition
            if self._is_closed:
                return
            floor = changelog.find_floor(partition, task)
            low, high = partition.ends()
            start = max(low, floor)
            self.n_total = max(high - start, 0)
            for messages in partition.read(start, high):
                for message in messages:
                    key, value = message.key() or b"", message.value()
                    if is_entry(key):
                        yield unpack_entry(key, value, task)
                    elif key == TASK_KEY:
                        self.fence = unpack_task(value, task)[0] if value is not None else None
                    elif key == JOB_KEY:
                        self.job = unpack_job(value)[0] if value is not None else None
                self.n_read = (messages[-1].offset() or 0) + 1 - start
                if self._is_closed:
                    return
            if self._is_closed:
                return
            self.n_read, self.is_whole = self.n_total, True
            changelog.floors[task] = max(floor, changelog.floors.get(task, 0))  # a commit may have begun anew meanwhile

    def _waits(self, reason: str) -> None:
        if reason and reason != self.waits_for:
            log.info("changelog.waits", task=self.task, reason=reason)
        self.waits_for = reason

    def close(self) -> None:
        """End the iteration soon, from any thread."""
        self._is_closed = True
        if self._partition is not None:
            self._partition.stop()


def latest(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Return, of entries in the order in which they were written, those that hold."""
    found: dict[tuple[str, bytes, str], Entry] = {}
    for entry in entries:
        if entry.value is None:
            found.pop(entry[:3], None)
        else:
            found[entry[:3]] = entry
    return found.values()


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
        self.floors: dict[int, int] = {}
        """By task, the offset before which entries belong to a state that was forgotten, as far as it is known."""

    def ensure(self, n_partitions: int) -> None:
        """Make the topic, or look whether it is fit.

        Raises
        ------
        BrokerRefused
            It has other partitions, is not compacted or takes too little; the sentence has the fix.
        """
        with Brokers(self._connection) as brokers:
            if create_topic(brokers, self.topic, n_partitions, _SETTINGS):
                return
            found = find_topic(brokers, self.topic, is_patient=True).n_partitions
            if found != n_partitions:
                raise self._unfit(
                    f"it has {found} partitions, and the inputs have {n_partitions}",
                    "State belongs to partitions, and cannot be dealt out anew: give the streams another Group.",
                )
            settings = self._settings(brokers)
        policy, size = settings.get("cleanup.policy", ""), int(settings.get("max.message.bytes", 0))
        if policy != "compact":
            raise self._unfit(
                f"its cleanup.policy is {policy}, and state in it would be deleted",
                f"Set it with: {self._alter('cleanup.policy=compact')}",
            )
        if size < MAX_MESSAGE_BYTES:
            raise self._unfit(
                f"its max.message.bytes is {size}, and a value of the state may need {MAX_MESSAGE_BYTES}",
                f"Raise it with: {self._alter(f'max.message.bytes={MAX_MESSAGE_BYTES}')}",
            )

    def _unfit(self, reason: str, fix: str) -> BrokerRefused:
        return BrokerRefused(f"keep state in topic {self.topic!r}", reason, fix)

    def _alter(self, setting: str) -> str:
        return f"kafka-configs.sh --alter --entity-type topics --entity-name {self.topic} --add-config {setting}"

    def _settings(self, brokers: Brokers) -> dict[str, str]:
        from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]  # its stubs forget

        resource = ConfigResource(ResourceType.TOPIC, self.topic)
        found: Mapping[Any, Any] = brokers.ask(
            f"look at topic {self.topic!r}",
            lambda client, timeout_s: client.describe_configs([resource], request_timeout=timeout_s),
            is_known=True,
        )
        return {name: str(entry.value) for name, entry in found[resource].items()}

    # Reading.

    def restore(self, task: int) -> Restoring:
        """Return the committed state of a task, which is read when it is iterated."""
        return Restoring(self, task)

    def partition(self, task: int, on_wait: Any = lambda reason: None) -> Partition:  # noqa: ARG005
        """Return the partition of a task, to be read."""
        return Partition(self._connection, self.topic, task, on_wait)

    def find_floor(self, partition: Partition, task: int) -> int:
        """Return the offset before which entries do not count any more."""
        for key, value in partition.newest({TASK_KEY, JOB_KEY}):
            if value is not None:
                return (unpack_task(value, task) if key == TASK_KEY else unpack_job(value))[1].floor
        return 0

    def read_job(self) -> JobRecord | None:
        """Return what the job keeps beside its tasks."""
        with self.partition(0) as partition:
            for _, value in partition.newest({JOB_KEY}):
                if value is None:
                    return None
                job, place = unpack_job(value)
                self.floors[0] = place.floor
                return job
        return None

    def read_receipt(self, name: str, task: int) -> Stamp | None:
        """Return which prepared commit of an engine has come true last."""
        key = receipt_key(name)
        with self.partition(task) as partition:
            for _, value in partition.newest({key}):
                return None if value is None else unpack_receipt(key, value)
        return None

    def has_commit(self, task: int, key: bytes, stamp: Stamp, *, is_patient: bool = True) -> bool:
        """Whether a commit has come true that has written a fence of that key, some seconds ago at most.

        One that is not over has not, unless the question `is_patient`. Raises `BrokerUnreachable` where nobody answers.
        """
        reasons = set[str]()

        def on_wait(reason: str) -> None:
            if reason and not is_patient:
                reasons.add(reason)
                partition.stop()

        partition = self.partition(task, on_wait)
        with partition:
            for _, value in partition.newest({key}):
                if value is None:
                    continue
                found = (unpack_task(value, task) if key == TASK_KEY else unpack_job(value))[1].stamp
                if found.writer == stamp.writer:
                    return found.number >= stamp.number
        if away := reasons - {IS_OPEN}:
            raise BrokerUnreachable(self._connection.servers, away.pop())
        return False

    def high(self, task: int) -> int:
        """Return the offset behind all that was written of a task."""
        with self.partition(task) as partition:
            return partition.ends()[1]

    # Writing.

    def records(
        self,
        commit: Commit,
        tasks: Iterable[int],
        stamp: Stamp,
        *,
        job: JobRecord | None = None,
        floors: Mapping[int, int] | None = None,
    ) -> list[Outbound]:
        """Return everything that a commit writes; a record without a value forgets one.

        Parameters
        ----------
        commit : Commit
            What is committed.
        tasks : iterable of int
            Of which tasks the fence is written.
        stamp : Stamp
            By what the commit is known again.
        job : JobRecord, optional
            What the job keeps beside its tasks, if it is written.
        floors : mapping of int to int, optional
            By task, where its state begins anew; else where it began before.
        """
        floors = self.floors if floors is None else floors
        written = _entries(commit.entries)
        for task in tasks:
            value = pack_task(commit.fence, task, Place(stamp, floors.get(task, 0)))
            written.append((value, TASK_KEY, task, None, ()))
        if job is not None:
            written.append((pack_job(job, Place(stamp, floors.get(0, 0))), JOB_KEY, 0, None, ()))
        return written


def _entries(entries: Sequence[Entry]) -> list[Outbound]:
    written: list[Outbound] = []
    for scope, of, name, value, task in entries:
        key = entry_key(scope, of, name)
        # Cells and pools are the whole job's, and have their place beside the first task.
        partition = task if scope == SCRIPT else 0
        written.append((None if value is None else seal(key, value), key, partition, None, ()))
    return written
