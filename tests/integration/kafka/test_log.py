"""Commits over Kafka: what is committed is there, for good and once, and what is not is nowhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from structlog.testing import capture_logs

from engine.errors import BoundElsewhere, BrokerUnreachable, CommitAborted, DeliveryFailed, EngineFenced, StoreFailed
from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from engine.kafka.forms import JOB_KEY
from engine.kafka.log import KafkaLog
from engine.kafka.sink import KafkaSink
from engine.kafka.transaction import Transaction
from engine.record import Label, Labels
from engine.state.commits import Answer, Commit, Entry, Fence, InputFence, OutputFence, Reject, TaskFence
from engine.state.sqlite import SqliteStore
from testbed.kafka import KafkaCluster
from tests.integration.kafka.conftest import MakeTopic
from tests.integration.kafka.reading import read_messages

pytestmark = pytest.mark.integration


class Bench:
    """A topic that is read, one that is written, a changelog and whoever commits."""

    def __init__(self, kafka: KafkaCluster, name: str, topic: MakeTopic, n_partitions: int = 2) -> None:
        self._kafka, self.connection = kafka, Connection(kafka.bootstrap)
        self.name = name
        self.input, self.output = topic(n_partitions), topic(n_partitions)
        self.changelog = f"{name}-model-changelog"
        self.n_partitions = n_partitions
        Changelog(self.connection, self.changelog).ensure(n_partitions)
        self.consumer = Consumer(self.connection.consumer(**{"group.id": name}))
        self.consumer.assign([TopicPartition(self.input, partition, 0) for partition in range(n_partitions)])
        self._opened: list[Callable[[], None]] = [self.consumer.close]

    def store(self, folder: Path | None) -> SqliteStore:
        store = SqliteStore(folder)
        self._opened.append(store.close)
        return store

    def log(
        self,
        store: SqliteStore,
        instance: str = "one",
        *,
        is_bound: bool = False,
        has_state: bool = True,
        kind: type[Transaction] = Transaction,
    ) -> tuple[KafkaLog, KafkaSink]:
        transaction = kind(self.connection, f"{self.name}-{instance}")
        log = KafkaLog(
            store,
            transaction,
            Changelog(self.connection, self.changelog) if has_state else None,
            topics={0: self.input},
            group=self.name,
            is_bound=is_bound,
        )
        self._opened.append(log.close)
        return log, KafkaSink(transaction, self.output, self.n_partitions)

    @property
    def membership(self) -> object:
        return self.consumer.consumer_group_metadata()

    def commit(self, number: int, tasks: dict[int, int], entries: list[Entry] | None = None, **more: object) -> Commit:
        """Return a commit that moves tasks to offsets."""
        fences = {task: TaskFence({0: InputFence(0, offset, offset)}) for task, offset in tasks.items()}
        fence = Fence(number, "model", "digest", {0: "symbol"}, tasks=fences)
        return Commit(fence, entries or [], membership=self.membership, **more)  # type: ignore[arg-type]

    def offsets(self) -> dict[int, int]:
        places = self.consumer.committed([TopicPartition(self.input, part) for part in range(self.n_partitions)], 10)
        return {place.partition: place.offset for place in places if place.offset >= 0}

    def state(self, task: int) -> dict[tuple[bytes, str], bytes]:
        """Return the state of a task that a new engine would have, all entries applied in order."""
        state: dict[tuple[bytes, str], bytes] = {}
        for entry in Changelog(self.connection, self.changelog).restore(task):
            if entry.value is None:
                state.pop((entry.key, entry.name), None)
            else:
                state[entry.key, entry.name] = entry.value
        return state

    def outputs(self) -> list[tuple[int, bytes | None, bytes | None]]:
        """Return partition, key and value of all committed outputs, each partition in order."""
        found = [(one.partition() or 0, one.key(), one.value()) for one in read_messages(self._kafka, self.output)]
        return sorted(found, key=lambda one: one[0])

    def close(self) -> None:
        for close in reversed(self._opened):
            close()


class Forgetful(Transaction):
    """Confirms its second commit and takes it back, as brokers do that never tell the partitions of it."""

    n_commits = 0

    def commit(self, *args: Any, **more: Any) -> None:
        self.n_commits += 1
        if self.n_commits == 2:
            self.abort()
        else:
            super().commit(*args, **more)


def raising(error: Exception) -> Callable[..., Any]:
    def ask(*_args: Any, **_more: Any) -> Any:
        raise error

    return ask


@pytest.fixture
def bench(kafka: KafkaCluster, name: str, topic: MakeTopic) -> Iterator[Bench]:
    bench = Bench(kafka, name, topic)
    yield bench
    bench.close()


def entry(task: int, key: bytes, value: bytes | None, scope: str = "script") -> Entry:
    return Entry(scope, key, "n", value, task)


def test_outputs_offsets_and_state_are_there_after_a_commit(bench: Bench) -> None:
    log, sink = bench.log(bench.store(None))
    assert log.fence is None
    sink.write([b"a", b"b"], Labels.of([Label(task=1), Label(b"k", 1_700_000_000_000, (("h", b"v"),), 1)]))
    commit = bench.commit(1, {0: 5, 1: 7}, [entry(0, b"x", b"1"), entry(1, b"y", b"2")])
    log.commit(commit).result()
    assert log.fence == commit.fence
    assert {(key, value) for _, key, value in bench.outputs()} == {(None, b"a"), (b"k", b"b")}
    assert (1, None, b"a") in bench.outputs()  # that of its task
    assert bench.offsets() == {0: 5, 1: 7}
    assert [bench.state(task) for task in (0, 1)] == [{(b"x", "n"): b"1"}, {(b"y", "n"): b"2"}]
    restoring = log.restore(1)
    assert [one.value for one in restoring] == [b"2"]
    assert restoring.fence is not None
    assert restoring.fence.tasks == {1: commit.fence.tasks[1]}
    assert (restoring.fence.digest, restoring.fence.keys) == ("digest", {0: "symbol"})
    assert restoring.is_whole
    assert restoring.n_read == restoring.n_total > 0


def test_a_commit_that_the_brokers_have_confirmed_and_forgotten_is_done_again(bench: Bench) -> None:
    log, sink = bench.log(bench.store(None), kind=Forgetful)

    def commit(number: int) -> None:
        sink.write([b"%d" % number])
        log.commit(bench.commit(number, {0: number}, [entry(0, b"x", b"%d" % number)])).result()

    commit(1)
    commit(2)
    sink.write([b"3"])
    sink.cut(0)
    with pytest.raises(CommitAborted, match="forgotten commit 2") as caught:
        commit(3)
    assert caught.value.is_lost
    assert bench.offsets() == {0: 1}
    for number in (2, 3):
        commit(number)
    assert [value for _, _, value in bench.outputs()] == [b"1", b"2", b"3"]
    assert bench.offsets() == {0: 3}
    assert bench.state(0) == {(b"x", "n"): b"3"}


def test_where_it_cannot_be_seen_whether_a_commit_is_forgotten_the_next_one_is_written(bench: Bench) -> None:
    log, sink = bench.log(bench.store(None))
    log.commit(bench.commit(1, {0: 1})).result()
    other = Transaction(bench.connection, f"{bench.name}-other")
    other.init()
    producer = other._begun()
    producer.send_offsets_to_transaction([TopicPartition(bench.input, 0, 1)], bench.membership, 10)
    sink.write([b"never"])
    sink.cut(0)
    with capture_logs() as said:
        log.commit(bench.commit(2, {0: 2})).result()
    other.close()
    assert bench.offsets() == {0: 2}
    assert [one["event"] for one in said] == ["commit.in_doubt"]


def test_where_nobody_says_whether_a_commit_is_forgotten_nothing_is_written_until_somebody_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, sink = bench.log(bench.store(None), kind=Forgetful)
    for number in (1, 2):
        log.commit(bench.commit(number, {0: number})).result()
    sink.write([b"never"])
    sink.cut(0)
    with monkeypatch.context() as patch:
        patch.setattr("engine.kafka.deciding.read_offsets", raising(BrokerUnreachable("nowhere:1", "gone")))
        committed = log.commit(bench.commit(3, {0: 3}))
        with pytest.raises(CommitAborted, match="gone"):
            committed.result()
    assert bench.offsets() == {0: 1}
    with pytest.raises(CommitAborted, match="forgotten commit 2"):
        log.commit(bench.commit(3, {0: 3})).result()


def test_what_is_forgotten_of_a_task_that_stands_still_is_written_with_the_next_commit(bench: Bench) -> None:
    log, sink = bench.log(bench.store(None))
    log.commit(bench.commit(1, {0: 1, 1: 1})).result()
    bench.consumer.commit(offsets=[TopicPartition(bench.input, 1, 0)], asynchronous=False)
    sink.write([b"never"])
    sink.cut(0)
    log.commit(bench.commit(2, {0: 2, 1: 1})).result()
    assert bench.offsets() == {0: 2, 1: 1}


def test_later_commits_override_and_forget_state(bench: Bench) -> None:
    log, _ = bench.log(bench.store(None))
    log.commit(bench.commit(1, {0: 1}, [entry(0, b"x", b"1"), entry(0, b"y", b"1"), entry(0, b"z", b"1")])).result()
    log.commit(bench.commit(2, {0: 2}, [entry(0, b"x", b"2"), entry(0, b"y", None)])).result()
    assert bench.state(0) == {(b"x", "n"): b"2", (b"z", "n"): b"1"}
    assert sorted(one[1:4] for one in log.entries(task=0)) == [(b"x", "n", b"2"), (b"z", "n", b"1")]


def test_an_abort_leaves_nothing_and_the_next_commit_is_whole(bench: Bench) -> None:
    log, sink = bench.log(bench.store(None))
    sink.write([b"never"])
    sink.cut(0)
    assert bench.outputs() == []
    sink.write([b"never either"])
    log.abort().result()
    sink.write([b"a"])
    log.commit(bench.commit(1, {0: 1}, [entry(0, b"x", b"1")])).result()
    assert [value for _, _, value in bench.outputs()] == [b"a"]
    assert bench.state(0) == {(b"x", "n"): b"1"}


def test_a_commit_whose_group_has_gone_on_is_lost_and_leaves_nothing(bench: Bench) -> None:
    log, sink = bench.log(bench.store(None))
    member = Consumer(bench.connection.consumer(**{"group.id": bench.name + "-other"}))
    member.subscribe([bench.input])
    while not member.assignment():
        member.poll(0.1)
    stale = member.consumer_group_metadata()
    member.close()  # it leaves: whoever commits for it is none of the group
    sink.write([b"never"])
    commit = bench.commit(1, {0: 1}, [entry(0, b"x", b"1")])
    with pytest.raises(CommitAborted) as caught:
        log.commit(Commit(commit.fence, commit.entries, membership=stale)).result()
    assert caught.value.is_lost
    assert (bench.outputs(), bench.state(0), log.fence) == ([], {}, None)
    log.commit(commit).result()
    assert bench.state(0) == {(b"x", "n"): b"1"}


def test_a_zombie_writes_nothing_and_goes_on_once(bench: Bench) -> None:
    zombie, sink = bench.log(bench.store(None))
    zombie.commit(bench.commit(1, {0: 1}, [entry(0, b"x", b"1")])).result()
    sink.write([b"never"])
    other, other_sink = bench.log(bench.store(None))  # of the same name: it has taken the zombie's place
    with pytest.raises(CommitAborted) as caught:
        zombie.commit(bench.commit(2, {0: 2}, [entry(0, b"x", b"2")])).result()
    assert caught.value.is_lost
    assert (bench.outputs(), bench.state(0), bench.offsets()) == ([], {(b"x", "n"): b"1"}, {0: 1})
    other_sink.write([b"a"])
    with pytest.raises(CommitAborted):  # the zombie has come back, and shut out the other
        other.commit(bench.commit(2, {0: 2})).result()
    with pytest.raises(EngineFenced, match="--instance"):  # and so on: the two have one name
        zombie.commit(bench.commit(2, {0: 2})).result()
    assert bench.outputs() == []


def test_a_record_that_the_topic_will_never_take_is_no_reason_to_try_again(bench: Bench) -> None:
    log, sink = bench.log(bench.store(None))
    sink.write([b"x" * (2 << 20)])  # the topic takes a megabyte
    with pytest.raises(DeliveryFailed, match="larger than the topic takes"):
        log.commit(bench.commit(1, {0: 1}, [entry(0, b"x", b"1")])).result()
    assert (bench.outputs(), bench.state(0)) == ([], {})
    sink.write([b"a"])
    log.commit(bench.commit(1, {0: 1})).result()
    assert [value for _, _, value in bench.outputs()] == [b"a"]


def test_another_engines_open_transaction_is_waited_for(bench: Bench) -> None:
    log, _ = bench.log(bench.store(None), "one")
    log.commit(bench.commit(1, {0: 1}, [entry(0, b"x", b"1")])).result()
    slow = Transaction(bench.connection, f"{bench.name}-slow")
    slow.init()
    commit = bench.commit(2, {0: 2}, [entry(0, b"x", b"2")])
    changelog = Changelog(bench.connection, bench.changelog)
    from engine.kafka.forms import Stamp

    written = changelog.records(commit, [0], Stamp(b"slow", 2))
    slow.write(bench.changelog, written)
    assert slow._producer is not None
    slow._producer.flush(10)
    restoring = changelog.restore(0)
    found: list[Entry] = []
    reading = threading.Thread(target=lambda: found.extend(restoring))
    reading.start()
    while not restoring.waits_for:
        assert reading.is_alive()
    assert "transaction" in restoring.waits_for
    assert not restoring.is_whole
    slow.commit({})
    reading.join()
    assert [one.value for one in found] == [b"1", b"2"]
    assert restoring.fence is not None
    assert restoring.fence.tasks[0].inputs[0].position == 2
    assert (restoring.waits_for, restoring.is_whole) == ("", True)
    slow.close()


def test_an_engine_that_is_gone_in_the_middle_of_a_transaction_is_waited_for_until_the_broker_gives_it_up(
    bench: Bench,
) -> None:
    gone = Transaction(bench.connection, f"{bench.name}-gone")
    gone.init()
    gone.produce(bench.changelog, b"half", b"e", 0)
    assert gone._producer is not None
    gone._producer.flush(10)
    bench.log(bench.store(None), "gone")  # its successor: init ends what it left open
    restoring = Changelog(bench.connection, bench.changelog).restore(0)
    assert list(restoring) == []
    assert restoring.is_whole


def test_a_restoring_that_is_closed_ends_and_is_not_whole(bench: Bench) -> None:
    open_one = Transaction(bench.connection, f"{bench.name}-open")
    open_one.init()
    open_one.produce(bench.changelog, b"half", b"e", 0)
    assert open_one._producer is not None
    open_one._producer.flush(10)
    restoring = Changelog(bench.connection, bench.changelog).restore(0)
    reading = threading.Thread(target=lambda: list(restoring))
    reading.start()
    while not restoring.waits_for:
        assert reading.is_alive()
    restoring.close()
    reading.join()
    assert not restoring.is_whole
    open_one.close()


REJECT = Reject(1.5, 0, 7, 9, "input", "DecodeError", "no double", "", b"\xff")


def local_commit(bench: Bench, number: int, offset: int, out: int) -> Commit:
    """Return a commit that has a bit of everything."""
    fences = {0: TaskFence({0: InputFence(0, offset, offset)})}
    fence = Fence(
        number, "model", "digest", {}, {1: InputFence(2, 2 * number, number)}, {2: OutputFence(3, 0, out)}, tasks=fences
    )
    return Commit(
        fence,
        [entry(0, b"x", b"%d" % number), Entry("cells", b"", "c", b"%d" % number)],
        {2: [b"out-%d" % number]},
        [REJECT],
        [],
        [Answer("key", b"d" * 16, b"answer", 9e9)],
        membership=bench.membership,
    )


def test_what_only_the_local_store_keeps_is_committed_with_the_transaction(bench: Bench, tmp_path: Path) -> None:
    store = bench.store(tmp_path)
    log, _ = bench.log(store, is_bound=True)
    log.append(1, [b"one", b"two", b"three"]).result()
    commit = local_commit(bench, 1, 1, 1)
    log.commit(commit).result()
    log.close()
    store.close()
    store = bench.store(tmp_path)
    log, _ = bench.log(store, is_bound=True)
    assert log.fence is not None
    assert (log.fence.inputs, log.fence.outputs) == (commit.fence.inputs, commit.fence.outputs)
    assert log.outputs(2).values == [b"out-1"]
    assert log.inputs(1).values == [b"three"]
    assert [one.reason for one in log.rejects()] == ["no double"]
    assert log.answer_of("key") == commit.answers[0]
    assert log.scopes() == ["cells", "script"]
    assert [one.value for one in log.entries("cells")] == [b"1"]
    assert [one.value for one in log.entries("script", 0)] == [b"1"]


@pytest.mark.parametrize("has_state", [True, False])
def test_a_commit_that_found_no_room_to_settle_is_settled_when_it_is_tried_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_state: bool
) -> None:
    store = bench.store(tmp_path)
    log, sink = bench.log(store, has_state=has_state)
    commit = bench.commit(1, {0: 1}, rejects=[REJECT])
    sink.write([b"a"])
    full: Future[None] = Future()
    full.set_exception(StoreFailed("commits.db", "database or disk is full", is_full=True))
    with monkeypatch.context() as patch:
        patch.setattr(store, "settle", lambda: full)
        with pytest.raises(StoreFailed):
            log.commit(commit).result()
    assert store.prepared is not None
    log.commit(commit).result()
    sink.write([b"b"])
    log.commit(bench.commit(2, {0: 2}, rejects=[REJECT])).result()
    assert [one.number for one in store.rejects()] == [1, 2]
    assert sorted(value or b"" for _, _, value in bench.outputs()) == [b"a", b"b"]
    assert bench.offsets() == {0: 2}


def test_a_job_with_local_streams_is_refused_in_another_store(bench: Bench, tmp_path: Path) -> None:
    log, _ = bench.log(bench.store(tmp_path / "one"), is_bound=True)
    log.close()
    other = bench.store(tmp_path / "two")
    with pytest.raises(BoundElsewhere, match="Group"):
        bench.log(other, "two", is_bound=True)
    with pytest.raises(BoundElsewhere):
        bench.log(other, "two")


def test_an_engine_that_has_not_the_first_task_leaves_alone_what_is_kept_beside_it(bench: Bench) -> None:
    first, _ = bench.log(bench.store(None), "first")
    first.commit(bench.commit(1, {0: 1}, [entry(0, b"x", b"1")])).result()
    changelog = Changelog(bench.connection, bench.changelog)
    with changelog.partition(0) as partition:
        before = list(partition.newest({JOB_KEY}))
    other, sink = bench.log(bench.store(None), "other")
    for number, tasks in enumerate([{}, {1: 3}, {}], 1):
        sink.write([b"%d" % number])
        other.commit(bench.commit(number, tasks, is_anew=number == 3)).result()
    assert [value for _, _, value in bench.outputs()] == [b"1", b"2", b"3"]
    assert bench.state(0) == {(b"x", "n"): b"1"}
    with changelog.partition(0) as partition:
        assert list(partition.newest({JOB_KEY})) == before


def test_of_two_stores_that_ask_for_a_job_at_once_one_gets_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [bench.store(tmp_path / name) for name in ("slow", "fast")]
    read_job = Changelog.read_job
    n_read = 0

    def read_slowly(self: Changelog) -> object:
        """Return what there was before another engine began, when it has begun."""
        nonlocal n_read
        found = read_job(self)
        n_read += 1
        if n_read == 2:  # when it writes its name, behind the look at the start
            bench.log(stores[1], "fast", is_bound=True)
        return found

    monkeypatch.setattr(Changelog, "read_job", read_slowly)
    with pytest.raises(BoundElsewhere) as caught:
        bench.log(stores[0], "slow", is_bound=True)
    assert (caught.value.home, caught.value.other) == (stores[1].identity, stores[0].identity)


def test_values_as_large_as_the_state_allows_come_back(bench: Bench) -> None:
    log, _ = bench.log(bench.store(None))
    values = {b"%d" % number: bytes([number]) * (16 << 20) for number in range(3)}
    log.commit(bench.commit(1, {0: 1}, [entry(0, key, value) for key, value in values.items()])).result()
    assert bench.state(0) == {(key, "n"): value for key, value in values.items()}


def test_a_fence_that_the_local_store_has_lost_is_the_changelogs(bench: Bench, tmp_path: Path) -> None:
    store = bench.store(tmp_path)
    log, _ = bench.log(store, is_bound=True)
    log.append(1, [b"one", b"two", b"three"]).result()
    one, two = local_commit(bench, 1, 1, 1), local_commit(bench, 2, 2, 1)
    log.commit(one).result()
    log._local.commit = lambda commit: store.append(9, [])  # type: ignore[assignment]  # what a power loss takes
    plain = Commit(two.fence, two.entries, membership=two.membership)
    log.commit(plain).result()
    log.close()
    store.close()
    store = bench.store(tmp_path)
    assert store.fence == one.fence
    log, _ = bench.log(store, is_bound=True)
    assert log.fence is not None
    assert store.fence == log.fence
    assert log.fence.inputs == two.fence.inputs


def test_a_job_that_begins_anew_in_its_store_does_not_get_the_fence_of_the_one_before(
    bench: Bench, tmp_path: Path
) -> None:
    store = bench.store(tmp_path)
    log, _ = bench.log(store, is_bound=True)
    log.commit(local_commit(bench, 1, 1, 1)).result()
    log.close()
    store.clear().result()
    log, _ = bench.log(store, is_bound=True)
    assert log.fence is None
    assert bench.state(0) == {(b"x", "n"): b"1", (b"", "c"): b"1"}  # the group's


def test_state_that_is_begun_anew_is_not_restored_whatever_it_was(bench: Bench) -> None:
    log, _ = bench.log(bench.store(None))
    log.commit(bench.commit(1, {0: 1, 1: 1}, [entry(0, b"x", b"1"), entry(1, b"y", b"1")])).result()
    log.commit(bench.commit(2, {0: 2, 1: 2}, [entry(0, b"z", b"2")], is_anew=True)).result()
    assert [bench.state(task) for task in (0, 1)] == [{(b"z", "n"): b"2"}, {}]
    log.commit(bench.commit(3, {0: 3, 1: 3})).result()
    assert [bench.state(task) for task in (0, 1)] == [{(b"z", "n"): b"2"}, {}]
    log.close()
    log, _ = bench.log(bench.store(None), "two")
    for task in (0, 1):
        list(log.restore(task))
    log.commit(bench.commit(4, {0: 4, 1: 4}, [entry(1, b"y", b"4")])).result()
    assert [bench.state(task) for task in (0, 1)] == [{(b"z", "n"): b"2"}, {(b"y", "n"): b"4"}]


def test_a_commit_of_offsets_alone_notes_whose_it_was(bench: Bench) -> None:
    log, _ = bench.log(bench.store(None))
    log.commit(bench.commit(3, {0: 5, 1: 7})).result()
    places = bench.consumer.committed([TopicPartition(bench.input, part) for part in (0, 1)], 10)
    assert [(place.offset, place.metadata) for place in places] == [
        (offset, f"{log._writer.hex()}:3") for offset in (5, 7)
    ]


def test_a_stateless_job_commits_offsets_alone(bench: Bench) -> None:
    log, sink = bench.log(bench.store(None), has_state=False)
    sink.write([b"a"])
    log.commit(bench.commit(1, {0: 4})).result()
    assert (bench.offsets(), [value for _, _, value in bench.outputs()]) == ({0: 4}, [b"a"])
    assert (list(log.entries()), log.scopes(), bench.state(0)) == ([], [], {})
