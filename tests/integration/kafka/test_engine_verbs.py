from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import httpx
import pytest

from testbed.kafka import KafkaCluster
from tests.integration.kafka.engines import LIMIT_S, ROLLING, Reader, Site, by_key, read_all, rolled, url_of, write


@pytest.fixture
def site(tmp_path: Path, kafka: KafkaCluster) -> Iterator[Site]:
    site = Site(tmp_path, kafka)
    yield site
    site.close()


def put_together(client, model="rolling"):
    for path, body in (
        ("/engine/model", {"name": model}),
        ("/engine/streams/1", {"name": "out"}),
        ("/engine/streams/0", {"name": "in"}),
    ):
        answer = client.put(path, json=body)
        assert answer.is_success, answer.text


def lags(client):
    return [one["lag"] for one in client.get("/engine").json()["group"]["partitions"]]


def test_pause_scale_and_reset_keep_places_and_states(site, kafka, topic, name):
    source, output = topic(4), topic(4)
    site.script(ROLLING, "rolling")
    site.topic(source, "in", Group=name, SkipToRecord="earliest")
    site.topic(output, "out")
    records = [(i % 4, b"k%d" % (i % 12), i) for i in range(8000)]
    reader = Reader(kafka, output)
    server = site.start("serve", "--port", "0")
    with httpx.Client(base_url=url_of(server), timeout=LIMIT_S) as client:
        put_together(client)
        write(kafka, source, records[:2000])
        reader.until(2000, server)

        assert client.post("/engine/pause").is_success
        write(kafka, source, records[2000:4000])
        server.until(lambda: lags(client) == [500] * 4, "what waits is its lag")
        assert client.post("/engine/unpause").is_success
        reader.until(4000, server)

        assert client.post("/engine/scale", json={"jets": 2}).is_success
        write(kafka, source, records[4000:6000])
        reader.until(6000, server)
        jets = client.get("/engine").json()["jets"]
        assert all(jet["n_records"] for jet in jets), jets

        assert client.post("/engine/reset").is_success
        assert client.get("/engine").json()["group"] is None
        put_together(client)
        write(kafka, source, records[6000:])
        reader.until(8000, server)
    reader.close()
    server.send(SIGTERM)
    assert server.wait() == 0, server.said
    assert by_key(read_all(kafka, output)) == rolled(records)


def test_a_model_takes_the_place_of_its_earlier_version_and_another_model_does_not(site, kafka, topic, name):
    source, output = topic(2), topic(2)
    site.script(ROLLING, "rolling")
    site.script("def action(x):\n    yield x\n", "other")
    site.topic(source, "in", Group=name, SkipToRecord="earliest")
    site.topic(output, "out")
    records = [(i % 2, b"k%d" % (i % 4), i) for i in range(2000)]
    reader = Reader(kafka, output)
    server = site.start("serve", "--port", "0")
    with httpx.Client(base_url=url_of(server), timeout=LIMIT_S) as client:
        put_together(client)
        write(kafka, source, records[:1000])
        reader.until(1000, server)
        answer = client.put("/engine/model", json={"name": "other"})
        assert answer.status_code == 400
        assert "cannot take the place of 'rolling'" in answer.json()["detail"]

        site.script(ROLLING + "\n# a later version\n", "rolling")
        assert client.put("/engine/model", json={"name": "rolling"}).is_success
        write(kafka, source, records[1000:])
        reader.until(2000, server)
    reader.close()
    server.send(SIGTERM)
    assert server.wait() == 0, server.said
    assert by_key(read_all(kafka, output)) == rolled(records)
