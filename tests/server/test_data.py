"""Records go in and outputs come out over HTTP."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from engine.errors import (
    AcknowledgedUnseen,
    ActionFailed,
    KeyReused,
    RetryAfter,
    SchemaMismatch,
    StoreFailed,
    StreamError,
    StreamTimeout,
)
from engine.server.records import LINES_TYPE, RECORDS_TYPE
from engine.streams import Stream, parse_descriptor
from tests.server.conftest import Ask
from tests.server.fake_engine import FakeEngine


@pytest.fixture(autouse=True)
def _streams(engine: FakeEngine) -> None:
    engine.streams.update({0: rest("json"), 1: rest("json")})


def rest(encoding: str | None) -> Stream:
    return Stream("rest", parse_descriptor({"Transport": "REST", "Encoding": encoding}), None)


@pytest.mark.parametrize("path", ["/score", "/predict"])
def test_one_record_is_answered_with_its_score(ask: Ask, path: str) -> None:
    response = ask("POST", path, content=b"21")
    assert (response.status_code, response.content) == (200, b"42")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Engine-Records"] == "1"


def test_a_score_of_zero_is_a_score(ask: Ask, engine: FakeEngine) -> None:
    engine.answers = [b"0.0"]
    assert ask("POST", "/score", content=b"0").content == b"0.0"


def test_no_score_is_204(ask: Ask, engine: FakeEngine) -> None:
    engine.answers = []
    response = ask("POST", "/score", content=b"1")
    assert (response.status_code, response.content, response.headers["Engine-Records"]) == (204, b"", "0")


@pytest.mark.parametrize(
    ("encoding", "content", "media_type"),
    [
        ("json", b"[1,[2],3]", "application/json"),
        ("utf-8", b"1\n[2]\n3", "text/plain; charset=utf-8"),
        ("avro-binary", b"1[2]3", "application/octet-stream"),
        (None, b"1[2]3", "application/octet-stream"),
    ],
)
def test_several_scores_are_one_body(
    ask: Ask, engine: FakeEngine, encoding: str | None, content: bytes, media_type: str
) -> None:
    engine.answers, engine.streams[1] = [b"1", b"[2]", b"3"], rest(encoding)
    response = ask("POST", "/score", content=b"1")
    assert (response.content, response.headers["Content-Type"]) == (content, media_type)
    assert response.headers["Engine-Records"] == "3"


def test_scores_are_a_msgpack_list_for_who_accepts_one(ask: Ask, engine: FakeEngine) -> None:
    engine.answers = [b"\n"]
    response = ask("POST", "/score", content=b"1", headers={"Accept": RECORDS_TYPE})
    assert msgpack.unpackb(response.content) == [b"\n"]
    assert response.headers["Content-Type"] == RECORDS_TYPE


@pytest.mark.parametrize(
    ("query", "slots_and_timeout"),
    [
        ("", (0, 1, 30.0)),
        ("?input=2&output=3&timeout=500ms", (2, 3, 0.5)),
        ("?timeout=2.5", (0, 1, 2.5)),
        ("?timeout=", (0, 1, 30.0)),
    ],
)
def test_slots_and_timeout_come_from_the_query(
    ask: Ask, engine: FakeEngine, query: str, slots_and_timeout: tuple[Any, ...]
) -> None:
    ask("POST", f"/score{query}", content=b"1")
    assert ("score", b"1", *slots_and_timeout) in engine.calls


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("timeout=soon", "query.timeout"),
        ("input=x", "query.input"),
        ("input=-1", "query.input"),
        ("input=1_0", "query.input"),
        ("output=" + "9" * 5000, "query.output"),
        ("timeot=3", "query.timeot"),
    ],
)
def test_a_query_that_says_nothing_is_refused_by_the_name_of_its_parameter(ask: Ask, query: str, path: str) -> None:
    response = ask("POST", f"/score?{query}", content=b"1")
    assert (response.status_code, response.json()["path"]) == (400, path)


@pytest.mark.parametrize(
    ("error", "status", "member"),
    [
        (SchemaMismatch("price", "a number", "'abc'"), 422, ("path", "price")),
        (ActionFailed("action", "ValueError: x", 0, 1, "Traceback"), 500, ("traceback", "Traceback")),
        (StreamTimeout("The record was not scored", 30.0), 504, ("seconds", 30.0)),
    ],
)
def test_what_the_engine_raises_is_a_problem(
    ask: Ask, engine: FakeEngine, error: Exception, status: int, member: tuple[str, Any]
) -> None:
    engine.fails["score"] = error
    response = ask("POST", "/score", content=b"1")
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()[member[0]] == member[1]


def test_a_record_over_the_limit_is_413(ask: Ask, engine: FakeEngine) -> None:
    response = ask("POST", "/score", content=b"1" * 1001)
    assert (response.status_code, response.json()["limit_bytes"]) == (413, 1000)
    assert not engine.calls
    assert ask("POST", "/score", content=b"1" + b" " * 999).status_code == 200


@pytest.mark.parametrize(
    ("media_type", "content", "taken"),
    [
        ("application/json", b"1\n2", [b"1\n2"]),
        ("application/x-www-form-urlencoded", b"1", [b"1"]),
        (LINES_TYPE, b"1\n2", [b"1", b"2"]),
        (LINES_TYPE + "; charset=utf-8", b"1\r\n\r\n2\r\n", [b"1", b"2"]),
        (LINES_TYPE, b"\n", []),
        (RECORDS_TYPE, msgpack.packb([b"1", b"", b"\n"]), [b"1", b"", b"\n"]),
        (RECORDS_TYPE, msgpack.packb([]), []),
    ],
)
def test_input_is_taken_as_its_media_type_says(
    ask: Ask, engine: FakeEngine, media_type: str, content: bytes, taken: list[bytes]
) -> None:
    response = ask("POST", "/input/2", content=content, headers={"Content-Type": media_type})
    assert response.status_code == 202
    assert response.json() == {"accepted": len(taken)}
    assert engine.calls == [("accept", 2, taken)]


def test_an_empty_body_is_refused_and_told_how_to_send_an_empty_record(ask: Ask, engine: FakeEngine) -> None:
    response = ask("POST", "/input/0")
    assert response.status_code == 400
    assert RECORDS_TYPE in response.json()["detail"]
    assert not engine.calls


@pytest.mark.parametrize(
    "content",
    [
        b"\xc1",
        b"\x91",
        msgpack.packb({}),
        msgpack.packb(["text"]),
        msgpack.packb([[b"x"]]),
        b"\x90\x90",
        b"\x81\x90\x00",
    ],
)
def test_what_is_no_msgpack_list_of_binaries_is_refused(ask: Ask, engine: FakeEngine, content: bytes) -> None:
    response = ask("POST", "/input/0", content=content, headers={"Content-Type": RECORDS_TYPE})
    assert (response.status_code, response.json()["path"]) == (400, "body")
    assert not engine.calls


def test_input_over_the_limit_is_413(ask: Ask) -> None:
    assert ask("POST", "/input/0", content=b"1" * 4001).status_code == 413


def test_a_busy_engine_is_503_with_a_time(ask: Ask, engine: FakeEngine) -> None:
    engine.fails["accept"] = RetryAfter(1.0)
    response = ask("POST", "/input/0", content=b"1")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")


def test_what_cannot_be_kept_is_500(ask: Ask, engine: FakeEngine) -> None:
    engine.fails["accept"] = StoreFailed("/state/journal", "Input/output error")
    response = ask("POST", "/input/0", content=b"1")
    assert response.status_code == 500
    assert "/state/journal cannot be written" in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "call"), [("/input/0", ("accept", 0, [b"1"], "a-b c")), ("/score", ("score", b"1", 0, 1, 30.0, "a-b c"))]
)
def test_the_key_of_a_request_is_handed_on(ask: Ask, engine: FakeEngine, path: str, call: tuple[Any, ...]) -> None:
    ask("POST", path, content=b"1", headers={"Idempotency-Key": "a-b c"})
    assert engine.calls == [call]


@pytest.mark.parametrize("path", ["/input/0", "/score", "/predict"])
@pytest.mark.parametrize("key", [b"", b"x" * 256, b"\xe4", b"a\tb"])
def test_a_key_that_is_none_is_refused(ask: Ask, engine: FakeEngine, path: str, key: bytes) -> None:
    response = ask("POST", path, content=b"1", headers={"Idempotency-Key": key})
    assert (response.status_code, response.json()["path"]) == (400, "Idempotency-Key")
    assert not engine.calls


@pytest.mark.parametrize(("verb", "path"), [("accept", "/input/0"), ("score", "/score")])
def test_a_key_that_came_with_another_body_is_422(ask: Ask, engine: FakeEngine, verb: str, path: str) -> None:
    engine.fails[verb] = KeyReused("abc")
    response = ask("POST", path, content=b"1", headers={"Idempotency-Key": "abc"})
    assert (response.status_code, response.json()["key"]) == (422, "abc")
    assert response.json()["type"] == "urn:engine:error:KeyReused"


def test_input_without_a_rest_stream_is_409(ask: Ask, engine: FakeEngine) -> None:
    engine.fails["accept"] = StreamError("No REST stream is attached to input slot 0.")
    assert ask("POST", "/input/0", content=b"1").status_code == 409


def test_outputs_are_lines_with_the_number_of_the_last(ask: Ask, engine: FakeEngine) -> None:
    engine.outbox = [b"1", b"0.0", b"3"]
    response = ask("GET", "/output/1")
    assert (response.status_code, response.content) == (200, b"1\n0.0\n3")
    assert response.headers["Content-Type"] == LINES_TYPE
    assert response.headers["Engine-Sequence"] == "3"
    assert response.headers["Engine-Records"] == "3"
    assert response.headers["Engine-State"] == "INIT"
    assert response.headers["Engine-Settled"] == "true"
    assert "Engine-End" not in response.headers


def test_outputs_are_a_msgpack_list_for_who_accepts_one(ask: Ask, engine: FakeEngine) -> None:
    engine.outbox = [b"", b"\n"]
    response = ask("GET", "/output/1", headers={"Accept": RECORDS_TYPE + ", */*;q=0.1"})
    assert msgpack.unpackb(response.content) == [b"", b"\n"]


def test_nothing_is_204_and_the_end_is_told(ask: Ask, engine: FakeEngine) -> None:
    engine.is_eof = True
    response = ask("GET", "/output/1?after=7")
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Engine-End"] == "true"
    assert response.headers["Engine-Sequence"] == "7"


def test_outputs_that_were_never_given_are_409_and_it_is_said_how_many_there_are(ask: Ask, engine: FakeEngine) -> None:
    engine.fails["outputs"] = AcknowledgedUnseen(9, 3)
    response = ask("GET", "/output/1?after=9")
    problem = response.json()
    assert (response.status_code, problem["through"], problem["last_seq"]) == (409, 9, 3)
    assert "only 3 were given: nothing was forgotten" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("", (None, None, None)),
        ("?after=0&limit=10", (0, 10, None)),
        ("?wait", (None, None, 30.0)),
        ("?wait=", (None, None, 30.0)),
        ("?wait=0", (None, None, 0.0)),
        ("?wait=1.5", (None, None, 1.5)),
        ("?wait=2m", (None, None, 120.0)),
    ],
)
def test_what_to_return_comes_from_the_query(
    ask: Ask, engine: FakeEngine, query: str, arguments: tuple[Any, ...]
) -> None:
    ask("GET", f"/output/3{query}")
    assert engine.calls == [("outputs", 3, *arguments)]


def test_an_answer_that_comes_as_its_stream_goes_is_bytes(ask: Ask, engine: FakeEngine) -> None:
    engine.streams.clear()
    response = ask("POST", "/score", content=b"21")
    assert (response.content, response.headers["Content-Type"]) == (b"42", "application/octet-stream")


def test_a_change_of_streams_changes_the_form_of_the_answer(ask: Ask, engine: FakeEngine) -> None:
    engine.answers = [b"1", b"2"]
    assert ask("POST", "/score", content=b"1").content == b"[1,2]"
    ask("PUT", "/engine/streams/1", json={"descriptor": {"Transport": "REST", "Encoding": "utf-8"}})
    assert ask("POST", "/score", content=b"1").content == b"1\n2"
