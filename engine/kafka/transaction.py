"""The transactions of one producer: what is written in one is seen whole, or not at all."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from engine.errors import BrokerRefused, BrokerUnreachable, CommitAborted, CommitUnknown, EngineError, EngineFenced
from engine.kafka.brokers import Brokers
from engine.kafka.chatter import CHATTER
from engine.kafka.connection import Connection
from engine.kafka.contest import Contest
from engine.kafka.errors import broker_error
from engine.kafka.faults import failure_of, is_fenced, is_gone, is_occupied, is_purged, is_refused, timed_out
from engine.kafka.names import is_fixed
from engine.kafka.producing import open_producer, raising, send_offsets
from engine.kafka.topics import find_topic
from engine.log import get_logger

log = get_logger(__name__)

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
Outbound: TypeAlias = tuple[bytes | None, bytes | None, int | None, int | None, Headers]
"""A record on its way: value, key, partition (None: what its key says, or any), time in milliseconds (None: now) and
headers. A plain tuple, since there are half a million of them in a second."""

TIMEOUT_S = 10
"""After which the broker takes back a transaction that nobody ends: readers behind it wait no longer than that for an
engine that is gone, and a commit takes milliseconds."""

LOOK_S = 2.0
"""How long records may be on their way before it is looked whether their topics are still there."""

_STEP_S = 2  # a wait for the broker is looked at so often: whether somebody closes, and whether the time is over


class Transaction:
    """The transactions of one producer, one after the other; any thread may write, one thread commits and aborts.

    A transaction begins with the first record that is written. Errors of `write` and `commit`:

    * `CommitAborted`: what was written since the last commit will never be seen, and is to be written again. With
      `is_lost` the group, or the broker, took this engine for gone, so its tasks may be another's by now.
    * `DeliveryFailed`: as that, and trying again will not help: the topic refuses the record.
    * `EngineFenced`: another producer of the same name writes, see `Contest`.

    Behind an error of `commit` the next transaction may begin. Behind one of `write`, `abort` comes first: until then
    every other `write`, and `commit`, fail as well, so that nothing of what is half written gets into the next one.

    Parameters
    ----------
    connection : Connection
        The brokers.
    name : str
        The transactional id. A producer that begins under the same name shuts this one out.
    on_step : callable
        Called with ``sent`` when all of a transaction is with the brokers, and it is not committed.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        *,
        on_step: Callable[[str], None] = lambda step: None,  # noqa: ARG005
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.connection, self._on_step, self._clock = connection, on_step, clock
        self._lock = threading.RLock()  # a write is whole before anything else is done
        self._producer: Producer | None = None
        self._began_s: float | None = None
        self._contest = Contest(clock)
        self._is_closed = False
        self._failure: EngineError | None = None
        self._error: KafkaError | None = None
        self._fatal: KafkaError | None = None
        self._undelivered: tuple[str, KafkaError] | None = None
        self._topics: set[str] = set()
        """Where the transaction writes."""
        self.n_aborted = 0
        """How often something was taken back since `init`, or may have been."""

    @property
    def is_open(self) -> bool:
        """Whether something is written, and neither committed nor aborted."""
        return self._began_s is not None

    @property
    def is_closed(self) -> bool:
        """Whether nothing will be written any more."""
        return self._is_closed

    def init(self, timeout_s: float = 30) -> None:
        """Connect, shut out who wrote under the name before, and wait until the end of its transaction.

        Raises
        ------
        BrokerRefused, BrokerUnreachable
            It cannot be.
        """
        with self._lock:
            self._producer = self._begin_anew(self._clock() + timeout_s)

    # Writing.

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers = (),
    ) -> None:
        """Write one record."""
        self.write(topic, [(value, key, partition, timestamp_ms, headers)])

    def write(self, topic: str, records: Iterable[Outbound]) -> None:
        """Write records in order; waits while there is no room for them."""
        with self._lock:
            producer = self._begun()
            try:
                with raising(producer):
                    self._produce(producer, topic, records)
            except KafkaException as exc:
                raise self._fail(topic, exc.args[0]) from exc

    def _produce(self, producer: Producer, topic: str, records: Iterable[Outbound]) -> None:
        self._topics.add(topic)
        produce = producer.produce
        for value, key, partition, timestamp_ms, headers in records:
            while True:
                try:
                    # By position, with nobody to be told of the delivery: by name takes a third longer.
                    produce(
                        topic,
                        value,
                        key,
                        -1 if partition is None else partition,
                        None,
                        None,
                        timestamp_ms or 0,  # 0: now
                        list(headers) if headers else None,
                    )
                except BufferError:
                    producer.poll(0.1)
                    self._check_delivery(topic)
                else:
                    break
        producer.poll(0)
        self._check_delivery(topic)

    def _begun(self) -> Producer:
        """Return the producer, in a transaction."""
        if self._failure is not None:
            raise self._failure
        producer = self._producer
        if producer is None:
            raise CommitAborted("it is closed", is_lost=True)
        if self._began_s is None:
            self._undelivered = None
            self._topics.clear()
            self._began_s = self._clock()
            try:
                producer.begin_transaction()
            except KafkaException as exc:
                raise self._fail("", exc.args[0]) from exc
        return producer

    def _check_delivery(self, topic: str) -> None:
        if self._is_closed:
            self._failure = CommitAborted("it is closed", is_lost=True)
            raise self._failure
        if self._undelivered is not None:
            raise self._fail(topic, self._undelivered[1])

    def _note(self, error: KafkaError, message: Any) -> None:
        """Note the first record that did not get to the broker; what follows is taken back because of it."""
        if self._undelivered is None and not is_purged(error):
            self._undelivered = message.topic(), error

    def _fail(self, topic: str, error: KafkaError) -> EngineError:
        """Return what an error means; it stands until the transaction is taken back."""
        if self._producer is not None:
            try:
                with raising(self._producer):
                    self._producer.poll(0)
            except KafkaException as exc:  # other calls say only that it is dead, and this one of what
                self._fatal = exc.args[0]
        error = self._fatal or error
        if self._undelivered is not None and is_refused(self._undelivered[1]):
            topic, error = self._undelivered  # the reason for all that came after
        if is_gone(error):
            topic, error = self._missing_topic() or (topic, error)
        self._error = error
        self._failure = failure_of(error, topic, self.connection.servers)
        return self._failure

    # Ending.

    def commit(self, offsets: Mapping[tuple[str, int], int], membership: Any = None, note: str = "") -> None:
        """Make what was written true, together with the places where the group goes on.

        Parameters
        ----------
        offsets : mapping of (str, int) to int
            For topic and partition, the offset of the next record.
        membership : object
            The consumer's group metadata as it was when the records were read; None where `offsets` is empty.
        note : str
            Is kept with the offsets.

        Raises
        ------
        CommitUnknown
            The broker was told to commit, and what it did is not known: it did not answer within twice the
            transaction's time, or librdkafka gave up in between. Nothing may be concluded from it. Call `renew`, after
            which the transaction is over in one way or the other, and look at what it wrote.
        """
        with self._lock:
            producer = self._begun() if offsets or self._failure is not None else self._producer
            if self._began_s is None or producer is None:
                return
            try:
                self._send(producer, offsets, membership, note)
            except KafkaException as exc:
                raise self._taken_back(exc.args[0], ", ".join(sorted({topic for topic, _ in offsets}))) from exc
            self._on_step("sent")
            self._end(producer)
            self._began_s = None
            CHATTER.settle()

    def _send(self, producer: Producer, offsets: Mapping[tuple[str, int], int], membership: Any, note: str) -> None:
        """Get everything to the brokers, before they are told to commit: so what fails here is not committed."""
        if offsets:
            places = [TopicPartition(topic, partition, offset, note) for (topic, partition), offset in offsets.items()]
            self._persist(
                lambda: send_offsets(producer, places, membership, self._left_s(), _STEP_S, lambda: self._is_closed)
            )
        # Otherwise commit_transaction flushes, and takes 100 ms in place of 3.
        with raising(producer):
            n_left = producer.flush(min(self._left_s(), LOOK_S))
        if n_left and self._undelivered is None:
            self._undelivered = self._missing_topic()
            if self._undelivered is None:
                with raising(producer):
                    n_left = producer.flush(self._left_s())
        if self._undelivered is not None:
            raise KafkaException(self._undelivered[1])
        if n_left:
            raise KafkaException(timed_out(f"{n_left} records are still on the way"))

    def _missing_topic(self) -> tuple[str, KafkaError] | None:
        """Return a topic of the transaction that is gone, and what the brokers say of it.

        librdkafka asks for minutes to write to it, and not whether it is there.
        """
        with Brokers(self.connection, _STEP_S) as brokers:
            for topic in sorted(self._topics):
                try:
                    find_topic(brokers, topic)
                except BrokerRefused as exc:
                    cause = exc.__cause__
                    if isinstance(cause, KafkaException) and is_refused(cause.args[0]):
                        return topic, cause.args[0]
                except BrokerUnreachable:
                    break
        return None

    def _end(self, producer: Producer) -> None:
        """Tell the broker to commit. An error, once it was told, leaves open whether it did."""
        until_s = self._clock() + 2 * TIMEOUT_S
        while True:
            try:
                with raising(producer):
                    producer.commit_transaction(_STEP_S)
            except KafkaException as exc:
                error = exc.args[0]
                # librdkafka resumes the commit that is under way when it is called again.
                if not error.retriable() or self._clock() > until_s or self._is_closed:
                    failure = self._fail("", error)
                    is_lost = isinstance(failure, CommitAborted) and failure.is_lost
                    raise CommitUnknown(error.str().rstrip("."), is_lost=is_lost) from exc
            else:
                return

    def _persist(self, call: Callable[[], None]) -> None:
        while True:
            try:
                call()
            except KafkaException as exc:
                if not exc.args[0].retriable() or self._left_s() <= _STEP_S or self._is_closed:
                    raise
            else:
                return

    def _left_s(self) -> float:
        """Return for how long to wait for a broker: about as long as it keeps the transaction."""
        began_s = self._clock() if self._began_s is None else self._began_s
        return max(began_s + TIMEOUT_S - self._clock(), _STEP_S)

    def _taken_back(self, error: KafkaError, topic: str) -> EngineError:
        """Abort after an error, and return what it means."""
        failure = self._fail(topic, error)
        try:
            self.abort()
        except EngineFenced as fenced:
            return fenced
        return failure

    def abort(self) -> None:
        """Take back what was written since the last commit, if anything was. A broker that is away is waited for.

        Raises
        ------
        EngineFenced
            Another engine of the same name writes.
        """
        with self._lock:
            is_nothing = self._began_s is None and self._failure is None
            self._failure, producer = None, self._producer
            if is_nothing or producer is None:
                return
            self.n_aborted += 1
            while not self._is_closed:
                try:
                    with raising(producer):
                        producer.abort_transaction(_STEP_S)
                except KafkaException as exc:
                    error = exc.args[0]
                    if not error.retriable() or is_occupied(error):
                        self._error = self._error or error  # the first one says why
                        self._renew()
                        return
                else:
                    break
            if self._undelivered is not None:  # the producer counts a record that no partition has: it is of no use
                self._renew()
            self._began_s = self._error = None

    def renew(self) -> None:
        """Go on with another producer under the same name: whatever was open is committed or aborted when it is there.

        A broker that is away is waited for.

        Raises
        ------
        EngineFenced
            Another engine of the same name writes.
        BrokerRefused
            There is no permission any more.
        """
        with self._lock:
            self._failure = None
            self.n_aborted += 1
            self._renew()

    def _renew(self) -> None:
        error, self._error = self._error, None
        now_s = self._clock()
        # One that the broker has given up because it took too long looks as if somebody else had shut it out.
        is_slow = self._began_s is not None and now_s - self._began_s >= TIMEOUT_S
        if error is not None and is_fenced(error) and not is_slow and self._contest.is_lost():
            self._let_go()
            raise EngineFenced(self.name, is_fixed=is_fixed(self.name))
        log.warning("kafka.producer.renewed", name=self.name, reason=error.str() if error is not None else "")
        self._let_go()
        while not self._is_closed:
            try:
                self._producer = self._begin_anew(now_s + _STEP_S)
            except BrokerUnreachable as exc:
                log.warning("kafka.producer.waits", name=self.name, reason=str(exc))
                now_s = self._clock()
            else:
                return

    def _begin_anew(self, until_s: float) -> Producer:
        """Return a producer of the name, when whatever one before it has left open is over."""
        producer = open_producer(self.connection, self.name, TIMEOUT_S, self._note)
        while True:
            try:
                producer.init_transactions(max(until_s - self._clock(), _STEP_S))
            except KafkaException as exc:
                error = exc.args[0]
                if not error.retriable() or self._clock() >= until_s or self._is_closed:
                    raise broker_error(f"write as {self.name!r}", error, self.connection.servers) from exc
            else:
                self._began_s, self._undelivered, self._fatal = None, None, None
                return producer

    def _let_go(self) -> None:
        """Forget the producer and what it holds."""
        producer, self._producer, self._began_s = self._producer, None, None
        if producer is not None:
            with contextlib.suppress(KafkaException), raising(producer):  # it may be dead
                producer.purge(blocking=False)
                producer.poll(0)

    def close(self) -> None:
        """Let go, from any thread; what is open is taken back. Waits of other threads end."""
        self._is_closed = True
        with self._lock:
            if self._producer is not None and self._began_s is not None:
                try:
                    with raising(self._producer):
                        self._producer.abort_transaction(_STEP_S)
                except KafkaException as exc:  # the broker takes it back by itself
                    log.warning("kafka.transaction.left", name=self.name, reason=exc.args[0].str())
            self._let_go()
