"""Reads topics as a member of a consumer group, in a thread of its own: nobody else touches the consumer.

The thread never waits for the model. Where records cannot be taken it does not read, and after a while it pauses the
partitions and goes on to poll, so that the group keeps the engine for alive however slow the model is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from engine import metrics
from engine.errors import BrokerRefused, EngineError, EngineFenced
from engine.kafka.connection import Connection
from engine.kafka.credit import Credit
from engine.kafka.errors import broker_error
from engine.kafka.places import Inlet, Place, find_places
from engine.log import get_logger
from engine.record import MAX_RECORD_BYTES, Batch, Label, Oversized

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

log = get_logger(__name__)

MAX_RECORDS = 1000
"""The most that is read at once: 230 ns a record, against 420 ns where ten times as many are read."""

READ_BYTES = 1 << 22
"""What one read is meant to hold at most, 4 MiB: of large records fewer are read at once."""

POLL_S = 0.1
"""How long a poll waits for a record: commands of the runtime wait no longer than this."""

STALL_S = 1.0
"""After how long without room partitions are paused: a pause throws away what was fetched ahead."""

LOOK_S = 1.0
"""How often is looked where the topics end."""

BUDGET_S = 30.0
"""The longest that partitions are held back which the group wants: what a drain may take."""

MAX_POLL_MS = 300_000  # librdkafka's own default of max.poll.interval.ms


class FetchListener(Protocol):
    """Who is told what is fetched. Calls come from the fetching thread; what they wait for, the group waits for."""

    def on_assigned(self, places: Mapping[int, Mapping[int, Place]]) -> None:
        """Take tasks over: by task, and by slot, where it begins. Nothing of them is read before `Fetcher.go`."""

    def on_revoked(self, tasks: frozenset[int], budget_s: float) -> None:
        """Let go of tasks; when this returns, nothing of them is committed any more."""

    def on_lost(self, tasks: frozenset[int]) -> None:
        """Let go of tasks that are another's already; when this returns, nothing of them is committed any more."""

    def on_membership(self, membership: Any) -> None:
        """Take what proves from now on that the tasks are the engine's."""

    def on_fetched(self, batches: Sequence[tuple[int, int, Batch]]) -> None:
        """Take what a read gave: slot, task and batch; `Fetcher.more` says that one of them waits no more."""

    def on_silent(self) -> None:
        """No record has come for as long as the streams are to wait for one."""

    def on_fetch_trouble(self, reason: str) -> None:
        """Note what keeps the brokers from answering; empty when nothing does any more."""

    def on_fetch_broken(self, error: EngineError) -> None:
        """Stop: topics cannot be read."""


