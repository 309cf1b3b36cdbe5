"""What became of a transaction of which nobody was told: found out from what it wrote, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from engine.errors import BrokerRefused, BrokerUnreachable, CommitAborted, CommitUnknown
from engine.kafka.brokers import TIMEOUT_S
from engine.kafka.changelog import Changelog
from engine.kafka.forms import JOB_KEY, TASK_KEY, Stamp, pack_receipt, receipt_key
from engine.kafka.groups import read_offsets
from engine.log import get_logger

if TYPE_CHECKING:
    from engine.kafka.transaction import Outbound, Transaction

log = get_logger(__name__)

_LOOK_S = 2.0  # it is looked while a transaction is open


@dataclass(frozen=True, slots=True)
class Trace:
    """By what a commit can be found again.

    Parameters
    ----------
    stamp : Stamp
        Its own.
    task : int
        In which partition of the changelog it leaves a fence.
    is_jobs : bool
        Whether that is the job's, or the task's.
    offsets : mapping of (str, int) to int
        What it commits for the group, by topic and partition.
    """

    stamp: Stamp
    task: int = 0
    is_jobs: bool = True
    offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)

    @property
    def is_bare(self) -> bool:
        """Whether it leaves no fence: the engine has no tasks. Then a receipt is all by which it is known."""
        return not self.is_jobs and not self.offsets

    def dump(self) -> list[Any]:
        """Return it as numbers, texts, bytes and lists."""
        offsets = [[topic, partition, offset] for (topic, partition), offset in self.offsets.items()]
        return [*self.stamp, self.task, self.is_jobs, offsets]

    @classmethod
    def load(cls, dumped: list[Any]) -> Self:
        """Return what `dump` was called on."""
        writer, number, task, is_jobs, offsets = dumped
        places = {(topic, partition): offset for topic, partition, offset in offsets}
        return cls(Stamp(writer, number), task, is_jobs, places)


class Deciding:
    """Finds out whether a commit has come true.

    Parameters
    ----------
    transaction : Transaction
        Whose commits they are.
    changelog : Changelog or None
        Where they leave their traces; None where offsets are all there is.
    group : str
        Whose offsets they are.
    """

    def __init__(self, transaction: Transaction, changelog: Changelog | None, group: str) -> None:
        self._transaction, self._changelog, self._group = transaction, changelog, group

    def receipt(self, trace: Trace) -> list[Outbound]:
        """Return what a prepared commit writes beside the rest: it stays when another engine moves the fences on."""
        key = receipt_key(self._transaction.name)
        return [] if self._changelog is None else [(pack_receipt(key, trace.stamp), key, trace.task, None, ())]

    def decide(self, unknown: CommitUnknown, trace: Trace) -> None:
        """Return when a commit has come true, and raise `CommitAborted` when it has not."""
        log.warning("commit.unknown", number=trace.stamp.number, reason=unknown.reason)
        self._transaction.renew()  # after it, nothing of the transaction is open
        while True:
            try:
                is_true = self._is_there(trace)
            except BrokerUnreachable as exc:
                if self._transaction.is_closed:
                    raise
                log.warning("commit.waits", number=trace.stamp.number, reason=str(exc))
            else:
                break
        log.info("commit.decided", number=trace.stamp.number, is_true=is_true)
        if not is_true:
            raise CommitAborted(unknown.reason, is_lost=unknown.is_lost) from unknown

    def _is_there(self, trace: Trace) -> bool:
        if self._changelog is not None and trace.is_bare:
            return self.has_come_true(trace)
        if self._changelog is not None:
            return self._has_fence(self._changelog, trace)
        return any(
            offset > trace.offsets[place] or (offset == trace.offsets[place] and note == note_of(trace.stamp))
            for place, (offset, note) in self._offsets(trace).items()
        )

    def _has_fence(self, changelog: Changelog, trace: Trace, *, is_patient: bool = True) -> bool:
        key = JOB_KEY if trace.is_jobs else TASK_KEY
        return changelog.has_commit(trace.task, key, trace.stamp, is_patient=is_patient)

    def has_come_true(self, trace: Trace) -> bool:
        """Whether a commit that another process has prepared under this name has come true."""
        if self._changelog is not None:
            return self._changelog.read_receipt(self._transaction.name, trace.task) == trace.stamp
        # Whoever went on behind it, or at it, began where it had ended.
        return all(offset >= trace.offsets[place] for place, (offset, _) in self._offsets(trace).items())

    def is_forgotten(self, trace: Trace) -> bool | None:
        """Whether nothing is left of a commit that the brokers had confirmed; None where the next one decides that.

        A commit is confirmed before the partitions hear of it. Brokers that end in between tell them when they are
        back, but for those that have no leader just then: TransactionMarkerChannelManager of Kafka 4.3.1 takes them for
        deleted. The producer's next transaction decides what becomes of their records.

        Offsets alone prove nothing: a coordinator that has just taken the group over may tell those of before. The end
        of a partition is told only by a leader that knows it (KIP-207).

        Raises
        ------
        BrokerRefused, BrokerUnreachable
            They do not say.
        """
        if self._changelog is None:
            return False
        try:
            offsets = self._offsets(trace, _LOOK_S)
        except BrokerUnreachable:
            self._offsets(trace, _LOOK_S, is_stable=False)
            return None  # they answer, so that it is their partition which waits to hear of the commit
        if not any(offset < trace.offsets[place] for place, (offset, _) in offsets.items()):
            return False
        return not self._has_fence(self._changelog, trace, is_patient=False)

    def _offsets(
        self, trace: Trace, timeout_s: float = TIMEOUT_S, *, is_stable: bool = True
    ) -> dict[tuple[str, int], tuple[int, str]]:
        """Return where the group goes on, and what was noted with it."""
        from confluent_kafka import TopicPartition

        if not trace.offsets:
            raise BrokerRefused("find out what became of a commit", "it has left no trace")
        places = [TopicPartition(topic, partition) for topic, partition in trace.offsets]
        found = read_offsets(self._transaction.connection, self._group, places, timeout_s, is_stable=is_stable)
        return {(place.topic, place.partition): (place.offset, place.metadata or "") for place in found}


def note_of(stamp: Stamp) -> str:
    """Return what is noted with offsets."""
    return f"{stamp.writer.hex()}:{stamp.number}"
