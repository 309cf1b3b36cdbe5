import shlex
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT

import pytest

from engine.kafka.brokers import Brokers
from engine.kafka.connection import Connection
from engine.kafka.groups import move_offsets
from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import ROLLING, Reader, Site, by_key, read_all, rolled, write

PLAIN = "def action(x):\n    yield x\n"
TWO_INPUTS = "# engine.slot.2: in-use\n\n\ndef action(x):\n    yield x\n"


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    yield site
    site.close()


def test_inputs_with_different_partitions_are_refused_with_both_topics(site, topic, name):
    three, four, output = topic(3), topic(4), topic(1)
    script = site.script(TWO_INPUTS)
    inputs = [site.topic(each, Group=name) for each in (three, four)]
    engine = site.start("run", script, inputs[0], site.topic(output), "--slot", f"2={inputs[1]}")
    assert engine.wait() == 3, engine.said
    assert f"Topic {three!r} on slot 0 has 3 partitions, and {four!r} on slot 2 has 4" in engine.said


def test_a_topic_that_is_not_there_is_refused_by_name(site, topic, name):
    source = topic(1)
    script = site.script("def action(x):\n    yield x\n")
    engine = site.start("run", script, site.topic(source, Group=name), site.topic(f"{name}-missing"))
    assert engine.wait() == 1, engine.said
    assert f"{name}-missing" in engine.said
    assert "there is no such topic" in engine.said


def test_brokers_that_nobody_reaches_are_said(site, name):
    script = site.script("def action(x):\n    yield x\n")
    transport = {"Type": "Kafka", "BootstrapServers": ["127.0.0.1:1"], "Topic": "prices"}
    source = site.stream("nowhere", {"Transport": transport, "Encoding": "json"})
    engine = site.start("run", script, source, site.folder / "out.jsons")
    assert engine.wait() == 1, engine.said
    assert "127.0.0.1:1" in engine.said.splitlines()[-1]


def test_a_group_that_somebody_has_moved_away_from_its_state_is_refused_with_both_places(site, kafka, topic, name):
    source, output = topic(1), topic(1)
    script = site.script(ROLLING)
    write(kafka, source, [(0, b"a", i) for i in range(100)])
    streams = site.topic(source, Group=name, SkipToRecord="earliest", MaxWaitTime=2000), site.topic(output)
    assert (engine := site.start("run", script, *streams)).wait() == 0, engine.said
    with Brokers(Connection(kafka.bootstrap)) as brokers:
        move_offsets(brokers, name, source, {0: 40})

    engine = site.start("run", script, *streams)
    assert engine.wait() == 6, engine.said
    assert f"goes on at offset 40 of {source}[0], and the state that was committed belongs to offset 100" in engine.said
    assert len(read_all(kafka, output)) == 100


def test_of_two_engines_of_one_name_the_first_one_is_shut_out_and_says_so(site, kafka, topic, name):
    source, output = topic(2), topic(2)
    script = site.script(ROLLING)
    records = [(i % 2, b"k%d" % (i % 4), i) for i in range(3000)]
    streams = site.topic(source, Group=name, SkipToRecord="earliest"), site.topic(output)
    reader = Reader(kafka, output)

    first = site.start("run", script, *streams, "--instance", "same", state="first")
    write(kafka, source, records[:1000])
    reader.until(1000, first)
    second = site.start("run", script, *streams, "--instance", "same", state="second")
    write(kafka, source, records[1000:2000])
    assert first.wait() == 6, first.said
    assert "Another engine works under the name" in first.said
    write(kafka, source, records[2000:])
    reader.until(3000, second)
    reader.close()
    assert by_key(read_all(kafka, output)) == rolled(records)
    second.send(SIGINT)
    assert second.wait() == 130


def test_a_record_that_stops_the_engine_is_named_with_a_command_that_goes_on_behind_it(site, kafka, topic, name):
    source, output = topic(2), topic(2)
    script = site.script("n = 0\n\ndef action(x):\n    global n\n    n += 1\n    yield n / x\n")
    streams = site.topic(source, Group=name, SkipToRecord="earliest", MaxWaitTime=500), site.topic(output)
    write(kafka, source, [(1, None, 1), (1, None, 2), (1, None, 0), (1, None, 4)])
    engine = site.start("run", script, *streams)
    assert engine.wait() == 1, engine.said
    assert f"At offset 2 of {source}[1]: action() failed" in engine.said
    assert "# engine.on_error: reject" in engine.said
    command = next(line for line in engine.said.splitlines() if line.startswith("engine stream seek"))
    assert (seek := site.start(*shlex.split(command)[1:])).wait() == 0, seek.said

    again = site.start("run", script, *streams)
    assert again.wait() == 0, again.said
    assert [value for _, _, value in read_all(kafka, output)] == [1.0, 1.0, 0.75]


