from collections.abc import Iterator
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGSTOP

import pytest

from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import ROLLING, Reader, Site, by_key, read_all, rolled, write

FAST = {"session.timeout.ms": 3000, "heartbeat.interval.ms": 500}
"""A short session: an engine that is gone is noticed soon."""

PROTOCOLS = [pytest.param(FAST, id="classic"), pytest.param({"group.protocol": "consumer"}, id="new")]


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    yield site
    site.close()


def prices(n_records, n_partitions=4, n_keys=12, start=0):
    """Records of some keys, each key in a partition of its own."""
    return [(i % n_keys % n_partitions, b"k%d" % (i % n_keys), i) for i in range(start, start + n_records)]


def pair(site, source, output, group, wait_ms=3000, **fields):
    first = site.topic(source, Group=group, SkipToRecord="earliest", MaxWaitTime=wait_ms, **fields)
    return first, site.topic(output, **fields)


def endless(site, source, output, group, config=FAST):
    first = site.topic(source, Group=group, SkipToRecord="earliest", Config=config)
    return first, site.topic(output, Config=config)


class Slowness:
    """Makes a script as `ROLLING` that is busy with each record until it is told to hurry.

    So whatever comes finds records in work, however fast the machine is, and what is left then takes no time.
    """

    def __init__(self, folder: Path) -> None:
        self._marker = folder / "slow"
        self._marker.touch()
        pause = f"n_seen += 1\n    if os.path.exists({str(self._marker)!r}):\n        time.sleep(0.001)"
        self.script = "import os\nimport time\n" + ROLLING.replace("n_seen += 1", pause)

    def end(self) -> None:
        """Take no time any more."""
        self._marker.unlink()


@pytest.fixture
def slowness(tmp_path: Path) -> Slowness:
    return Slowness(tmp_path)


@pytest.mark.parametrize("config", [{}, {"group.protocol": "consumer"}], ids=["classic", "new"])
def test_every_record_of_four_partitions_is_scored_once_and_the_next_run_finds_nothing_left(
    site, kafka, topic, name, config
):
    source, output = topic(4), topic(4)
    script = site.script("def action(x):\n    yield x + 1\n")
    write(kafka, source, prices(2000))
    streams = pair(site, source, output, name, Config=config)

    engine = site.start("run", script, *streams)
    assert engine.wait() == 0, engine.said
    assert "2000 records in, 2000 out, 0 rejected" in engine.said
    found = read_all(kafka, output)
    expected = [(partition, key, value + 1) for partition, key, value in prices(2000)]
    assert by_key(found) == by_key(expected)

    again = site.start("run", script, *streams)
    assert again.wait() == 0, again.said
    assert "0 records in, 0 out" in again.said
    assert len(read_all(kafka, output)) == 2000


def test_windows_by_message_key_go_on_where_a_killed_engine_had_committed(site, kafka, topic, name):
    source, output = topic(4), topic(4)
    script, streams = site.script(ROLLING), pair(site, source, output, name)
    records = prices(30_000)
    reader = Reader(kafka, output)
    write(kafka, source, records[:15_000])
    for n_before_kill in (1000, 6000):
        engine = site.start("run", script, *streams, ENGINE_COMMIT_INTERVAL="20ms")
        reader.until(n_before_kill, engine)
        engine.kill()
    write(kafka, source, records[15_000:])

    engine = site.start("run", script, *streams)
    assert engine.wait() == 0, engine.said
    reader.close()
    assert by_key(read_all(kafka, output)) == rolled(records)


