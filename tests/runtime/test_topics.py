import contextlib
import re

import pytest

from engine.errors import SlotsUnfit
from engine.kafka.brokers import Brokers
from engine.registry import from_path
from engine.runtime.link import check_cluster
from engine.runtime.topics import changelog_of, find_topics
from engine.settings import Settings
from engine.streams import parse_descriptor, resolve_stream

SCRIPT = """\
# engine.slot.2: in-use
# engine.slot.3: in-use
def action(x, slot):
    yield x
"""
COUNTING = "n = 0\n\n\ndef action(x):\n    global n\n    n += 1\n    yield n\n"
PLAIN = "def action(x):\n    yield x\n"


def topic(name="prices", servers="broker:9092", skip=None, **fields):
    descriptor = {
        "Transport": {"Type": "Kafka", "BootstrapServers": [servers], "Topic": name, **fields},
        "Encoding": "json",
    }
    return descriptor if skip is None else descriptor | {"SkipToRecord": skip}


def found(tmp_path, streams, source=PLAIN):
    path = tmp_path / "average.py"
    path.write_text(source)
    resolved = {
        slot: resolve_stream(f"s{slot}", parse_descriptor(descriptor), lambda name: None, lambda name: None)
        for slot, descriptor in streams.items()
    }
    return find_topics(resolved, from_path(path, None, (), {}), Settings(secrets_dir=tmp_path))


FILE = {"Transport": {"Type": "file", "Path": "/data/scores.jsons"}, "Encoding": "json"}
REST = {"Transport": "REST", "Encoding": "json"}


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        ({0: topic("a", Group="x"), 2: topic("b", Group="y"), 1: topic("c")}, "group 'x' and slot 2 as 'y'"),
        ({0: topic("a"), 2: topic("a"), 1: topic("c")}, "Slots 0 and 2 both read topic 'a'"),
        ({0: topic("a", Partition=1), 2: topic("b"), 1: topic("c")}, "slot 0 number 1, slot 2 all of them"),
        (
            {0: topic("a", Config={"linger.ms": 5}), 1: topic("b", Config={"linger.ms": 9})},
            "Slot 0 and slot 1 differ in linger.ms",
        ),
        (
            {0: topic("a", Security={"Protocol": "SSL"}), 1: topic("b")},
            "Slot 0 has a Security that slot 1 has not",
        ),
    ],
)
def test_streams_that_cannot_be_one_job_are_refused_by_name(tmp_path, streams, words):
    with pytest.raises(SlotsUnfit, match=re.escape(words)):
        found(tmp_path, streams, SCRIPT)


@pytest.mark.parametrize(("ids", "is_refused"), [({"broker:9092": "x", "other:1": "x"}, False), ({}, True)])
def test_two_addresses_may_be_of_one_cluster_and_of_two_they_are_refused(tmp_path, monkeypatch, ids, is_refused):
    class Named(Brokers):
        def cluster_id(self):
            return ids.get(self.connection.servers, self.connection.servers)

    monkeypatch.setattr("engine.runtime.link.Brokers", Named)
    topics = found(tmp_path, {0: topic("a"), 1: topic("b", servers="other:1"), 3: topic("c")}, SCRIPT)
    refused = pytest.raises(
        SlotsUnfit, match="Slot 0 is at broker:9092 and slot 1 at other:1, which is another cluster"
    )
    with refused if is_refused else contextlib.nullcontext(), Named(topics.connection) as brokers:
        check_cluster(topics, brokers, None)


def test_a_job_without_topics_has_no_kafka_side(tmp_path):
    assert found(tmp_path, {0: REST, 1: FILE}) is None


def test_the_group_is_the_models_name_when_no_stream_says_one(tmp_path):
    assert found(tmp_path, {0: topic("a"), 1: topic("b")}).group == "average"
    assert found(tmp_path, {0: topic("a", Group="mine"), 1: topic("b")}).group == "mine"


@pytest.mark.parametrize(
    ("streams", "source", "is_bound", "has_changelog"),
    [
        ({0: topic("a"), 1: topic("b")}, PLAIN, False, False),
        ({0: topic("a"), 1: topic("b")}, COUNTING, False, True),
        ({0: topic("a"), 1: topic("b")}, PLAIN + "\n\ndef begin():\n    yield 1\n", False, True),
        ({0: topic("a"), 1: FILE}, PLAIN, True, True),
        ({0: topic("a"), 1: REST}, PLAIN, True, True),
        ({0: REST, 1: topic("b")}, PLAIN, True, True),
        ({0: topic("a"), 1: {"Transport": {"Type": "discard"}, "Encoding": "json"}}, PLAIN, False, False),
    ],
)
def test_a_job_is_bound_to_its_machine_when_a_stream_is_and_keeps_a_changelog_when_there_is_something_to_keep(
    tmp_path, streams, source, is_bound, has_changelog
):
    topics = found(tmp_path, streams, source)
    assert (topics.is_bound, topics.has_changelog) == (is_bound, has_changelog)


def test_the_settings_of_all_streams_are_those_of_the_job(tmp_path):
    topics = found(
        tmp_path, {0: topic("a", Config={"session.timeout.ms": 6000}), 1: topic("b", Config={"linger.ms": 1})}
    )
    assert topics.connection.settings == {"session.timeout.ms": 6000, "linger.ms": 1}


def test_where_a_new_group_begins_is_the_end_unless_the_stream_says_so(tmp_path):
    assert found(tmp_path, {0: topic("a"), 1: topic("b")}).inlets[0].first == "latest"
    assert found(tmp_path, {0: topic("a", skip="earliest"), 1: topic("b")}).inlets[0].first == "earliest"
    assert found(tmp_path, {0: topic("a", skip=7), 1: topic("b")}).inlets[0].first == 7
    assert found(tmp_path, {0: topic("a", MaxWaitTime=1500), 1: topic("b")}).inlets[0].max_wait_s == 1.5


@pytest.mark.parametrize(
    ("source", "streams", "changelog"),
    [
        (COUNTING, {0: topic("a"), 1: topic("b")}, "average-average-changelog"),
        (COUNTING, {0: topic("a", Group="prices"), 1: topic("b")}, "prices-average-changelog"),
        (COUNTING, {0: topic("a", Partition=3), 1: topic("b")}, "average-3-average-changelog"),
        (COUNTING, {0: REST, 1: topic("b")}, "average-average-changelog"),
        (COUNTING, {0: REST, 1: FILE}, None),
        (PLAIN, {0: topic("a"), 1: topic("b")}, None),
    ],
)
def test_a_job_that_is_kept_says_which_topic_has_its_state(tmp_path, source, streams, changelog):
    attached = [{"slot": slot, "stream": {"descriptor": descriptor}} for slot, descriptor in streams.items()]
    assert changelog_of({"model": {"name": "average", "source": source}, "attached": attached}) == changelog
    topics = found(tmp_path, streams, source)
    if changelog is not None:
        assert topics.changelog == changelog
