from pathlib import Path

import pytest

from engine.errors import ConfigError, DescriptorError
from engine.streams import open_poster, parse_descriptor
from engine.streams.stream import resolve_stream
from tests.peer import Peer

NOWHERE = Path("/nowhere")


@pytest.fixture
def peer():
    with Peer() as peer:
        yield peer


def http_stream(url, headers=None, **fields):
    transport = {"Type": "HTTP", "Url": url, "Headers": headers or {}}
    return resolve_stream("hook", parse_descriptor({"Transport": transport, **fields}), lambda _: None)


@pytest.mark.parametrize(
    ("fields", "body", "media_type"),
    [
        ({"Encoding": "json"}, b"1\n2\n", "application/x-ndjson"),
        ({"Encoding": "json", "Batching": None}, b"1\n2\n", "application/json"),
        (
            {"Encoding": "json", "Envelope": {"Type": "delimited", "Separator": ";"}},
            b"1;2;",
            "application/octet-stream",
        ),
        ({"Encoding": "utf-8"}, b"1\n2\n", "text/plain; charset=utf-8"),
        ({}, b"1\n2\n", "application/octet-stream"),
        ({"Encoding": "avro-binary", "Schema": "long"}, b"12", "application/octet-stream"),
    ],
)
def test_a_batch_is_one_body_whose_type_is_said(peer, fields, body, media_type):
    poster = open_poster(http_stream(peer.url, **fields), NOWHERE)
    poster.post([b"1", b"2"], "k")
    poster.close()
    [request] = peer.requests
    assert (request.body, request.headers["content-type"]) == (body, media_type)


def test_a_header_of_the_descriptor_comes_before_ours(peer):
    poster = open_poster(http_stream(peer.url, {"Content-Type": "text/csv"}, Encoding="json"), NOWHERE)
    poster.post([b"1"], "k")
    poster.close()
    assert peer.requests[0].headers["content-type"] == "text/csv"


def test_secrets_are_sent_and_nowhere_shown(peer, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("hidden1\n")
    monkeypatch.setenv("HOOK", peer.url + "?key=hidden2")
    poster = open_poster(http_stream("env://HOOK", {"Authorization": "Bearer secret://token"}), tmp_path)
    peer.expect([(400, {}, b"no")])
    with pytest.raises(Exception, match="Output to env://HOOK failed: it answered 400") as caught:
        poster.post([b"1"], "k")
    poster.close()
    assert "hidden" not in str(caught.value)
    [request] = peer.requests
    assert (request.line, request.headers["authorization"]) == ("POST /hook?key=hidden2 HTTP/1.1", "Bearer hidden1")


def test_a_secret_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="secret://token"):
        open_poster(http_stream("http://host/", {"Authorization": "secret://token"}), tmp_path)


def test_the_same_records_are_always_cut_alike():
    poster = open_poster(http_stream("http://host/", Batching={"Watermark": 3}), NOWHERE)
    assert poster.cut([b"1", b"2", b"3", b"4"]) == [b"1", b"2", b"3"]
    mib = bytes(1 << 20)
    assert [len(poster.cut(values)) for values in ([mib, b"1"], [b"1", mib], [b"1", mib[1:], b"1"])] == [1, 1, 2]
    assert poster.cut([mib + b"1", b"2"]) == [mib + b"1"]
    poster.close()


def test_only_an_http_stream_is_posted():
    with pytest.raises(DescriptorError, match="HTTP expected, got REST"):
        open_poster(resolve_stream("rest", parse_descriptor({"Transport": "REST"}), lambda _: None), NOWHERE)
