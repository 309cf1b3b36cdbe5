"""How many partitions the inputs of a job have, at the start and when somebody has added some since then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.errors import SlotsUnfit
from engine.kafka.brokers import Brokers
from engine.kafka.changelog import Changelog
from engine.kafka.checking import require
from engine.kafka.topics import READ, WRITE, Topic, find_topic
from engine.runtime.topics import Topics


class Growth:
    """Finds out whether a job can go on with partitions that were not there when it was opened.

    Parameters
    ----------
    topics : Topics
        What is read.
    n_tasks : int
        How many partitions each input had.
    changelog : Changelog, optional
        Where state is kept.
    """

    def __init__(self, topics: Topics, n_tasks: int, changelog: Changelog | None) -> None:
        self._topics, self._n_tasks, self._changelog = topics, n_tasks, changelog

    def check(self, numbers: Iterable[int]) -> None:
        """Take the numbers of partitions that are to be read; asks nobody where they are known. Blocks.

        Raises
        ------
        SlotsUnfit
            Not all inputs have grown.
        BrokerRefused
            There is a state, which cannot be dealt out anew.
        BrokerUnreachable
            Nobody says how many there are.
        """
        if max(numbers, default=-1) < self._n_tasks:
            return
        names = [inlet.topic for inlet in self._topics.inlets]
        with Brokers(self._topics.connection) as brokers:
            found = {name: find_topic(brokers, name, purpose_of(name, self._topics)).n_partitions for name in names}
        n_tasks = n_tasks_of(self._topics, found)
        if self._changelog is not None:
            self._changelog.ensure(n_tasks)
        self._n_tasks = n_tasks


def find_allowed_topic(brokers: Brokers, name: str, topics: Topics) -> Topic:
    """Return a topic that the job may read, or write; raises `BrokerRefused` where it is not there, or it may not."""
    what, is_read = purpose_of(name, topics), any(inlet.topic == name for inlet in topics.inlets)
    found = find_topic(brokers, name, what, is_patient=True)
    for operation, is_needed in ((READ, is_read), (WRITE, name in topics.written)):
        if is_needed:
            require(found.allows(operation), what, f"topic {name!r}", operation)
    return found


def purpose_of(name: str, topics: Topics) -> str:
    """Return what a topic is wanted for, as errors say it."""
    verb = "read" if any(inlet.topic == name for inlet in topics.inlets) else "write to"
    return f"{verb} topic {name!r}"


def n_tasks_of(topics: Topics, n_partitions: Mapping[str, int]) -> int:
    """Return how many tasks there are: the partitions that all inputs have.

    Raises
    ------
    SlotsUnfit
        They have not the same number, or the one that is to be read is not there.
    """
    counts = {inlet: n_partitions[inlet.topic] for inlet in topics.inlets}
    if not counts:
        return 1
    first, n_tasks = next(iter(counts.items()))
    for inlet, count in counts.items():
        if count != n_tasks:
            raise SlotsUnfit(
                f"Topic {first.topic!r} on slot {first.slot} has {n_tasks} partitions, and {inlet.topic!r} on slot"
                f" {inlet.slot} has {count}. The inputs of one job need as many: records of one number are scored with"
                " one state."
            )
    if topics.partition is not None and topics.partition >= n_tasks:
        raise SlotsUnfit(
            f"Topic {first.topic!r} has no partition {topics.partition}: its partitions are 0 to {n_tasks - 1}."
        )
    return n_tasks
