"""What `engine stream` verifies, samples and moves, asked of a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from engine.cli.main import invoke
from engine.kafka.brokers import Brokers
from engine.kafka.changelog import Changelog
from engine.kafka.connection import Connection
from engine.kafka.forms import JobRecord, Stamp
from engine.kafka.groups import committed_offsets
from engine.kafka.names import changelog_name
from engine.kafka.transaction import Transaction
from engine.state.commits import Commit, Entry, Fence, InputFence, TaskFence
from testbed.kafka import KafkaCluster

MODEL = "counter"
SCRIPT = """# engine.schema.0: double
# engine.schema.1: double
# engine.key.0: $key

n = 0

def action(x):
    global n
    n += 1
    yield n
"""
N_PARTITIONS = 3
N_RECORDS = 10  # in each partition


class Desk:
    """A library in which the stream `prices` is a topic, and the command line that works on it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str], connection: Connection, topic: str) -> None:
        self.root, self._capsys, self.connection, self.topic = root, capsys, connection, topic
        for folder in ("streams", "model_scripts", "schemas"):
            (root / folder).mkdir()
        (root / "model_scripts" / f"{MODEL}.py").write_text(SCRIPT)
        (root / "schemas" / "double.avsc").write_text('"double"')
        self.describe("prices")

    def describe(self, name: str, transport: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Put a descriptor into the library."""
        kafka = {"Type": "Kafka", "BootstrapServers": self.connection.servers.split(","), "Topic": self.topic}
        descriptor = {"Transport": kafka | dict(transport or {}), "Encoding": "json"} | fields
        (self.root / "streams" / f"{name}.json").write_text(json.dumps(descriptor))

    def run(self, *words: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of ``engine stream WORDS``."""
        self._capsys.readouterr()
        code = invoke(["--library", str(self.root), "stream", *words])
        return code, *self._capsys.readouterr()

    def seek(self, *words: str) -> list[tuple[int | None, int | None]]:
        """Return, for each partition, where the group and where the state stands, after a successful seek."""
        code, out, err = self.run("seek", "prices", *words, "-o", "json")
        assert code == 0, err
        return [(one["offset"], one["state_offset"]) for one in json.loads(out)["partitions"]]


@pytest.fixture
def connection(kafka: KafkaCluster) -> Connection:
    return Connection(kafka.bootstrap)


@pytest.fixture
def prices(topic: Any, connection: Connection) -> str:
    """Make a topic with the records 0 to 29, number i in partition i modulo 3."""
    name: str = topic(N_PARTITIONS)
    producer = Producer(connection.producer())
    for number in range(N_PARTITIONS * N_RECORDS):
        producer.produce(name, b"%d" % number, b"k", number % N_PARTITIONS, timestamp=1000 * (number + 1))
    assert producer.flush(30) == 0
    return name


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], connection: Connection, prices: str) -> Desk:
    return Desk(tmp_path, capsys, connection, prices)


@pytest.fixture
def committed(connection: Connection, prices: str, name: str) -> Callable[..., Changelog]:
    """Commit as an engine does: offset 4 in every partition, a count of the same, and a cell."""

    def commit(group: str = name, model: str = MODEL, slots: tuple[int, ...] = (0,)) -> Changelog:
        changelog = Changelog(connection, changelog_name(group, model))
        changelog.ensure(N_PARTITIONS)
        inputs = {slot: InputFence(slot, 4, 4) for slot in slots}
        tasks = {task: TaskFence(inputs) for task in range(N_PARTITIONS)}
        fence = Fence(7, model, "digest", {0: "$key"}, tasks=tasks)
        entries = [Entry("script", b"k", "n", b"4", task) for task in tasks] + [Entry("cells", b"", "total", b"12")]
        transaction = Transaction(connection, f"{group}-engine")
        transaction.init()
        job = JobRecord(scopes=("cells",))
        records = changelog.records(Commit(fence, entries), tasks, Stamp(b"engine", 7), job=job)
        transaction.write(changelog.topic, records)
        consumer = Consumer(connection.consumer(**{"group.id": group}))
        transaction.commit({(prices, task): 4 for task in tasks}, consumer.consumer_group_metadata())
        consumer.close()
        transaction.close()
        return changelog

    return commit


