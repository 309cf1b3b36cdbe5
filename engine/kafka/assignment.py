"""Which partitions a group has given, where they begin, and which of them are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from engine.errors import BrokerUnreachable
from engine.kafka.places import ASK_S, Inlet, Place, find_places, seek

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition


class Assignment:
    """The partitions of a consumer; for its own thread.

    Parameters
    ----------
    inlets : mapping of str to Inlet
        By topic.
    is_incremental : bool
        The group says what changes; otherwise everything goes and comes with every change.
    limit_s : float
        How long it may take to find out where partitions begin.
    check : callable
        Gets the numbers of partitions that are given, and raises what is wrong with them.
    """

    def __init__(
        self,
        inlets: Mapping[str, Inlet],
        limit_s: float,
        *,
        is_incremental: bool,
        check: Callable[[Iterable[int]], None] = lambda numbers: None,  # noqa: ARG005
    ) -> None:
        self._inlets, self._limit_s, self._is_incremental, self._check = inlets, limit_s, is_incremental, check
        self.trouble: BrokerUnreachable | None = None
        """Why nobody says where some partitions begin, while that is so."""
        self._placeless: set[tuple[str, int]] = set()
        self._places: dict[tuple[str, int], Place] = {}
        self._stale: set[tuple[str, int]] = set()
        """Partitions that stayed when another topic's of the same number went: they may be read beyond their place."""
        self.tasks: set[int] = set()
        """Numbers of which the partitions of all topics are there."""
        self.going: set[int] = set()
        """Tasks that are read."""

    def partitions_of(self, tasks: Iterable[int]) -> list[TopicPartition]:
        """Return the partitions of tasks, of every topic."""
        from confluent_kafka import TopicPartition

        return [TopicPartition(topic, task) for task in tasks for topic in self._inlets]

    def places_of(self, tasks: Iterable[int]) -> dict[int, dict[int, Place]]:
        """Return by task, and by slot, where it begins."""
        return {
            task: {inlet.slot: self._places[topic, task] for topic, inlet in self._inlets.items()}
            for task in sorted(tasks)
        }

    def add(self, consumer: Consumer, partitions: Iterable[TopicPartition]) -> set[int]:
        """Take partitions, none of which is read before `go`; return the tasks that are whole by that.

        Where no broker says where they begin, that is the `trouble`, and to be asked for with `ask_again`.

        Raises
        ------
        BrokerRefused
            The brokers will not say where they begin.
        """
        self._put(consumer, list(partitions), self._limit_s)
        return self._whole_by_now(consumer, self.tasks)

    def ask_again(self, consumer: Consumer) -> set[int]:
        """Ask once more where partitions begin of which nobody said so; return as `add`, or none, and raise so."""
        from confluent_kafka import TopicPartition

        partitions = [TopicPartition(topic, number) for topic, number in sorted(self._placeless)]
        numbers = {number for _, number in self._placeless}
        self._put(consumer, partitions, min(ASK_S, self._limit_s), is_there=True)
        return self._whole_by_now(consumer, self.tasks - numbers)

    def _whole_by_now(self, consumer: Consumer, known: set[int]) -> set[int]:
        """Return the tasks that are whole, but for those that are known to be."""
        whole = {number for _, number in self._places if all((topic, number) in self._places for topic in self._inlets)}
        new, self.tasks = whole - known - {number for _, number in self._placeless}, whole
        stale = [each for each in self.partitions_of(new) if (each.topic, each.partition) in self._stale]
        if stale:
            self._put(consumer, stale, self._limit_s, is_there=True)
            new -= {number for _, number in self._placeless}
        return new

    def begin_removal(self, consumer: Consumer, partitions: Iterable[TopicPartition]) -> frozenset[int]:
        """Read no more of the tasks that go with these partitions, and return them."""
        tasks = frozenset(each.partition for each in partitions) & self.tasks
        self.going -= tasks
        self.pause(consumer, tasks)
        return tasks

    def remove(self, consumer: Consumer, partitions: list[TopicPartition], tasks: Iterable[int]) -> None:
        """Let go of partitions, and of the tasks that go with them."""
        self.tasks.difference_update(tasks)
        for each in partitions:
            self._places.pop((each.topic, each.partition), None)
            self._placeless.discard((each.topic, each.partition))
        if not self._placeless:
            self.trouble = None
        self._stale.update((topic, task) for task in tasks for topic in self._inlets)
        self._stale &= self._places.keys()
        if self._is_incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def begin_anew(self, consumer: Consumer, tasks: frozenset[int]) -> frozenset[int]:
        """Go back to where the group has committed, in tasks that are not to be read before `go`.

        Returns those of which it is known where they begin, and raises as `add`.
        """
        self.going -= tasks
        self._put(consumer, self.partitions_of(tasks), self._limit_s, is_there=True)
        return tasks - {number for _, number in self._placeless}

    def go(self, tasks: Iterable[int]) -> set[int]:
        """Note that tasks are read from now on; return those that were not taken away meanwhile."""
        tasks = self.tasks.intersection(tasks) - {number for _, number in self._placeless}
        self.going |= tasks
        return tasks

    def pause(self, consumer: Consumer, tasks: Iterable[int]) -> None:
        """Have nothing fetched for tasks."""
        if partitions := self.partitions_of(tasks):
            consumer.pause(partitions)

    def resume(self, consumer: Consumer, tasks: Iterable[int]) -> None:
        """Have records fetched for tasks."""
        if partitions := self.partitions_of(tasks):
            consumer.resume(partitions)

    def _put(
        self, consumer: Consumer, partitions: list[TopicPartition], limit_s: float, *, is_there: bool = False
    ) -> None:
        """Have partitions wait where they begin; `is_there` for those that the consumer has.

        These are never given back for it, not even for a moment: a group whose members let go of partitions one by one
        takes that for their consent, and gives them to another one.
        """
        from confluent_kafka import TopicPartition

        keys = {(each.topic, each.partition) for each in partitions}
        try:
            self._check({each.partition for each in partitions})
            places = find_places(consumer, partitions, self._inlets, limit_s) if partitions else {}
        except BrokerUnreachable as exc:
            # They are the consumer's all the same: what it has not taken cannot be taken away from it. The offset is
            # any, since nothing is read from there; without one the consumer looks for one itself.
            places, placed = {}, [TopicPartition(topic, number, 0) for topic, number in sorted(keys)]
            self._placeless |= keys
            self.going -= {number for _, number in keys}
            self.trouble = exc
        else:
            placed = [TopicPartition(topic, number, place.offset) for (topic, number), place in places.items()]
            self._placeless -= keys
            self.trouble = self.trouble if self._placeless else None
        if not is_there and self._is_incremental:
            consumer.incremental_assign(placed)
        elif not is_there:
            consumer.assign(placed)
        if placed:
            consumer.pause(placed)
        if is_there and places:
            seek(consumer, placed)
        self._places |= places
        self._stale -= places.keys()
