"""The topic that state is kept in: made as it must be, refused as it must not be, right when it was compacted."""

from __future__ import annotations

import pytest

from engine.errors import BrokerRefused, StateCorrupt
from engine.kafka.brokers import Brokers
from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from engine.kafka.forms import Stamp
from engine.kafka.transaction import Transaction
from engine.state.commits import Commit, Entry, Fence, InputFence, TaskFence
from testbed.kafka import KafkaCluster
from tests.integration.kafka.conftest import MakeTopic

pytestmark = pytest.mark.integration


def test_a_changelog_is_made_once_and_fits_from_then_on(kafka: KafkaCluster, name: str) -> None:
    changelog = Changelog(Connection(kafka.bootstrap), name)
    for _ in range(2):
        changelog.ensure(3)
    with Brokers(Connection(kafka.bootstrap)) as brokers:
        settings = changelog._settings(brokers)
    assert settings["cleanup.policy"] == "compact"
    assert int(settings["max.message.bytes"]) > 17 << 20


@pytest.mark.parametrize(
    ("n_partitions", "config", "message"),
    [
        (2, {"cleanup_policy": "compact", "max_message_bytes": 18 << 20}, "2 partitions, and the inputs have 3.*Group"),
        (3, {"max_message_bytes": 18 << 20}, "cleanup.policy is delete.*kafka-configs.*cleanup.policy=compact"),
        (3, {"cleanup_policy": "compact,delete", "max_message_bytes": 18 << 20}, "would be deleted"),
        (3, {"cleanup_policy": "compact"}, "max.message.bytes is .*kafka-configs.*max.message.bytes=18874368"),
    ],
)
def test_a_topic_that_cannot_keep_state_is_refused_with_the_fix(
    kafka: KafkaCluster, topic: MakeTopic, n_partitions: int, config: dict[str, str | int], message: str
) -> None:
    with pytest.raises(BrokerRefused, match=message):
        Changelog(Connection(kafka.bootstrap), topic(n_partitions, **config)).ensure(3)


def commit_to(transaction: Transaction, changelog: Changelog, number: int, entries: list[Entry]) -> None:
    """Commit entries of task 0 in one transaction."""
    fence = Fence(number, "model", "digest", tasks={0: TaskFence({0: InputFence(0, number)})})
    written = changelog.records(Commit(fence, entries), [0], Stamp(b"w", number))
    transaction.write(changelog.topic, written)
    transaction.commit({})


def state_of(changelog: Changelog) -> tuple[dict[bytes, bytes], int]:
    """Return the state that is restored, and of how many entries."""
    state: dict[bytes, bytes] = {}
    n_entries = 0
    restoring = changelog.restore(0)
    for entry in restoring:
        n_entries += 1
        if entry.value is None:
            state.pop(entry.key, None)
        else:
            state[entry.key] = entry.value
    assert restoring.is_whole
    return state, n_entries


def test_state_is_the_same_before_and_after_the_topic_was_compacted(name: str) -> None:
    eager = {"log.cleaner.backoff.ms": "50", "log.cleaner.min.cleanable.ratio": "0.001"}
    with KafkaCluster(config=eager) as kafka:
        settings = {
            "cleanup_policy": "compact",
            "max_message_bytes": 18 << 20,
            "segment_ms": 100,
            "min_cleanable_dirty_ratio": "0.001",
            "delete_retention_ms": 0,
        }
        connection = Connection(kafka.bootstrap)
        changelog = Changelog(connection, kafka.create_topic(name, 1, **settings))
        changelog.ensure(1)
        transaction = Transaction(connection, name)
        transaction.init()
        expected: dict[bytes, bytes] = {}
        n_written = 0
        for number in range(1, 21):
            entries = [Entry("script", b"%d" % key, "n", b"%d" % number) for key in range(number, number + 20)]
            entries += [Entry("script", b"%d" % (number - 1), "n", None)]
            commit_to(transaction, changelog, number, entries)
            n_written += len(entries)
            expected |= {entry.key: entry.value for entry in entries if entry.value is not None}
            expected.pop(b"%d" % (number - 1), None)
        while state_of(changelog)[1] > n_written // 4:
            number += 1  # a segment is closed by the next record behind its time
            commit_to(transaction, changelog, number, [Entry("script", b"last", "n", b"%d" % number)])
        if number > 20:
            expected[b"last"] = b"%d" % number
        state, _ = state_of(changelog)
        assert state == expected
        restoring = changelog.restore(0)
        list(restoring)
        assert restoring.fence is not None
        assert restoring.fence.tasks[0].inputs[0].position == number
        transaction.close()


def test_a_record_that_is_none_of_ours_is_refused(kafka: KafkaCluster, name: str) -> None:
    connection = Connection(kafka.bootstrap)
    changelog = Changelog(connection, name)
    changelog.ensure(1)
    transaction = Transaction(connection, name)
    transaction.init()
    transaction.produce(name, b"\x01nonsense", b"e", 0)
    transaction.commit({})
    with pytest.raises(StateCorrupt):
        list(changelog.restore(0))
    transaction.close()


def test_a_topic_that_is_gone_is_named(kafka: KafkaCluster, name: str) -> None:
    with pytest.raises(BrokerRefused, match=name):
        list(Changelog(Connection(kafka.bootstrap), name).restore(0))
