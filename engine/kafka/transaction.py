"""The transactions of one producer: what is written in one is seen whole, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from engine.kafka.connection import Connection

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]


class Outbound(NamedTuple):
    """One record on its way to a topic.

    Parameters
    ----------
    value, key : bytes or None
        What it is, and by which its partition is found.
    partition : int or None
        Where it goes; None for what its key says, or any where it has none.
    timestamp_ms : int or None
        Its time; None for now.
    headers : tuple of pairs of str and bytes or None
        In order.
    """

    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    timestamp_ms: int | None = None
    headers: Headers = ()


class Transaction:
    """The transactions of one producer, one after the other; any thread may write, one thread commits and aborts.

    A transaction begins with the first record that is written. Errors of `write`, `commit` and `abort`:

    * `CommitAborted`: all that was written since the last commit is gone, and the next transaction may begin. With
      `is_lost` the group, or the broker, took this engine for gone, so its tasks may be another's by now.
    * `EngineFenced`: another producer of the same name has shut this one out twice within `FENCED_S`.
    * `DeliveryFailed`: as `CommitAborted`, and trying again will not help: the topic refuses the record.
    * `CommitUnknown`: see `commit`.

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
        self._connection, self._on_step, self._clock = connection, on_step, clock

    @property
    def is_open(self) -> bool:
        """Whether something is written, and neither committed nor aborted."""
        raise NotImplementedError

    def init(self, timeout_s: float = 30) -> None:
        """Connect, shut out who wrote under the name before, and wait until the end of its transaction.

        Raises
        ------
        BrokerRefused, BrokerUnreachable
            It cannot be.
        """
        raise NotImplementedError

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
        self.write(topic, [Outbound(value, key, partition, timestamp_ms, headers)])

    def write(self, topic: str, records: Iterable[Outbound]) -> None:
        """Write records in order; waits while there is no room for them."""
        raise NotImplementedError

    def commit(self, offsets: Mapping[tuple[str, int], int], membership: Any = None) -> None:
        """Make what was written true, together with the places where the group goes on.

        Parameters
        ----------
        offsets : mapping of (str, int) to int
            For topic and partition, the offset of the next record.
        membership : object
            The consumer's group metadata as it was when the records were read; None where `offsets` is empty.

        Raises
        ------
        CommitUnknown
            The broker was told to commit, and did not answer within twice the transaction's time. Nothing was decided:
            call `renew`, after which the transaction is over, and look at what it wrote.
        """
        raise NotImplementedError

    def abort(self) -> None:
        """Take back what was written since the last commit, if anything was. A broker that is away is waited for."""
        raise NotImplementedError

    def renew(self) -> None:
        """Go on with another producer under the same name: whatever was open is committed or aborted when it is there.

        A broker that is away is waited for.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go, from any thread; what is open is taken back by the broker. Waits of other threads end."""
        raise NotImplementedError