def state_of(changelog: Changelog, task: int) -> dict[str, bytes]:
    """Return scope and value of what is committed for a task."""
    found: dict[str, bytes] = {}
    for entry in changelog.restore(task):
        found.pop(entry.scope, None)
        if entry.value is not None:
            found[entry.scope] = entry.value
    return found


def fence_of(changelog: Changelog, task: int) -> Fence:
    restoring = changelog.restore(task)
    for _ in restoring:
        pass
    assert restoring.fence is not None
    return restoring.fence


def groups_of(kafka: KafkaCluster) -> set[str]:
    return {group.group_id for group in kafka.admin().list_consumer_groups().result(30).valid}


def test_verify_says_what_is_there(desk: Desk) -> None:
    code, out, err = desk.run("verify", "prices", "0")
    assert code == 0
    assert json.loads(out)["SkipToRecord"] == "latest"
    assert "read as the group MODEL, after the model" in err
    assert f"Topic {desk.topic!r} is there, with 3 partitions; it holds 30 records at most." in err
    code, _, err = desk.run("verify", "prices", "1")
    assert (code, "and can be written." in err) == (0, True)


def test_verify_of_a_topic_that_is_not_there_fails(desk: Desk) -> None:
    desk.describe("nothing", {"Topic": "nothing"})
    code, out, err = desk.run("verify", "nothing")
    assert (code, out) == (1, "")
    assert "there is no such topic" in err


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"no.such.setting": 1}, "No such configuration property"), ({"linger.ms": "soon"}, "Invalid value")],
)
def test_a_setting_that_librdkafka_does_not_have_is_named(desk: Desk, fields: dict[str, Any], words: str) -> None:
    desk.describe("wrong", {"Config": fields})
    code, _, err = desk.run("verify", "wrong")
    assert (code, "Config" in err, words in err) == (1, True, True)


@pytest.mark.parametrize(
    ("fields", "first", "last"),
    [
        ({}, 27, 29),
        ({"SkipToRecord": "latest"}, 27, 29),
        ({"SkipToRecord": "earliest"}, 0, 29),
        ({"SkipToRecord": 8}, 24, 29),
    ],
    ids=str,
)
def test_a_sample_begins_where_the_stream_does_and_at_the_end_shows_the_last_records(
    desk: Desk, fields: dict[str, Any], first: int, last: int
) -> None:
    desk.describe("prices", **fields)
    code, out, _ = desk.run("sample", "prices", "-n", "3")
    values = [int(line) for line in out.splitlines()]
    assert (code, len(values)) == (0, 3)
    assert all(first <= value <= last for value in values)


def test_a_sample_is_whole_where_transactions_leave_gaps(
    desk: Desk, connection: Connection, prices: str, name: str
) -> None:
    transaction = Transaction(connection, name)
    transaction.init()
    for number in (100, 101, 102):
        transaction.produce(prices, b"%d" % number, partition=0, timestamp_ms=1_000_000 + number)
        transaction.commit({})
    for _ in range(20):
        transaction.produce(prices, b"nobody reads it", partition=0)
        transaction.abort()
    transaction.close()
    assert desk.run("sample", "prices", "-n", "4")[1].split() == ["29", "100", "101", "102"]


def test_a_sample_moves_no_group_and_joins_none(desk: Desk, kafka: KafkaCluster, committed: Any, name: str) -> None:
    committed()
    before = groups_of(kafka)
    desk.describe("prices", {"Group": name}, SkipToRecord="earliest")
    assert len(desk.run("sample", "prices", "-n", "100")[1].splitlines()) == 30
    assert desk.seek() == [(4, 4)] * 3
    assert groups_of(kafka) <= before  # those that other tests have left go when their time is over


def test_where_a_group_stands_is_shown_with_its_state(desk: Desk, committed: Any, name: str) -> None:
    changelog = committed()
    code, out, err = desk.run("seek", "prices", "--group", name)
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["partition", "first", "last", "offset", "lag", "state"],
        *([str(task), "0", "10", "4", "6", "4"] for task in range(N_PARTITIONS)),
    ]
    assert "no engines" in err
    answer = json.loads(desk.run("seek", "prices", "--group", name, "-o", "json")[1])
    assert (answer["model"], answer["changelog"], answer["members"]) == (MODEL, changelog.topic, [])


