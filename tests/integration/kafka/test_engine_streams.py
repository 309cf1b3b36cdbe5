import json
import re
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import httpx
import pytest

from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import LIMIT_S, ROLLING, Reader, Site, by_key, read_all, rolled, url_of, write

LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    yield site
    site.close()


def test_a_file_of_scores_is_whole_after_kills_and_each_record_is_in_it_once(site, kafka, topic, name):
    source = topic(3)
    script = site.script("def action(x):\n    yield x * 2\n")
    records = [(i % 3, b"k%d" % (i % 6), i) for i in range(20_000)]
    write(kafka, source, records)
    stream = site.topic(source, Group=name, SkipToRecord="earliest", MaxWaitTime=3000)
    scores = site.folder / "scores.jsons"

    for n_bytes in (2000, 40_000):
        engine = site.start("run", script, stream, scores, ENGINE_COMMIT_INTERVAL="20ms")
        engine.until(lambda n=n_bytes: scores.is_file() and scores.stat().st_size > n, f"{n_bytes} bytes are written")
        engine.kill()
    engine = site.start("run", script, stream, scores)
    assert engine.wait() == 0, engine.said

    found = [json.loads(line) for line in scores.read_text().splitlines()]
    assert sorted(found) == [2 * i for i in range(20_000)]
    for partition in range(3):
        its = [value for value in found if value // 2 % 3 == partition]
        assert its == sorted(its), "the order of a partition"


def test_another_state_directory_may_not_go_on_with_a_job_that_writes_a_file(site, kafka, topic, name):
    source = topic(1)
    script = site.script("def action(x):\n    yield x\n")
    write(kafka, source, [(0, None, i) for i in range(10)])
    stream = site.topic(source, Group=name, SkipToRecord="earliest", MaxWaitTime=2000)
    assert (first := site.start("run", script, stream, site.folder / "scores.jsons")).wait() == 0, first.said

    second = site.start("run", script, stream, site.folder / "scores.jsons", state="elsewhere")
    assert second.wait() == 6, second.said
    assert "is bound to the state directory" in second.said


def test_what_was_accepted_over_rest_is_in_the_topic_once_though_the_server_was_killed(site, kafka, topic, name):
    output = topic(2)
    site.script("def action(x):\n    yield x + 0.5\n", "half")
    site.topic(output, "out")
    server = site.start("serve", "--port", "0")
    url = url_of(server)
    with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
        assert client.put("/engine/model", json={"name": "half"}).is_success
        assert client.put("/engine/streams/1", json={"name": "out"}).is_success
        rest = {"descriptor": {"Transport": "REST", "Encoding": "json"}}
        assert client.put("/engine/streams/0", json=rest).is_success
        for start in range(0, 500, 50):
            body = "".join(f"{i}\n" for i in range(start, start + 50))
            assert client.post("/input/0", content=body, headers=LINES).is_success
        reader = Reader(kafka, output)
        reader.until(100, server)
        server.kill()

    server = site.start("serve", "--port", "0")
    url = url_of(server)
    with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
        assert client.post("/input/0", content="500\n", headers=LINES).is_success
        reader.until(501, server)
        info = client.get("/engine").json()
    reader.close()
    server.send(SIGTERM)
    assert server.wait() == 0, server.said
    assert sorted(value for _, _, value in read_all(kafka, output)) == [i + 0.5 for i in range(501)]
    assert info["state"] == "RUNNING"


def test_a_server_that_was_killed_goes_on_with_its_topics_and_says_how_far_it_is(site, kafka, topic, name):
    source, output = topic(2), topic(2)
    site.script(ROLLING, "rolling")
    site.topic(source, "in", Group=name, SkipToRecord="earliest", Config={"session.timeout.ms": 6000})
    site.topic(output, "out", Config={"session.timeout.ms": 6000})
    records = [(i % 2, b"k%d" % (i % 4), i) for i in range(4000)]
    server = site.start("serve", "--port", "0")
    with httpx.Client(base_url=url_of(server), timeout=LIMIT_S) as client:
        for path, body in (
            ("/engine/model", {"name": "rolling"}),
            ("/engine/streams/1", {"name": "out"}),
            ("/engine/streams/0", {"name": "in"}),
        ):
            assert client.put(path, json=body).is_success
    write(kafka, source, records[:2000])
    reader = Reader(kafka, output)
    reader.until(1001, server)  # so of both partitions, each of which has had a thousand
    server.kill()

    server = site.start("serve", "--port", "0")
    url = url_of(server)
    line = next(line for line in server.said.splitlines() if line.startswith("Slot 0 goes on at offset "))
    assert re.search(r"\d of partition 0, [\d,]+ of partition 1", line)
    write(kafka, source, records[2000:])
    reader.until(4000, server)
    reader.close()
    with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
        server.until(
            lambda: [one["lag"] for one in client.get("/engine").json()["group"]["partitions"]] == [0, 0],
            "its lag is known",
        )
        lag = 'engine_kafka_lag{partition="1",slot="0"} 0.0'
        server.until(lambda: lag in client.get("/metrics").text, "its lag is a metric")
        group = client.get("/engine").json()["group"]
    assert group["name"] == name
    assert group["changelog"] == f"{name}-rolling-changelog"
    assert [one["position"] for one in group["partitions"]] == [2000, 2000]
    server.send(SIGTERM)
    assert server.wait() == 0, server.said
    assert by_key(read_all(kafka, output)) == rolled(records)