def test_a_reject_says_where_in_its_topic_the_record_is(site, kafka, topic, name):
    source = topic(2)
    script = site.script("# engine.on_error: reject\ndef action(x):\n    yield 1 / x\n")
    stream = site.topic(source, Group=name, SkipToRecord="earliest", MaxWaitTime=500)
    write(kafka, source, [(1, None, 1), (1, None, 0)])
    assert (engine := site.start("run", script, stream, "discard:")).wait() == 0, engine.said
    assert f"the one at offset 1 of {source}[1]: action() failed" in engine.said
    (job,) = (path.name for path in (site.folder / "state" / "jobs").iterdir())
    assert (shown := site.start("rejects", "show", "--job", job)).wait() == 0, shown.said
    assert f"offset 1 of {source}[1]" in shown.said


def test_a_fixed_partition_is_read_alone_and_gone_on_with(site, kafka, topic, name):
    source, output = topic(3), topic(1)
    script = site.script(ROLLING)
    records = [(i % 3, b"k%d" % (i % 3), i) for i in range(600)]
    stream = site.topic(source, Group=name, SkipToRecord="earliest", Partition=1, MaxWaitTime=2000)
    write(kafka, source, records[:300])
    assert (engine := site.start("run", script, stream, site.topic(output))).wait() == 0, engine.said
    write(kafka, source, records[300:])
    assert (engine := site.start("run", script, stream, site.topic(output))).wait() == 0, engine.said
    expected = rolled(record for record in records if record[0] == 1)
    assert by_key(read_all(kafka, output)) == expected


def test_a_fixed_partition_is_not_read_beside_the_engines_of_its_group(site, kafka, topic, name):
    source, output = topic(2), topic(1)
    write(kafka, source, [(i % 2, b"k", i) for i in range(10)])
    script, scores = site.script(PLAIN), site.topic(output)
    every = site.topic(source, "every", Group=name, SkipToRecord="earliest")
    alone = site.topic(source, "alone", Group=name, SkipToRecord="earliest", Partition=0, MaxWaitTime=1000)
    reader = Reader(kafka, output)
    engine = site.start("run", script, every, scores, state="first")
    reader.until(10, engine)
    other = site.start("run", script, alone, scores, state="second")
    assert other.wait() == 1, other.said
    assert "engines are in the group, and read it too" in other.said
    assert "a Group of its own" in other.said
    engine.send(SIGINT)
    assert engine.wait() == 130
    assert (other := site.start("run", script, alone, scores, state="second")).wait() == 0, other.said
    reader.close()
    assert len(read_all(kafka, output)) == 10


def test_a_script_that_loses_its_state_is_refused_until_the_state_is_cleared(site, kafka, topic, name):
    source = topic(1)
    write(kafka, source, [(0, b"k", i) for i in range(10)])
    stream = site.topic(source, "prices", Group=name, SkipToRecord="earliest", MaxWaitTime=1000)
    assert (engine := site.start("run", site.script(ROLLING, "m"), stream, "-")).wait() == 0, engine.said
    script = site.script(PLAIN, "m")
    engine = site.start("run", script, stream, "-")
    assert engine.wait() == 6, engine.said
    assert "The stored value cannot be put back" in engine.said
    words = ["--group", name, "--model", "m", "--to", "group", "--clear-state"]
    assert f"engine stream seek STREAM {' '.join(words)}" in engine.said
    assert (seek := site.start("stream", "seek", stream, *words)).wait() == 0, seek.said
    assert (engine := site.start("run", script, stream, "-")).wait() == 0, engine.said


def test_a_script_that_gets_state_begins_it_where_it_is_told(site, kafka, topic, name):
    source = topic(1)
    write(kafka, source, [(0, b"k", i) for i in range(10)])
    stream = site.topic(source, "prices", Group=name, SkipToRecord="earliest", MaxWaitTime=1000)
    plain = site.script(PLAIN, "m")
    assert (engine := site.start("run", plain, stream, "-")).wait() == 0, engine.said
    script = site.script(ROLLING, "m")
    engine = site.start("run", script, stream, "-")
    assert engine.wait() == 6, engine.said
    words = ["--group", name, "--model", "m", "--to", "group"]
    assert f"engine stream seek STREAM {' '.join(words)}" in engine.said
    assert (engine := site.start("run", site.script(PLAIN, "m"), stream, "-")).wait() == 0, engine.said
    script = site.script(ROLLING, "m")
    assert (seek := site.start("stream", "seek", stream, *words)).wait() == 0, seek.said
    assert (engine := site.start("run", script, stream, "-")).wait() == 0, engine.said