@pytest.mark.parametrize(
    ("to", "offsets"),
    [
        ("earliest", [0, 0, 0]),
        ("latest", [10, 10, 10]),
        ("7", [7, 7, 7]),
        ("1970-01-01T00:00:05", [2, 1, 1]),  # record 4, in partition 1, has that time
        ("1971-01-01", [10, 10, 10]),
    ],
)
def test_offsets_and_the_fences_of_the_state_move_together(
    desk: Desk, committed: Any, name: str, to: str, offsets: list[int]
) -> None:
    changelog = committed()
    assert desk.seek("--group", name, "--to", to, "--keep-state") == [(each, each) for each in offsets]
    for task, offset in enumerate(offsets):
        assert state_of(changelog, task)["script"] == b"4"
        fence = fence_of(changelog, task)
        assert fence == Fence(7, MODEL, "digest", {0: "$key"}, tasks={task: TaskFence({0: InputFence(0, offset, 4)})})


def test_state_that_is_cleared_is_gone_and_what_is_the_whole_jobs_stays(desk: Desk, committed: Any, name: str) -> None:
    changelog = committed()
    before = changelog.read_job()
    assert desk.seek("--group", name, "--to", "earliest", "--clear-state") == [(0, 0)] * 3
    assert [state_of(changelog, task) for task in range(N_PARTITIONS)] == [{"cells": b"12"}, {}, {}]
    assert changelog.read_job() == before
    assert desk.seek("--group", name, "--to", "3", "--keep-state") == [(3, 3)] * 3
    assert [state_of(changelog, task) for task in range(N_PARTITIONS)] == [{"cells": b"12"}, {}, {}]


def test_one_partition_is_moved_alone(desk: Desk, committed: Any, name: str) -> None:
    changelog = committed()
    assert desk.seek("--group", name, "--partition", "1", "--to", "0", "--clear-state") == [(0, 0)]
    assert desk.seek("--group", name) == [(4, 4), (0, 0), (4, 4)]
    assert state_of(changelog, 1) == {}
    assert state_of(changelog, 2) == {"script": b"4"}


def test_what_becomes_of_the_state_must_be_said(desk: Desk, committed: Any, name: str) -> None:
    committed()
    code, _, err = desk.run("seek", "prices", "--group", name, "--to", "earliest")
    assert code == 3
    assert "--keep-state" in err
    assert "--clear-state" in err
    assert desk.seek("--group", name) == [(4, 4)] * 3


def test_offsets_that_somebody_has_moved_are_told_and_either_holds(
    desk: Desk, connection: Connection, committed: Any, name: str, prices: str
) -> None:
    committed()
    consumer = Consumer(connection.consumer(**{"group.id": name}))
    consumer.commit(offsets=[TopicPartition(prices, 2, 9)], asynchronous=False)
    consumer.close()
    assert "does not belong to the offsets" in desk.run("seek", "prices", "--group", name)[2]
    assert desk.seek("--group", name, "--to", "state") == [(4, 4)] * 3
    consumer = Consumer(connection.consumer(**{"group.id": name}))
    consumer.commit(offsets=[TopicPartition(prices, 2, 9)], asynchronous=False)
    consumer.close()
    assert desk.seek("--group", name, "--to", "group", "--keep-state") == [(4, 4), (4, 4), (9, 9)]


def test_offsets_without_state_are_moved_alone(desk: Desk, name: str, kafka: KafkaCluster) -> None:
    assert desk.seek("--group", name) == [(None, None)] * 3
    assert desk.seek("--group", name, "--to", "5") == [(5, None)] * 3
    assert changelog_name(name, MODEL) not in kafka.admin().list_topics(timeout=90).topics


def test_the_state_of_a_group_whose_name_goes_on_is_left_alone(desk: Desk, committed: Any, name: str) -> None:
    other = committed(f"{name}-eu")
    assert json.loads(desk.run("seek", "prices", "--group", name, "-o", "json")[1])["changelog"] is None
    assert desk.seek("--group", name, "--to", "earliest", "--clear-state") == [(0, None)] * 3
    assert desk.seek("--group", f"{name}-eu") == [(4, 4)] * 3
    assert state_of(other, 1) == {"script": b"4"}