class Fetcher:
    """A member of a consumer group.

    Parameters
    ----------
    connection : Connection
        The brokers.
    group : str
        The group.
    inlets : sequence of Inlet
        What is read, a topic each.
    listener : FetchListener
        Who is told.
    instance : str
        The name by which the group knows the engine again after a restart; empty for none.
    partition : int, optional
        The one partition that is read, whoever else is in the group; None for what the group gives.
    max_record_bytes : int
        A longer record comes as `Oversized`.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        inlets: Sequence[Inlet],
        listener: FetchListener,
        *,
        instance: str = "",
        partition: int | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        self._connection, self._group, self._instance, self._partition = connection, group, instance, partition
        self._inlets = {inlet.topic: inlet for inlet in inlets}
        self._topics = {inlet.slot: inlet.topic for inlet in inlets}
        self._listener, self._max_record_bytes = listener, max_record_bytes
        self._credit = Credit()
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._places: dict[tuple[str, int], Place] = {}
        """Where each assigned partition begins."""
        self._tasks: set[int] = set()
        """Of which all partitions are assigned."""
        self._going: set[int] = set()
        """Tasks that are read."""
        self._is_quiet = self._is_stalled = self._is_stopped = self._is_leaving = False
        self._stalled_since_s = self._active_s = self._looked_s = 0.0
        self._at_end: set[tuple[str, int]] = set()
        """Partitions of which nothing is left to be read."""
        waits = [inlet.max_wait_s for inlet in inlets]
        self._max_wait_s = None if None in waits else max(wait for wait in waits if wait is not None)
        self._mean_bytes = 1.0
        self._trouble = ""
        self._consumer: Consumer
        self._thread = threading.Thread(target=self._run, name="fetcher", daemon=True)
        interval_s = int(connection.settings.get("max.poll.interval.ms", MAX_POLL_MS)) / 1000
        self.budget_s = min(interval_s / 2, BUDGET_S)
        """How long the group can be made to wait for partitions."""
        self.ends: dict[tuple[int, int], int] = {}
        """By slot and task the end of the partition, as of the last look."""
        self.n_rebalances = 0
        """How often the group has changed what the engine reads."""

    @property
    def is_eager(self) -> bool:
        """Whether the group takes everything away at every change, to give most of it back at once."""
        return self._partition is None and not self._connection.has_new_protocol

    def start(self) -> None:
        """Join the group and begin to poll."""
        self._thread.start()

    def go(self, tasks: Iterable[int]) -> None:
        """Read tasks that were assigned."""
        chosen = frozenset(tasks)
        self._commands.put(lambda: self._go(chosen))

    def retake(self, tasks: Iterable[int]) -> None:
        """Go back to where the group has committed and say once more that tasks are assigned, if they still are."""
        chosen = frozenset(tasks)
        self._commands.put(lambda: self._retake(chosen))

    def more(self, slot: int, task: int) -> None:
        """Note that the oldest batch of a lane waits no more."""
        self._credit.give((slot, task))

    def hush(self) -> None:
        """Read no more, and stay in the group."""
        self._is_quiet = True

    def stop(self, *, is_leaving: bool) -> None:
        """Leave, and return when the thread is through; blocks.

        Parameters
        ----------
        is_leaving : bool
            The group is told, and gives the partitions to others at once. Otherwise an engine that has an instance
            gets them back if it comes again within the session's time.
        """
        self._is_leaving, self._is_stopped = is_leaving, True
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(self.budget_s)

    def _run(self) -> None:
        from confluent_kafka import Consumer, KafkaException

        try:
            self._consumer = Consumer(self._connection.consumer(**self._settings()))
            try:
                self._join()
                while not self._is_stopped:
                    self._turn()
            finally:
                self._leave()
        except EngineError as exc:
            self._listener.on_fetch_broken(exc)
        except KafkaException as exc:
            self._listener.on_fetch_broken(self._error(exc.args[0]))
        except Exception as exc:  # noqa: BLE001 -- a fault of this thread must stop the engine, not only the thread
            error = EngineError(f"Kafka cannot be read: {type(exc).__name__}: {exc}")
            error.__cause__ = exc
            self._listener.on_fetch_broken(error)

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "group.id": self._group,
            "error_cb": self._note,
            "enable.partition.eof": self._max_wait_s is not None,
        }
        if self._instance and self._partition is None:
            settings["group.instance.id"] = self._instance
        if "fetch.queue.backoff.ms" not in self._connection.settings:
            settings["fetch.queue.backoff.ms"] = 5  # librdkafka's second is a pause at half a million records a second
        return settings

    def _join(self) -> None:
        from confluent_kafka import TopicPartition

        if self._partition is None:
            self._consumer.subscribe(
                list(self._inlets), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            return
        partitions = [TopicPartition(topic, self._partition) for topic in self._inlets]
        self._assign(self._consumer, partitions)

    def _leave(self) -> None:
        if self._is_leaving and self._instance and self._partition is None:
            # A member with an instance leaves only so: its close is taken for a restart.
            self._consumer.unsubscribe()
            deadline = time.monotonic() + 1.0
            while self._consumer.assignment() and time.monotonic() < deadline:
                self._consumer.poll(POLL_S / 10)
            self._consumer.poll(POLL_S)
        self._consumer.close()

    # Turns of the loop

    def _turn(self) -> None:
        while not self._commands.empty():
            self._commands.get()()
        if not self._is_quiet and self._credit.is_there:
            self._unstall()
            messages = self._read()
        elif self._is_stalled:
            messages = self._consumer.consume(1, POLL_S)  # nothing can come but what the group says
        else:
            messages = []
            if self._is_quiet or not self._credit.wait(POLL_S):
                self._consider_stall()
        if messages:
            self._hand_on(messages)
        self._tell_membership()
        self._consider_silence()
        self._look()

    def _read(self) -> list[Message]:
        n_records = max(1, min(MAX_RECORDS, int(READ_BYTES / self._mean_bytes)))
        messages = self._consumer.consume(n_records, 0)
        if not messages:
            messages = self._consumer.consume(1, POLL_S)
            if messages and n_records > 1:
                messages += self._consumer.consume(n_records - 1, 0)
        return messages

    def _hand_on(self, messages: Sequence[Message]) -> None:
        by_partition: dict[tuple[str, int], list[Message]] = {}
        for message in messages:
            place = message.topic() or "", message.partition() or 0
            if (error := message.error()) is None:
                by_partition.setdefault(place, []).append(message)
                self._at_end.discard(place)
            elif error.name() == "_PARTITION_EOF":
                self._at_end.add(place)
            else:
                self._meet(error)
        batches: list[tuple[int, int, Batch]] = []
        sizes: dict[Any, int] = {}
        n_records = 0
        for (topic, partition), its in by_partition.items():
            if partition not in self._going:
                continue  # read before the partition was taken away
            batch = self._batch(its)
            slot = self._inlets[topic].slot
            sizes[slot, partition] = sum(map(len, batch.values))
            batches.append((slot, partition, batch))
            n_records += len(batch)
        if not batches:
            return
        self._mean_bytes = max(sum(sizes.values()) / n_records, 0.9 * self._mean_bytes)
        self._active_s = time.monotonic()
        self._tell_trouble("")
        self._credit.take(sizes)
        self._listener.on_fetched(batches)

    def _batch(self, messages: Sequence[Message]) -> Batch:
        values: list[bytes] = []
        positions: list[int] = []
        labels: list[Label] = []
        for message in messages:
            value: Any = message.value() or b""  # a tombstone is a record without bytes
            values.append(value if len(value) <= self._max_record_bytes else Oversized(value, len(value)))
            positions.append((message.offset() or 0) + 1)
            kind, timestamp_ms = message.timestamp()
            headers: Any = message.headers()
            key: Any = message.key()
            labels.append(Label(key, timestamp_ms if kind else None, tuple(headers) if headers else ()))
        return Batch(values, positions, labels)

    def _tell_membership(self) -> None:
        if self._tasks:
            self._listener.on_membership(self._consumer.consumer_group_metadata())

    def _consider_stall(self) -> None:
        now_s = time.monotonic()
        if not self._stalled_since_s:
            self._stalled_since_s = now_s
        elif now_s - self._stalled_since_s >= STALL_S or self._is_quiet:
            self._pause(self._going)
            self._is_stalled = True

    def _unstall(self) -> None:
        self._stalled_since_s = 0.0
        if self._is_stalled:
            self._is_stalled = False
            self._resume(self._going)

    def _consider_silence(self) -> None:
        now_s = time.monotonic()
        if self._max_wait_s is None or self._is_quiet or not self._credit.is_whole or not self._is_through:
            self._active_s = now_s
        elif now_s - self._active_s >= self._max_wait_s:
            self._active_s = now_s
            self._listener.on_silent()

    @property
    def _is_through(self) -> bool:
        """Whether all that the group gives, if only nothing, is read to its end."""
        has_joined = self.n_rebalances > 0
        mine = {(topic, task) for topic in self._inlets for task in self._tasks}
        return has_joined and self._going == self._tasks and mine <= self._at_end

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        for task in self._going:
            for partition in self._partitions_of(task):
                _, end = self._consumer.get_watermark_offsets(partition, cached=True)
                if end >= 0:
                    self.ends[self._inlets[partition.topic].slot, task] = end

    # What is read

    def _go(self, tasks: frozenset[int]) -> None:
        tasks &= self._tasks  # some may have been taken away meanwhile
        self._going |= tasks
        self._active_s = time.monotonic()
        if not self._is_stalled:
            self._resume(tasks)

    def _retake(self, tasks: frozenset[int]) -> None:
        if not (tasks := tasks & self._tasks):
            return
        log.info("group.retaken", group=self._group, tasks=sorted(tasks))
        self._going -= tasks
        partitions = [each for task in self._tasks for each in self._partitions_of(task)]
        self._at_end.clear()
        if self._is_incremental:
            self._consumer.incremental_unassign(partitions)
        self._place(self._consumer, partitions)
        self._tell_assigned(tasks)

    def _tell_assigned(self, tasks: Iterable[int]) -> None:
        self._listener.on_membership(self._consumer.consumer_group_metadata())
        self._listener.on_assigned(
            {
                task: {inlet.slot: self._places[inlet.topic, task] for inlet in self._inlets.values()}
                for task in sorted(tasks)
            }
        )

    def _partitions_of(self, task: int) -> list[TopicPartition]:
        from confluent_kafka import TopicPartition

        return [TopicPartition(topic, task) for topic in self._inlets]

    def _pause(self, tasks: Iterable[int]) -> None:
        if partitions := [each for task in tasks for each in self._partitions_of(task)]:
            self._consumer.pause(partitions)

    def _resume(self, tasks: Iterable[int]) -> None:
        if partitions := [each for task in tasks for each in self._partitions_of(task)]:
            self._consumer.resume(partitions)

    # What the group says: called by the consumer, in this thread, out of a poll

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._guard(lambda: self._assign(consumer, partitions))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._guard(lambda: self._unassign(consumer, partitions, is_lost=False))

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._guard(lambda: self._unassign(consumer, partitions, is_lost=True))

    def _guard(self, work: Callable[[], None]) -> None:
        """Do what a callback has to do; an error ends the thread from outside of librdkafka's own frames."""
        try:
            work()
        except BaseException as exc:  # noqa: BLE001 -- it is raised again, by the turn
            error = exc

            def fail() -> None:
                raise error

            self._commands.put(fail)

    @property
    def _is_incremental(self) -> bool:
        return self._connection.has_new_protocol and self._partition is None

    def _place(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Have partitions read from where the group has committed, once they go on."""
        from confluent_kafka import TopicPartition

        places = find_places(consumer, partitions, self._inlets, self.budget_s) if partitions else {}
        placed = [TopicPartition(topic, number, place.offset) for (topic, number), place in places.items()]
        if self._is_incremental:
            consumer.incremental_assign(placed)
        else:
            consumer.assign(placed)
        if placed:
            consumer.pause(placed)
        self._places |= places

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.n_rebalances += 1
        metrics.count_rebalance()
        self._place(consumer, partitions)
        whole = {number for _, number in self._places if all((topic, number) in self._places for topic in self._inlets)}
        new, self._tasks = whole - self._tasks, self._tasks | whole
        log.info("group.assigned", group=self._group, tasks=sorted(new), of=sorted(whole))
        self._tell_assigned(new)

    def _unassign(self, consumer: Consumer, partitions: list[TopicPartition], *, is_lost: bool) -> None:
        self.n_rebalances += 1
        metrics.count_rebalance()
        gone = {(each.topic, each.partition) for each in partitions}
        tasks = frozenset({number for _, number in gone} & self._tasks)
        self._going -= tasks
        self._pause(tasks)
        log.info("group.lost" if is_lost else "group.revoked", group=self._group, tasks=sorted(tasks))
        if tasks and is_lost:
            self._listener.on_lost(tasks)
        elif tasks:
            self._listener.on_revoked(tasks, self.budget_s)
        self._tasks -= tasks
        self._at_end -= gone
        for each in gone:
            self._places.pop(each, None)
        for key in [key for key in self.ends if key[1] in tasks]:
            del self.ends[key]
        if self._is_incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    # What goes wrong

    def _note(self, error: KafkaError) -> None:
        """Take what librdkafka says of its brokers; most of it passes."""
        if error.fatal():
            self._commands.put(lambda: self._meet(error))
        else:
            self._tell_trouble(str(broker_error("read from Kafka", error, self._connection.servers)))

    def _tell_trouble(self, reason: str) -> None:
        if reason != self._trouble:
            self._trouble = reason
            self._listener.on_fetch_trouble(reason)

    def _meet(self, error: KafkaError) -> None:
        if error.name() == "_MAX_POLL_EXCEEDED" or (error.retriable() and not error.fatal()):
            log.warning("group.trouble", group=self._group, reason=error.str())
            return  # the group takes the engine in again with the next poll
        found = self._error(error)
        if isinstance(found, BrokerRefused | EngineFenced) or error.fatal():
            raise found
        self._tell_trouble(str(found))

    def _error(self, error: KafkaError) -> EngineError:
        if error.name() in ("FENCED_INSTANCE_ID", "_FATAL") and "instance" in error.str().lower():
            return EngineFenced(self._instance)
        topics = " and ".join(sorted(self._inlets))
        return broker_error(f"read {topics} as group {self._group!r}", error, self._connection.servers)