@pytest.mark.parametrize("config", PROTOCOLS)
def test_state_moves_with_its_partitions_when_an_engine_comes_and_when_it_leaves(
    site, kafka, topic, name, config, slowness
):
    source, output = topic(4), topic(4)
    script, streams = site.script(slowness.script), endless(site, source, output, name, config)
    records = prices(30_000)
    reader = Reader(kafka, output)

    first = site.start("run", script, *streams, "--instance", "first", state="first")
    write(kafka, source, records[:20_000])
    reader.until(500, first)
    second = site.start("run", script, *streams, "--instance", "second", state="second")
    second.until(lambda: len(second.events("task.restored")) == 2, "it has two tasks")
    assert len(reader.records) < 20_000, "the first one is at work"
    n_before = len(reader.records)
    reader.until(n_before + 2000, second)
    second.send(SIGINT)
    assert second.wait() == 130, second.said
    slowness.end()
    write(kafka, source, records[20_000:])
    reader.until(30_000, first)
    reader.close()

    assert by_key(read_all(kafka, output)) == rolled(records)
    first.send(SIGINT)
    assert first.wait() == 130, first.said
    # What stayed was not read again: the classic group took it away and gave it back, the new one left it alone.
    restored = [event["task"] for event in first.events("task.restored")]
    assert sorted(restored) == sorted([0, 1, 2, 3, *(event["task"] for event in second.events("task.restored"))])


def test_an_engine_that_was_stopped_and_wakes_up_writes_nothing_of_what_another_one_has(
    site, kafka, topic, name, slowness
):
    source, output = topic(2), topic(2)
    script, streams = site.script(slowness.script), endless(site, source, output, name)
    records = prices(6000, n_partitions=2)
    reader = Reader(kafka, output)

    zombie = site.start("run", script, *streams, "--instance", "zombie", state="zombie")
    write(kafka, source, records[:4000])
    reader.until(1000, zombie)
    zombie.send(SIGSTOP)
    heir = site.start("run", script, *streams, "--instance", "heir", state="heir")
    heir.until(lambda: len(heir.events("task.restored")) == 2, "it has both tasks")
    n_before = len(reader.records)
    reader.until(n_before + 500, heir)
    zombie.send(SIGCONT)
    slowness.end()
    write(kafka, source, records[4000:])
    reader.until(6000, heir)
    reader.close()

    assert by_key(read_all(kafka, output)) == rolled(records)


def test_a_model_that_takes_longer_than_the_poll_interval_keeps_its_partitions(site, kafka, topic, name):
    source, output = topic(1), topic(1)
    config = FAST | {"max.poll.interval.ms": 3000}
    script = site.script("import time\n\n\ndef action(x):\n    time.sleep(1.5)\n    yield x\n")
    streams = endless(site, source, output, name, config)
    write(kafka, source, [(0, None, i) for i in range(4)])

    engine = site.start("run", script, *streams)
    reader = Reader(kafka, output)
    assert [value for _, _, value in reader.until(4, engine)] == [0, 1, 2, 3]
    reader.close()
    assert len(engine.events("group.assigned")) == 1, engine.said
    assert not engine.events("group.lost")


def test_what_begin_gives_is_written_once_by_whoever_has_the_first_partition(site, kafka, topic, name):
    source, output = topic(2), topic(2)
    script = site.script('def begin():\n    yield "begun"\n\n\ndef action(x):\n    yield x\n')
    streams = pair(site, source, output, name, wait_ms=2000)
    write(kafka, source, [(i % 2, b"k", i) for i in range(10)])

    assert (engine := site.start("run", script, *streams)).wait() == 0, engine.said
    assert (engine := site.start("run", script, *streams, state="elsewhere")).wait() == 0, engine.said
    found = [value for _, _, value in read_all(kafka, output)]
    assert found.count("begun") == 1
    assert len(found) == 11


def test_records_without_a_key_keep_the_order_of_their_partition(site, kafka, topic, name):
    source, output = topic(3), topic(2)
    script = site.script("def action(x):\n    yield x\n")
    streams = pair(site, source, output, name, wait_ms=2000)
    write(kafka, source, [(i % 3, None, i) for i in range(3000)])
    assert (engine := site.start("run", script, *streams)).wait() == 0, engine.said
    found = read_all(kafka, output)
    assert sorted(value for _, _, value in found) == list(range(3000))
    for partition in range(3):
        its = [(where, value) for where, _, value in found if value % 3 == partition]
        assert {where for where, _ in its} == {partition % 2}
        assert [value for _, value in its] == list(range(partition, 3000, 3))
