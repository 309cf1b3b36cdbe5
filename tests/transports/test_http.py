import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from engine.errors import ConfigError, DeliveryFailed, PeerUnavailable
from engine.transports.http import HttpPoster
from tests.peer import Peer


@pytest.fixture
def peer():
    with Peer() as peer:
        yield peer


@pytest.fixture
def opened():
    posters = []

    def open_poster(url, headers=None, timeout_s=30.0, **options):
        posters.append(HttpPoster(url, headers or {}, timeout_s, **options))
        return posters[-1]

    yield open_poster
    for poster in posters:
        poster.close()


def test_a_body_is_posted_with_its_key_and_headers(peer, opened):
    opened(peer.url, {"x-from": "engine", "content-type": "text/plain"}).post(b"1\n2\n", "job/1/7")
    [request] = peer.requests
    assert (request.line, request.body, request.key) == ("POST /hook HTTP/1.1", b"1\n2\n", "job/1/7")
    assert (request.headers["x-from"], request.headers["content-type"]) == ("engine", "text/plain")


def test_the_method_may_be_put(peer, opened):
    opened(peer.url, method="PUT").post(b"", "k")
    assert peer.requests[0].line == "PUT /hook HTTP/1.1"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken(peer, opened, status):
    peer.expect([(status, {}, b"" if status == 204 else b"thanks")])
    opened(peer.url).post(b"1", "k")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_what_may_go_by_is_sent_again(peer, opened, status):
    peer.expect([(status, {}, b"not\nnow")])
    with pytest.raises(PeerUnavailable, match=f"{peer.url} does not take outputs now: it answered {status}.*: not now"):
        opened(peer.url).post(b"1", "k")


@pytest.mark.parametrize("status", [301, 304, 400, 401, 403, 404, 409, 410, 413, 422])
def test_what_comes_again_with_the_request_is_a_failure_that_is_quoted(peer, opened, status):
    peer.expect([(status, {"Location": "/there"} if status == 301 else {}, b"" if status == 304 else b"x" * 5000)])
    with pytest.raises(DeliveryFailed, match=f"Output to {peer.url} failed: it answered {status}") as caught:
        opened(peer.url).post(b"1", "k")
    assert len(str(caught.value)) < 500
    assert ("(/there)" in str(caught.value)) is (status == 301)


@pytest.mark.parametrize(
    ("text", "retry_s"),
    [("7", 7.0), ("0", 0.0), ("99999999", 3600.0), ("soon", None), ("-1", None), ("", None), ("1.5", None)],
)
def test_when_to_come_again_is_read(peer, opened, text, retry_s):
    peer.expect([(429, {"Retry-After": text}, b"")])
    with pytest.raises(PeerUnavailable) as caught:
        opened(peer.url).post(b"1", "k")
    assert caught.value.retry_s == retry_s


def test_when_to_come_again_may_be_a_date(peer, opened):
    for moment in (datetime.now(UTC) + timedelta(hours=9), datetime.now(UTC) - timedelta(hours=1)):
        peer.expect([(503, {"Retry-After": format_datetime(moment, usegmt=True)}, b"")])
    for expected in (3600.0, 0.0):
        with pytest.raises(PeerUnavailable) as caught:
            opened(peer.url).post(b"1", "k")
        assert caught.value.retry_s == expected


@pytest.mark.parametrize("how", ["reset", "half"])
def test_a_connection_that_breaks_is_sent_again(peer, opened, how):
    peer.expect([200, how, 200])
    poster = opened(peer.url)
    poster.post(b"1", "k")
    with pytest.raises(PeerUnavailable, match=peer.url):
        poster.post(b"2", "k")
    poster.post(b"2", "k")
    assert [request.body for request in peer.requests] == [b"1", b"2", b"2"]


def test_a_peer_that_does_not_answer_is_given_up_in_time(peer, opened):
    peer.expect(["hang"])
    with pytest.raises(PeerUnavailable, match=r"it took longer than 0\.05 s"):
        opened(peer.url, timeout_s=0.05).post(b"1", "k")


def test_a_peer_that_is_not_there_may_come(opened):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with pytest.raises(PeerUnavailable, match="refused"):
        opened(url).post(b"1", "k")


@pytest.mark.parametrize("url", ["", "host/x", "ftp://host/", "http://", "http://[::1", "http://host/\0"])
def test_what_is_no_address_is_refused_without_being_told(opened, url):
    with pytest.raises(ConfigError, match=r"secret://hook.*address") as caught:
        opened(url, name="secret://hook")
    assert caught.value.__cause__ is None
    assert not url or url not in str(caught.value)
