"""``python committing_engine.py SETTINGS``: commits until it is through, or is killed at the step of ENGINE_KILL_AT.

Each of its commits moves partition 0 by one record, writes that record's number to a topic, counts it in the state, and
keeps it as an output and as a reject in the local store.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from engine.kafka.log import KafkaLog
from engine.kafka.sink import KafkaSink
from engine.kafka.transaction import Transaction
from engine.runtime.steps import Killer
from engine.state.commits import Commit, Entry, Fence, InputFence, OutputFence, Reject, TaskFence
from engine.state.sqlite import SqliteStore


def main(servers: str, name: str, input: str, output: str, folder: str, kind: str, n_commits: int) -> None:  # noqa: A002
    kill = Killer(os.environ.get("ENGINE_KILL_AT", ""))
    connection = Connection(servers)
    consumer = Consumer(connection.consumer(**{"group.id": name}))
    consumer.assign([TopicPartition(input, 0, 0)])
    transaction = Transaction(connection, f"{name}-one", on_step=kill)
    changelog = Changelog(connection, f"{name}-changelog") if kind != "stateless" else None
    if changelog is not None:
        changelog.ensure(1)
    with SqliteStore(Path(folder), on_step=kill) as store:
        log = KafkaLog(
            store, transaction, changelog, topics={0: input}, group=name, is_bound=kind == "bound", on_step=kill
        )
        sink = KafkaSink(transaction, output, 1)
        (place,) = consumer.committed([TopicPartition(input, 0)], 10)
        done = max(place.offset, 0)
        restoring = log.restore(0)
        state = [entry.value for entry in restoring]
        if changelog is not None and done:
            assert state[-1] == b"%d" % done, (state, done)
            assert restoring.fence is not None
            assert restoring.fence.tasks[0].inputs[0].position == done
        assert len(log.rejects()) == len(log.outputs(2).values) == done, (log.rejects(), log.outputs(2), done)
        for number in range(done + 1, n_commits + 1):
            value = b"%d" % number
            sink.write([value])
            tasks = {0: TaskFence({0: InputFence(0, number, number)})}
            fence = Fence(number, "model", "digest", outputs={2: OutputFence(1, 0, number)}, tasks=tasks)
            entries = [Entry("script", b"", "n", value)] if changelog is not None else []
            rejects = [Reject(1.5, 0, number, number, "input", "DecodeError", str(number), "", b"")]
            metadata = consumer.consumer_group_metadata()
            log.commit(Commit(fence, entries, {2: [value]}, rejects, membership=metadata)).result()
        log.close()
    consumer.close()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
