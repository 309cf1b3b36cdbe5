"""``python broken_engine.py FAULT ...``: the program ``engine`` with one promise broken, for tests that must see it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.cli import main


def put(owner: Any, **broken: Any) -> None:
    """Put something broken in the place of what is there; where nothing is, nothing would be broken, and that is said.

    Raises
    ------
    SystemExit
        There is nothing of that name.
    """
    for name, thing in broken.items():
        if not hasattr(owner, name):
            raise SystemExit(f"broken_engine.py: {owner.__name__} has no {name} that could be broken: it has moved.")
        setattr(owner, name, thing)


def break_order() -> None:
    """Move the fence first and write the outputs then; and do not look at resume whether they are there."""
    from engine.runtime.committer import Committer
    from engine.runtime.outlet import Outlet
    from engine.transports.file import FileSink

    waiting: list[tuple[Outlet, list[bytes]]] = []
    keep = Committer._keep

    async def deliver(_self: Committer, outlet: Outlet, values: list[bytes], _labels: Any = None) -> Any:
        waiting.append((outlet, values))
        size_bytes = sum(len(value) + 1 for value in values)
        return replace(
            outlet.fence,
            position=outlet.fence.position + size_bytes,
            seq_no=outlet.fence.seq_no + len(values),
            identity=outlet._identity,
        )

    async def keep_first(self: Committer, commit: Any) -> None:
        await keep(self, commit)
        while waiting:
            outlet, values = waiting.pop(0)
            if values:
                await outlet.write(values)
                await outlet.flush(len(values))

    resume = FileSink._resume

    def resume_shorter(self: FileSink, fence: Any) -> None:
        resume(self, replace(fence, position=min(fence.position, self._length)))

    put(Committer, _deliver=deliver, _keep=keep_first)
    put(FileSink, _resume=resume_shorter)


def break_cut() -> None:
    """Leave in a file what was written behind the fence."""
    from engine.transports.file import FileSink

    resume = FileSink._resume

    def resume_at_end(self: FileSink, fence: Any) -> None:
        resume(self, replace(fence, position=self._length))

    put(FileSink, _resume=resume_at_end)


def break_state() -> None:
    """Begin with no state after a restart."""
    from engine.runtime import starting

    async def nothing(_manifold: Any, _model: Any) -> None:
        """Say that there is none."""

    put(starting, saved_for=nothing)


def break_journal() -> None:
    """Do not look at what was journaled before."""
    from engine.state.commits import Kept
    from engine.state.sqlite import SqliteStore

    inputs = SqliteStore.inputs
    put(SqliteStore, inputs=lambda self, attachment: Kept(inputs(self, attachment).first_seq, []))


def break_answers() -> None:
    """Know no request again."""
    from engine.state.sqlite import SqliteStore

    put(SqliteStore, answer_of=lambda _self, _key: None)


def break_acknowledging() -> None:
    """Number outputs from the beginning again after a restart, as if nobody had read any."""
    from engine.state.commits import Kept
    from engine.state.sqlite import SqliteStore

    outputs = SqliteStore.outputs

    def renumbered(self: SqliteStore, attachment: int) -> Kept:
        kept = outputs(self, attachment)
        return replace(kept, values=kept.values[1:], first_seq=kept.first_seq + 1) if kept.values else kept

    put(SqliteStore, outputs=renumbered)


def break_transaction() -> None:
    """Write outputs to their topic beside the transaction."""
    from confluent_kafka import Producer

    from engine.kafka.sink import KafkaSink
    from engine.kafka.transaction import Transaction

    begun, outside = Transaction._begun, {}

    def write_sink(self: KafkaSink, values: Any, labels: Any = None) -> None:
        transaction = self._transaction
        servers = transaction.connection.servers
        if servers not in outside:
            outside[servers] = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
        for value, label in zip(values, labels or [], strict=True):
            outside[servers].produce(self.topic, value, label[0])
        outside[servers].flush()
        begun(transaction)

    put(KafkaSink, write=write_sink)


def break_restoring() -> None:
    """Take partitions over without the state that another engine had of them."""
    from engine.runtime import restoring

    put(restoring, _state=lambda entries: [entry for entry in entries if not entry])  # it reads, and takes nothing


def break_one_transaction() -> None:
    """Commit offsets and state in one transaction, and the outputs in another one behind it."""
    from engine.kafka.sink import KafkaSink
    from engine.kafka.transaction import Transaction

    write, commit = KafkaSink.write, Transaction.commit
    waiting: list[tuple[Any, ...]] = []

    def commit_twice(self: Transaction, *given: Any) -> None:
        commit(self, *given)
        time.sleep(0.1)  # so that most kills come in between
        later, waiting[:] = list(waiting), []
        for arguments in later:
            write(*arguments)
        commit(self, {})

    put(KafkaSink, write=lambda *arguments: waiting.append(arguments))
    put(Transaction, commit=commit_twice)


FAULTS: dict[str, Callable[[], None]] = {
    "order": break_order,
    "cut": break_cut,
    "state": break_state,
    "journal": break_journal,
    "answers": break_answers,
    "outputs": break_acknowledging,
    "transaction": break_transaction,
    "one-transaction": break_one_transaction,
    "restoring": break_restoring,
}

if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()