def test_a_model_that_has_begun_nothing_begins_where_it_is_told(desk: Desk, name: str, connection: Connection) -> None:
    words = ("--group", name, "--model", MODEL)
    assert desk.seek(*words, "--to", "5") == [(5, 5)] * 3
    fence = fence_of(Changelog(connection, changelog_name(name, MODEL)), 0)
    assert (fence.model, fence.keys, fence.tasks[0].has_begun) == (MODEL, {0: "$key"}, False)


def test_an_offset_that_is_not_there_is_refused_with_those_that_are(desk: Desk, name: str) -> None:
    code, _, err = desk.run("seek", "prices", "--group", name, "--to", "11")
    assert (code, "it goes from 0 to 10" in err) == (3, True)
    assert desk.seek("--group", name) == [(None, None)] * 3


@pytest.mark.parametrize("to", ["group", "state"])
def test_a_place_at_which_nobody_stands_is_refused(desk: Desk, name: str, to: str) -> None:
    code, _, err = desk.run("seek", "prices", "--group", name, "--to", to)
    assert (code, "no place" in err) == (3, True)


@pytest.fixture(params=["classic", "consumer"])
def member(request: pytest.FixtureRequest, connection: Connection, prices: str, name: str) -> Iterator[Consumer]:
    """Return a member of the group, by either protocol."""
    settings = replace(connection, settings={"group.protocol": request.param})
    consumer = Consumer(settings.consumer(**{"group.id": name, "group.instance.id": f"{name}-one"}))
    consumer.subscribe([prices])
    while not consumer.assignment():
        consumer.poll(0.1)
    yield consumer
    consumer.close()


def test_a_group_with_members_is_left_alone_and_they_are_named(
    desk: Desk, committed: Any, member: Consumer, connection: Connection, prices: str, name: str
) -> None:
    code, _, err = desk.run("seek", "prices", "--group", name, "--to", "earliest")
    assert code == 1
    assert f"engines are in it: {name}-one" in err
    with Brokers(connection) as brokers:
        assert set(committed_offsets(brokers, name, prices, range(N_PARTITIONS)).values()) == {None}
    assert f"{name}-one" in desk.run("seek", "prices", "--group", name)[2]


def test_a_group_that_keeps_the_state_of_two_models_wants_to_know_whose(desk: Desk, committed: Any, name: str) -> None:
    committed()
    committed(model="other")
    code, _, err = desk.run("seek", "prices", "--group", name)
    assert (code, "Say which one with --model" in err) == (3, True)
    assert desk.seek("--group", name, "--model", "other") == [(4, 4)] * 3
    code, _, err = desk.run("seek", "prices", "--group", name, "--model", "countre")
    assert (code, "Did you mean 'counter'?" in err) == (3, True)


def test_a_model_with_several_inputs_wants_to_know_which_has_the_topic(desk: Desk, committed: Any, name: str) -> None:
    changelog = committed(slots=(0, 2))
    code, _, err = desk.run("seek", "prices", "--group", name, "--to", "0", "--keep-state")
    assert (code, "Say with --slot" in err) == (3, True)
    assert desk.seek("--group", name, "--to", "0", "--keep-state", "--slot", "2") == [(0, 0)] * 3
    inputs = fence_of(changelog, 0).tasks[0].inputs
    assert (inputs[0].position, inputs[2].position) == (4, 0)


def test_a_group_is_that_of_the_stream_or_named_as_the_model(desk: Desk, name: str) -> None:
    code, _, err = desk.run("seek", "prices")
    assert (code, "Say with --group" in err) == (3, True)
    desk.describe("prices", {"Group": name})
    assert json.loads(desk.run("seek", "prices", "-o", "json")[1])["group"] == name
    literal = f"kafka:{desk.connection.servers}/{desk.topic}"
    assert json.loads(desk.run("seek", literal, "--model", MODEL, "-o", "json")[1])["group"] == MODEL


def test_only_a_topic_has_offsets(desk: Desk) -> None:
    code, _, err = desk.run("seek", "rest:", "--group", "g")
    assert (code, "only a topic has offsets" in err) == (3, True)
