"""Reads topics as a member of a consumer group, in a thread of its own: nobody else touches the consumer.

The thread never waits for the model. Where records cannot be taken it does not read, and after a while it pauses the
partitions and goes on to poll, so that the group keeps the engine for alive however slow the model is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from engine import metrics
from engine.errors import BrokerRefused, EngineError, EngineFenced
from engine.kafka.assignment import Assignment
from engine.kafka.batching import batch_of, runs_of
from engine.kafka.chatter import CHATTER
from engine.kafka.connection import Connection
from engine.kafka.contest import Contest
from engine.kafka.credit import Credit
from engine.kafka.errors import broker_error
from engine.kafka.listener import FetchListener
from engine.kafka.places import Inlet
from engine.kafka.silence import Silence
from engine.log import get_logger
from engine.record import MAX_RECORD_BYTES, Batch

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

log = get_logger(__name__)

MAX_RECORDS = 4000
"""The most that is read at once. With 1,000 a no-op scores 410,000 records a second, with 4,000 500,000: the threads
that read, decide and write hand on Python's lock less often."""

READ_BYTES = 1 << 22
"""What one read is meant to hold at most, 4 MiB: of large records fewer are read at once."""

POLL_S = 0.1
"""How long a poll waits for a record: commands of the runtime wait no longer than this."""

STALL_S = 1.0
"""After how long without room partitions are paused: a pause throws away what was fetched ahead."""

LOOK_S = 1.0
"""How often is looked where the topics end."""

ASK_PAUSE_S = 1.0
"""How long is waited before brokers are asked again where partitions begin; twice as long each time."""

MAX_ASK_PAUSE_S = 10.0
"""The longest of these pauses."""

MEMBERSHIP_S = 0.02
"""How often a consumer is asked at most what proves that it is a member: it answers at once, but holds up Python."""

REJOIN_S = 1.0
"""How long an engine waits that was shut out of its group, before it joins again."""

JOIN_S = 5.0
"""How long an engine that stops waits for a group that takes it in: members hear of it by their next heartbeat, 3 s."""

BUDGET_S = 30.0
"""The longest that partitions are held back which the group wants: what a drain may take."""

MAX_POLL_MS = 300_000  # librdkafka's own default of max.poll.interval.ms


