from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgpack
import pytest

from engine import errors
from engine.client import Client, Outputs
from engine.client.connection import path_of

ASSET = {"name": "x", "sha256": "ab" * 32, "size_bytes": 3, "modified": "2026-01-02T03:04:05Z"}


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://engine", transport=httpx.MockTransport(answer))


def answering(seen: list[httpx.Request], **answer: Any) -> Client:
    def handle(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        return httpx.Response(**({"status_code": 200} | answer))

    return client(handle)


@pytest.mark.parametrize(
    ("name", "path"), [("x", "/models/x"), ("prix_é", "/models/prix_%C3%A9"), ("a/b c?", "/models/a%2Fb%20c%3F")]
)
def test_a_name_is_quoted_whatever_is_in_it(name: str, path: str) -> None:
    assert "/models" + path_of(name) == path


def test_an_asset_is_read_with_its_time() -> None:
    (asset,) = answering([], json=[ASSET]).models.list()
    assert (asset.kind, asset.name, asset.size_bytes) == ("model", "x", 3)
    assert asset.modified == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_an_asset_that_is_not_in_the_list_is_not_found() -> None:
    with pytest.raises(errors.AssetNotFound, match="Did you mean 'x'"):
        answering([], json=[ASSET]).models.get("x1")


def test_a_version_is_found_by_its_beginning() -> None:
    versions = answering([], json=[ASSET | {"sha256": "cd" * 32}, ASSET])
    assert versions.models.get("x", "abab").sha256 == "ab" * 32
    with pytest.raises(errors.AssetNotFound):
        versions.models.get("x", "ef")


def test_a_file_is_sent_with_its_length_and_not_as_a_whole(tmp_path: Path) -> None:
    n_bytes = 300_000
    (tmp_path / "weights.zip").write_bytes(b"x" * n_bytes)
    pieces: list[int] = []

    class Counting(httpx.BaseTransport):  # httpx's own mock reads the whole request first
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            assert isinstance(request.stream, httpx.SyncByteStream)
            pieces.extend(len(piece) for piece in request.stream)
            assert request.headers["Content-Length"] == str(n_bytes)
            return httpx.Response(201, json=ASSET | {"outcome": "created"})

    sent = Client("http://engine", transport=Counting()).upload("x", tmp_path / "weights.zip")
    assert sent.outcome == "created"
    assert sum(pieces) == n_bytes
    assert max(pieces) < n_bytes


def test_an_attachment_comes_in_pieces() -> None:
    assert b"".join(answering([], content=b"x" * 3_000_000).download("m", "a.zip")) == b"x" * 3_000_000


def test_a_download_that_fails_raises_what_the_server_raised() -> None:
    problem = {"type": "urn:engine:error:AssetNotFound", "detail": "Attachment 'a' not found."}
    with pytest.raises(errors.AssetNotFound, match="Attachment 'a' not found"):
        list(answering([], status_code=404, json=problem).download("m", "a"))


def test_records_are_sent_whatever_bytes_are_in_them() -> None:
    seen: list[httpx.Request] = []
    assert answering(seen, json={"accepted": 2}).engine.input(2, [b"\x00\n", b""]) == 2
    assert (seen[0].method, seen[0].url.path) == ("POST", "/input/2")
    assert seen[0].headers["Content-Type"] == "application/vnd.engine.records+msgpack"
    assert msgpack.unpackb(seen[0].content) == [b"\x00\n", b""]


def test_a_record_is_scored() -> None:
    seen: list[httpx.Request] = []
    engine = answering(seen, content=msgpack.packb([b"1", b""])).engine
    assert engine.score(b"\x00", input_slot=2, output_slot=3, timeout_s=1.5) == [b"1", b""]
    assert (seen[0].method, seen[0].url.path, seen[0].content) == ("POST", "/score", b"\x00")
    assert dict(seen[0].url.params) == {"input": "2", "output": "3", "timeout": "1.5"}
    assert answering([], status_code=204).engine.score(b"1") == []


@pytest.mark.parametrize(
    "send", [lambda engine, **key: engine.input(0, [b"1"], **key), lambda engine, **key: engine.score(b"1", **key)]
)
def test_a_request_has_the_key_that_it_is_given(send: Callable[..., Any]) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        is_score = request.url.path == "/score"
        return httpx.Response(200, content=msgpack.packb([])) if is_score else httpx.Response(202, json={"accepted": 1})

    send(client(handle).engine, idempotency_key="abc")
    send(client(handle).engine)
    assert [request.headers.get("Idempotency-Key") for request in seen] == ["abc", None]


def test_a_key_that_came_with_something_else_is_told_by_its_error() -> None:
    problem = {"type": "urn:engine:error:KeyReused", "detail": "The key came before.", "key": "abc"}
    with pytest.raises(errors.KeyReused, match="The key came before") as raised:
        answering([], status_code=422, json=problem).engine.score(b"1", idempotency_key="abc")
    assert raised.value.key == "abc"


def test_a_busy_engine_is_told_by_an_exception_with_the_time() -> None:
    with pytest.raises(errors.RetryAfter) as raised:
        answering([], status_code=503, headers={"Retry-After": "2"}).engine.input(0, [b"1"])
    assert raised.value.seconds == 2.0


def test_outputs_come_with_their_number_and_the_end() -> None:
    seen: list[httpx.Request] = []
    headers = {"Engine-Sequence": "7", "Engine-End": "true", "Engine-Settled": "true", "Engine-State": "FINISHED"}
    answer = answering(seen, content=msgpack.packb([b"1", b"2"]), headers=headers)
    assert answer.engine.output(1, after=5, limit=0, wait_s=1.5) == Outputs(
        [b"1", b"2"], 7, is_eof=True, is_settled=True, state="FINISHED"
    )
    assert dict(seen[0].url.params) == {"after": "5", "limit": "0", "wait": "1.5"}


def test_no_outputs_are_none_and_the_end_is_not_assumed() -> None:
    seen: list[httpx.Request] = []
    answer = answering(seen, status_code=204, headers={"Engine-Sequence": "0", "Engine-State": "RUNNING"})
    assert answer.engine.output(1) == Outputs([], 0, is_eof=False, is_settled=False, state="RUNNING")
    assert not seen[0].url.params


@pytest.mark.parametrize(
    ("verb", "method", "path", "body"),
    [
        (lambda engine: engine.pause(), "POST", "/engine/pause", None),
        (lambda engine: engine.unpause(), "POST", "/engine/unpause", None),
        (lambda engine: engine.reset(), "POST", "/engine/reset", None),
        (lambda engine: engine.scale(4), "POST", "/engine/scale", {"jets": 4}),
        (lambda engine: engine.load("x"), "PUT", "/engine/model", {"name": "x"}),
        (lambda engine: engine.unload(), "DELETE", "/engine/model", None),
        (lambda engine: engine.attach(1, name="rest"), "PUT", "/engine/streams/1", {"name": "rest"}),
        (lambda engine: engine.attach(0, descriptor="rest:"), "PUT", "/engine/streams/0", {"descriptor": "rest:"}),
        (lambda engine: engine.detach(1), "DELETE", "/engine/streams/1", None),
    ],
)
def test_each_verb_is_a_request(verb: Callable[[Any], Any], method: str, path: str, body: Any) -> None:
    seen: list[httpx.Request] = []
    verb(answering(seen, json={"state": "INIT"}).engine)
    assert (seen[0].method, seen[0].url.path) == (method, path)
    assert (json.loads(seen[0].content) if seen[0].content else None) == body


def test_many_lines_are_verified_in_several_requests_and_numbered_through() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        lines = request.read().split(b"\n")
        return httpx.Response(200, json=[{"line_no": n, "outcome": "ok"} for n, _ in enumerate(lines, 1)])

    verdicts = list(client(handle).verify_records("x", io.BytesIO(b"1\n" * 2500)))
    assert [verdict["line_no"] for verdict in verdicts] == list(range(1, 2501))


def test_a_schema_is_verified_though_there_are_no_lines() -> None:
    seen: list[httpx.Request] = []
    assert list(answering(seen, json=[]).verify_records("x", [])) == []
    assert len(seen) == 1


def test_samples_are_the_raw_bytes() -> None:
    records = {"records": [base64.b64encode(b"\xff").decode()]}
    assert answering([], json=records).sample_stream("x", 1) == [b"\xff"]
    assert answering([], json=records).sample_literal("inline:%ff", 1) == [b"\xff"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (httpx.ConnectError("refused"), errors.ServerUnreachable),
        (httpx.ConnectTimeout("slow"), errors.ServerUnreachable),
        (httpx.RemoteProtocolError("not HTTP"), errors.ServerUnreachable),
        (httpx.ReadError("gone"), errors.ServerUnreachable),
        (httpx.ReadTimeout("slow"), errors.StreamTimeout),
        (httpx.UnsupportedProtocol("what"), errors.ConfigError),
    ],
)
def test_every_fault_of_the_connection_is_one_of_ours(fault: Exception, expected: type[errors.EngineError]) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise fault

    with pytest.raises(expected) as raised:
        client(fail).models.list()
    assert type(raised.value) is expected
    assert "http://engine" in str(raised.value)