class _ShutOut(Exception):
    """The consumer is of no use any more; another one may join."""


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
    check : callable
        Gets the numbers of partitions that the group gives, and raises what is wrong with them; in the fetching thread.
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
        check: Callable[[Iterable[int]], None] = lambda numbers: None,  # noqa: ARG005
    ) -> None:
        self._connection, self._group, self._instance, self._partition = connection, group, instance, partition
        self._inlets = {inlet.topic: inlet for inlet in inlets}
        self._topics = {inlet.slot: inlet.topic for inlet in inlets}
        self._listener, self._max_record_bytes, self._check = listener, max_record_bytes, check
        self._credit = Credit()
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._is_quiet = self._is_stalled = self._is_stopped = self._is_leaving = False
        self._has_joined = False
        """Whether the group has said what is read: it may be nothing. Between two assignments it has not."""
        self._stalled_since_s = self._looked_s = self._asked_s = self._proven_s = 0.0
        self._ask_pause_s = ASK_PAUSE_S
        self._silence = Silence(inlets)
        self._mean_bytes = 1.0
        self._trouble = ""
        self._fault: BaseException | None = None
        """What a callback raised, which librdkafka would lose."""
        self._n_tellings = 0
        self._told: dict[int, int] = {}
        """By task the number of the telling that holds: a takeover for an earlier one has old places."""
        self._contest = Contest()
        self._consumer: Consumer
        self._no_membership: Any
        """What a consumer says of itself that is in no group: also one that was put out, before it hears of it."""
        self._thread = threading.Thread(target=self._run, name="fetcher", daemon=True)
        self.budget_s = min(_poll_interval_s(connection) / 2, BUDGET_S)
        """How long the group can be made to wait for partitions."""
        self._assigned = self._nothing_assigned()
        self.ends: dict[tuple[int, int], int] = {}
        """By slot and task the end of the partition, as of the last look."""
        self.n_rebalances = 0
        """How often the group has changed what the engine reads."""

    def _is_done(self, consumer: Consumer) -> bool:
        """Read as one member until the end; return False when the group has shut it out, and another one may join."""
        self._consumer, self._has_joined = consumer, False
        try:
            self._join()
            while not self._is_stopped:
                self._turn()
        except _ShutOut as exc:
            log.warning("group.shut_out", group=self._group, instance=self._instance, reason=str(exc))
            return self._is_stopped
        finally:
            self._leave()
        return True

    def _nothing_assigned(self) -> Assignment:
        is_incremental = self._connection.has_new_protocol and self._partition is None
        return Assignment(self._inlets, self.budget_s, is_incremental=is_incremental, check=self._check)

    @property
    def is_eager(self) -> bool:
        """Whether the group takes everything away at every change, to give most of it back at once."""
        return self._partition is None and not self._connection.has_new_protocol

    def start(self) -> None:
        """Join the group and begin to poll."""
        self._thread.start()

    def go(self, tasks: Iterable[int], telling: int) -> None:
        """Read tasks that were assigned by this telling; those of which there was a later one are not read."""
        chosen = frozenset(tasks)
        self._commands.put(lambda: self._go(chosen, telling))

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
            while not self._is_done(Consumer(self._connection.consumer(**self._settings()))):
                self._begin_anew()
        except EngineError as exc:
            self._listener.on_fetch_broken(exc)
        except KafkaException as exc:
            self._listener.on_fetch_broken(self._error(exc.args[0]))
        except Exception as exc:  # noqa: BLE001 -- a fault of this thread must stop the engine, not only the thread
            error = EngineError(f"Kafka cannot be read: {type(exc).__name__}: {exc}")
            error.__cause__ = exc
            self._listener.on_fetch_broken(error)

    def _begin_anew(self) -> None:
        """Let go of what a consumer had that is closed, and wait a little: the next one begins with nothing."""
        if tasks := self._assigned.tasks:
            self._listener.on_lost(frozenset(tasks))
        self._assigned = self._nothing_assigned()
        self._silence = Silence(tuple(self._inlets.values()))
        self._is_stalled, self._stalled_since_s, self.ends = False, 0.0, {}
        until_s = time.monotonic() + REJOIN_S
        while not self._is_stopped and time.monotonic() < until_s:
            time.sleep(POLL_S)

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "group.id": self._group,
            "error_cb": self._note,
            "enable.partition.eof": self._silence.has_end,
        }
        # In a group that the brokers keep, a member with a name is missed for a whole session after it has left, and
        # one that was killed cannot come back before: there an engine is better off without.
        if self._instance and self._partition is None and not self._connection.has_new_protocol:
            settings["group.instance.id"] = self._instance
        if "fetch.queue.backoff.ms" not in self._connection.settings:
            settings["fetch.queue.backoff.ms"] = 5  # librdkafka's second is a pause at half a million records a second
        return settings

    def _join(self) -> None:
        from confluent_kafka import TopicPartition

        self._no_membership = self._consumer.consumer_group_metadata()
        if self._partition is None:
            self._consumer.subscribe(
                list(self._inlets), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            return
        partitions = [TopicPartition(topic, self._partition) for topic in self._inlets]
        self._assign(self._consumer, partitions)

    def _leave(self) -> None:
        if self._is_leaving and self._instance and self._partition is None:
            self._wait_for_join()
            # A member with an instance leaves only so: its close is taken for a restart.
            self._consumer.unsubscribe()
            deadline = time.monotonic() + 1.0
            while self._consumer.assignment() and time.monotonic() < deadline:
                self._consumer.poll(POLL_S / 10)
            self._consumer.poll(POLL_S)
        self._consumer.close()

    def _wait_for_join(self) -> None:
        """Wait until the group has taken the engine in: before that it cannot leave, and would be missed afterwards."""
        deadline = time.monotonic() + JOIN_S
        while not self._has_joined and not self._trouble and time.monotonic() < deadline:
            self._consumer.poll(POLL_S)

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
        if self._fault is not None:  # before what the consumer says of partitions that it was not told where to begin
            raise self._fault
        if messages:
            self._hand_on(messages)
        if time.monotonic() - self._proven_s >= MEMBERSHIP_S:
            self._tell_membership()
        self._consider_silence()
        self._consider_asking()
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
        ended: set[tuple[str, int]] = set()
        for place, its in runs_of(messages):
            if (error := its[0].error()) is None:
                by_partition.setdefault(place, []).extend(its)
                ended.discard(place)
            elif error.name() == "_PARTITION_EOF":
                ended.add(place)
            else:
                self._meet(error)
        batches: list[tuple[int, int, Batch]] = []
        sizes: dict[Any, int] = {}
        n_records = 0
        for (topic, partition), its in by_partition.items():
            if partition not in self._assigned.going:
                continue  # read before the partition was taken away
            self._silence.note_record((topic, partition))
            batch = batch_of(its, partition, self._max_record_bytes)
            slot = self._inlets[topic].slot
            sizes[slot, partition] = sum(map(len, batch.values))
            batches.append((slot, partition, batch))
            n_records += len(batch)
        for place in ended:  # told once: behind the last records, which are often of the same read
            self._silence.note_end(place)
        if not batches:
            return
        self._mean_bytes = max(sum(sizes.values()) / n_records, 0.9 * self._mean_bytes)
        self._tell_trouble("")
        self._credit.take(sizes)
        self._listener.on_fetched(batches)

    def _tell_membership(self) -> None:
        """Say what proves that the engine is a member; what proves nothing, brokers take from everybody."""
        if self._assigned.tasks:
            self._proven_s = time.monotonic()
            membership = self._consumer.consumer_group_metadata()
            if membership != self._no_membership or self._partition is not None:
                self._listener.on_membership(membership)

    def _consider_stall(self) -> None:
        now_s = time.monotonic()
        if not self._stalled_since_s:
            self._stalled_since_s = now_s
        elif now_s - self._stalled_since_s >= STALL_S or self._is_quiet:
            self._assigned.pause(self._consumer, self._assigned.going)
            self._is_stalled = True

    def _unstall(self) -> None:
        self._stalled_since_s = 0.0
        if self._is_stalled:
            self._is_stalled = False
            self._assigned.resume(self._consumer, self._assigned.going)

    def _consider_asking(self) -> None:
        """Ask again where partitions begin, if that is not known."""
        if self._assigned.trouble is None:
            self._ask_pause_s = ASK_PAUSE_S
        elif time.monotonic() - self._asked_s >= self._ask_pause_s:
            self._ask_pause_s = min(2 * self._ask_pause_s, MAX_ASK_PAUSE_S)
            tasks = self._assigned.ask_again(self._consumer)
            self._note_asked()
            if tasks:
                self._tell_assigned(tasks)

    def _note_asked(self) -> None:
        self._asked_s = time.monotonic()
        if self._assigned.trouble is not None:
            self._tell_trouble(str(self._assigned.trouble))

    def _consider_silence(self) -> None:
        has_place = self._has_joined and self._assigned.trouble is None
        is_waiting = not self._is_quiet and self._credit.is_whole and self._assigned.going == self._assigned.tasks
        partitions = {(topic, task) for topic in self._inlets for task in self._assigned.tasks}
        if self._silence.has_come(partitions, is_waiting=has_place and is_waiting):
            self._listener.on_silent()

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        if not self._trouble:
            CHATTER.settle()
        if self._trouble and self._assigned.trouble is None:
            self._look_for_brokers()
        for partition in self._assigned.partitions_of(self._assigned.going):
            _, end = self._consumer.get_watermark_offsets(partition, cached=True)
            if end >= 0:
                self.ends[self._inlets[partition.topic].slot, partition.partition] = end

    def _look_for_brokers(self) -> None:
        """Note that somebody answers again; where nothing is written, no record says so."""
        from confluent_kafka import KafkaException

        try:
            self._consumer.list_topics(next(iter(self._inlets)), timeout=POLL_S)
        except KafkaException:
            return
        self._tell_trouble("")

    def _go(self, tasks: frozenset[int], telling: int) -> None:
        going = self._assigned.go(task for task in tasks if self._told.get(task) == telling)
        if not self._is_stalled:
            self._assigned.resume(self._consumer, going)

    def _retake(self, tasks: frozenset[int]) -> None:
        if not (tasks := tasks & self._assigned.tasks):
            return
        log.info("group.retaken", group=self._group, tasks=sorted(tasks))
        known = self._assigned.begin_anew(self._consumer, tasks)
        self._silence.forget({(topic, task) for topic in self._inlets for task in tasks})
        self._note_asked()
        if known:
            self._tell_assigned(known)

    def _tell_assigned(self, tasks: Iterable[int]) -> None:
        places = self._assigned.places_of(tasks)
        self._n_tellings += 1
        self._told |= dict.fromkeys(places, self._n_tellings)
        self._tell_membership()
        self._listener.on_assigned(places, self._n_tellings)

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
            self._fault = exc

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._has_joined = True
        self._count_rebalance()
        new = self._assigned.add(consumer, partitions)
        log.info("group.assigned", group=self._group, tasks=sorted(new), of=sorted(self._assigned.tasks))
        self._note_asked()
        self._tell_assigned(new)

    def _unassign(self, consumer: Consumer, partitions: list[TopicPartition], *, is_lost: bool) -> None:
        self._has_joined = not is_lost and not self.is_eager
        self._count_rebalance()
        tasks = self._assigned.begin_removal(consumer, partitions)
        log.info("group.lost" if is_lost else "group.revoked", group=self._group, tasks=sorted(tasks))
        if tasks and is_lost:
            self._listener.on_lost(tasks)
        elif tasks:
            self._listener.on_revoked(tasks, self.budget_s)
        self._assigned.remove(consumer, partitions, tasks)
        self._silence.forget({(each.topic, each.partition) for each in partitions})
        self.ends = {place: end for place, end in self.ends.items() if place[1] not in tasks}

    def _count_rebalance(self) -> None:
        self.n_rebalances += 1
        metrics.count_rebalance()

    # What goes wrong

    def _note(self, error: KafkaError) -> None:
        """Take what librdkafka says of its brokers; most of it passes."""
        if error.fatal():
            consumer = self._consumer
            # What is said of one consumer is nothing to the next.
            self._commands.put(lambda: self._meet(error) if self._consumer is consumer else None)
        else:
            self._tell_trouble(str(self._error(error)))

    def _tell_trouble(self, reason: str) -> None:
        if reason != self._trouble:
            self._trouble = reason
            self._listener.on_fetch_trouble(reason)

    def _meet(self, error: KafkaError) -> None:
        if error.name() == "_MAX_POLL_EXCEEDED" or (error.retriable() and not error.fatal()):
            log.warning("group.trouble", group=self._group, reason=error.str())
            return  # the group takes the engine in again with the next poll
        if self._contest.concerns(error):
            if self._contest.is_lost():
                raise EngineFenced(self._instance)
            raise _ShutOut(error.str())
        found = self._error(error)
        if isinstance(found, BrokerRefused | EngineFenced) or error.fatal():
            raise found
        self._tell_trouble(str(found))

    def _error(self, error: KafkaError) -> EngineError:
        topics = " and ".join(sorted(self._inlets))
        return broker_error(f"read {topics} as group {self._group!r}", error, self._connection.servers)


def _poll_interval_s(connection: Connection) -> float:
    said = str(connection.settings.get("max.poll.interval.ms", MAX_POLL_MS))
    return (int(said) if said.isdecimal() else MAX_POLL_MS) / 1000  # what is no number, the client refuses by name
