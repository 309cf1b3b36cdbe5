"""Bad input, against a real server and through ``engine run``: named, counted, and everything else scored."""

from __future__ import annotations

import io
import json
import os
import resource
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from demo.server import PROGRAMS, Server, clean_environ
from engine.client import Client
from engine.errors import AssetNotFound, EngineError, HookMissing
from engine.state.sqlite import Peek

T = TypeVar("T")
Counted = Callable[[], dict[str, int]]

PATIENCE_S = 90.0
MIB = 1 << 20
LIMIT_BYTES = 16 * MIB  # of a record, unless the settings say otherwise
LEG = {"type": "record", "name": "Leg", "fields": [{"name": "symbol", "type": "string"}]}
ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "price", "type": "double"},
        {"name": "n", "type": "long"},
        {"name": "legs", "type": {"type": "array", "items": LEG}, "default": []},
    ],
}
WORTH = """
# engine.schema.0: order
# engine.schema.1: double
# engine.on_error: reject

def action(order):
    yield order["price"] * order["n"]
"""
ECHO = "def action(x):\n    yield x\n"
GOOD, SCORE = b'{"price": 2.5, "n": 2}', b"5.0"

BAD = {
    "not JSON": (b"price: 1", "Not a valid json record: a value expected at character 0, got 'price: 1' (str)."),
    "empty": (b"", "Not a valid json record: it is empty."),
    "blank": (b" \t ", "Not a valid json record: it is empty."),
    "half a record": (b'{"price": 1, "n', "Not a valid json record: Unterminated string starting at character 13."),
    "two values": (b'{"price": 1, "n": 1} 2', "something follows the value at character 20"),
    "not an object": (b"[1, 2]", "got [1, 2] (list)."),
    "wrong type": (b'{"price": "1", "n": 2}', "Field 'price': double expected, got '1' (str)."),
    "bool for a number": (b'{"price": true, "n": 2}', "Field 'price': double expected, got True (bool)."),
    "wrong type inside": (
        b'{"price": 1, "n": 1, "legs": [{"symbol": "A"}, {"symbol": 3}]}',
        "Field 'legs[1].symbol': string expected, got 3 (int).",
    ),
    "missing field": (b'{"price": 1}', "Field 'n': long expected, got nothing."),
    "NaN": (b'{"price": NaN, "n": 1}', "NaN is not a number in JSON"),
    "Infinity": (b'{"price": Infinity, "n": 1}', "Infinity is not a number in JSON"),
    "minus Infinity": (b'{"price": -Infinity, "n": 1}', "-Infinity is not a number in JSON"),
    "1e999": (b'{"price": 1e999, "n": 1}', "Field 'price': finite double expected, got inf (float)."),
    "beyond long": (
        b'{"price": 1, "n": 9223372036854775808}',
        "Field 'n': long expected, got 9223372036854775808 (int).",
    ),
    "5,000 digits": (b'{"price": 1, "n": ' + b"9" * 5000 + b"}", "a number has too many digits"),
    "invalid UTF-8": (b'{"price": 1, "n": 1, "x": "\xff"}', "it is not UTF-8 at byte 27"),
    "half a surrogate pair": (b'{"price": 1, "n": 1, "x": "\\ud800"}', "half of a surrogate pair"),
    "nested 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, "it is nested too deeply"),
    "control record": (b'{"$fastscore": "set"}', "control records, such as 'set' (str), are not supported yet"),
}
ODD = {
    "extra fields": b'{"price": 2.5, "n": 2, "more": {"deep": [1, {"a": null}]}}',
    "fields in another order": b'{"legs": [], "n": 2, "price": 2.5}',
    "an int for a double": b'{"price": 5, "n": 1}',
    "a byte order mark": b'\xef\xbb\xbf{"price": 2.5, "n": 2}',
    "blanks around it": b'\r\n {"price": 2.5, "n": 2} \r',
    "a key twice": b'{"price": 99, "price": 2.5, "n": 2}',
    "extra unicode": '{"price": 2.5, "n": 2, "Größe 日本": "🎉"}'.encode(),
}


def eventually(look: Callable[[], T], is_right: Callable[[T], bool]) -> T:
    deadline = time.monotonic() + PATIENCE_S
    while not is_right(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.02)  # between looks at another process, which tells nobody
    return seen


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as server, Client(server.url) as client:
        client.schemas.put("order", json.dumps(ORDER).encode())
        client.schemas.put("double", b'"double"')
        client.models.put("worth", WORTH.encode())
        client.models.put("echo", ECHO.encode())
        yield server


@pytest.fixture
def client(running: Server) -> Iterator[Client]:
    """Return a client of an engine in INIT, and look afterwards whether the server still lives."""
    with Client(running.url) as client:
        client.engine.reset()
        yield client
        client.engine.inspect()
        assert "request.failed" not in running.log.read_text()


def start(client: Client, model: str, output: str = "rest:") -> None:
    client.engine.attach(1, descriptor=output)
    client.engine.attach(0, descriptor="rest:")
    client.engine.load(model)


@pytest.fixture
def worth(client: Client) -> Client:
    start(client, "worth")
    return client


@pytest.fixture
def echo(client: Client) -> Client:
    start(client, "echo")
    return client


def score(server: Server, record: bytes) -> httpx.Response:
    return httpx.post(f"{server.url}/score", content=record, timeout=PATIENCE_S)


def outputs(client: Client) -> list[bytes]:
    """Return what everything accepted so far has given."""
    answer = client.engine.output(1, wait_s=PATIENCE_S)
    assert answer.is_settled
    return answer.values


def read_counts(server: Server) -> Counter[str]:
    """Return the metrics of input slot 0, by what became of its records."""
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    found = (line.partition('engine_records_total{outcome="')[2].partition('",slot="0"} ') for line in lines)
    return Counter({outcome: int(float(count)) for outcome, _, count in found if count})


@pytest.fixture
def counted(running: Server) -> Counted:
    """Return what says by how much the metrics have grown since the test began."""
    before = read_counts(running)
    return lambda: dict(read_counts(running) - before)


@pytest.mark.parametrize(("record", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_record_is_named_and_counted_and_the_others_are_scored(
    worth: Client, counted: Counted, record: bytes, sentence: str
) -> None:
    assert worth.engine.input(0, [GOOD, record, GOOD]) == 3
    assert outputs(worth) == [SCORE, SCORE]
    info = worth.engine.inspect()
    assert info["state"] == "RUNNING"
    [reject] = info["rejects"]
    assert (reject["slot"], reject["seq_no"], reject["stage"]) == (0, 2, "input")
    assert sentence in reject["reason"]
    assert (info["slots"][0]["n_records"], info["slots"][0]["n_rejected"]) == (3, 1)
    assert counted() == {"accepted": 3, "scored": 2, "rejected": 1}


@pytest.mark.parametrize(("record", "sentence"), BAD.values(), ids=BAD)
def test_a_caller_is_told_what_is_wrong_with_the_record(
    worth: Client, running: Server, counted: Counted, record: bytes, sentence: str
) -> None:
    answer = score(running, record)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert sentence in answer.json()["detail"]
    assert score(running, GOOD).content == SCORE
    assert counted() == {"accepted": 2, "scored": 1, "rejected": 1}
    assert eventually(lambda: worth.engine.inspect()["slots"][0]["n_rejected"], lambda n: n == 1)


@pytest.mark.parametrize("record", ODD.values(), ids=ODD)
def test_a_record_that_is_only_odd_is_scored(worth: Client, running: Server, record: bytes) -> None:
    worth.engine.input(0, [record])
    assert outputs(worth) == [SCORE]
    assert score(running, record).content == SCORE
    assert worth.engine.inspect()["slots"][0]["n_rejected"] == 0


def test_a_record_of_20_mib_is_rejected_with_its_size_and_kept_as_its_head(
    worth: Client, running: Server, counted: Counted
) -> None:
    long = b'{"price": 1, "n": 1, "x": "' + b"x" * (20 * MIB) + b'"}'
    assert worth.engine.input(0, [GOOD, long, GOOD]) == 3
    assert outputs(worth) == [SCORE, SCORE]
    [reject] = worth.engine.inspect()["rejects"]
    assert (reject["slot"], reject["seq_no"], len(reject["value"])) == (0, 2, 200)
    assert f"{len(long):,} bytes are over the limit" in reject["reason"]
    assert counted() == {"accepted": 3, "scored": 2, "rejected": 1}
    answer = score(running, long)
    assert answer.status_code == 413
    assert f"larger than the {LIMIT_BYTES} bytes" in answer.json()["detail"]


def test_a_request_of_100_times_the_usual_is_refused_as_a_whole(echo: Client, running: Server) -> None:
    answer = httpx.post(f"{running.url}/input/0", content=b"[" * (100 * MIB), timeout=PATIENCE_S)
    assert answer.status_code == 413
    assert "Send less at once." in answer.json()["detail"]
    assert outputs(echo) == []
    assert echo.engine.inspect()["slots"][0]["n_records"] == 0


def test_records_under_the_limit_are_scored_however_long(echo: Client) -> None:
    records = [b'"%s"' % (b"%d" % i * MIB) for i in range(1, 4)]  # 100 times what a jet's pipe takes at once
    assert echo.engine.input(0, records) == 3
    assert outputs(echo) == records


@pytest.mark.parametrize(
    ("content", "media_type", "sentence"),
    [
        (b"", "application/json", "is empty"),
        (b"", "application/x-ndjson", "is empty"),
        (b"", "application/vnd.engine.records+msgpack", "is empty"),
        (b"\xc1", "application/vnd.engine.records+msgpack", "is not MSGPACK: "),
        (b"\x93\x01", "application/vnd.engine.records+msgpack", "is not MSGPACK: "),
        (b"\x91\x01", "application/vnd.engine.records+msgpack", "is not a MSGPACK list of binaries"),
    ],
)
def test_a_body_without_records_is_refused(
    echo: Client, running: Server, content: bytes, media_type: str, sentence: str
) -> None:
    answer = httpx.post(f"{running.url}/input/0", content=content, headers={"Content-Type": media_type})
    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert sentence in detail
    assert not detail.endswith(": .")
    assert echo.engine.inspect()["slots"][0]["n_records"] == 0


def test_an_empty_record_can_be_sent(client: Client) -> None:
    client.streams.put("text", b'{"Transport": "REST", "Encoding": "utf-8"}')
    client.models.put("length", b"def action(x):\n    yield len(x)\n")
    client.engine.attach(0, name="text")
    client.engine.attach(1, descriptor="rest:")
    client.engine.load("length")
    client.engine.input(0, [b"", b"ab"])
    assert outputs(client) == [b"0", b"2"]


def test_unicode_goes_through_as_it_is_in_data_and_in_names(client: Client, running: Server) -> None:
    client.schemas.put("größe", b'"string"')
    client.models.put("模型", "# engine.schema.0: größe\ndef action(größe):\n    yield größe + '…'\n".encode())
    client.streams.put("ströme", b'{"Transport": "REST", "Encoding": "json"}')
    for slot in (0, 1):
        client.engine.attach(slot, name="ströme")
    client.engine.load("模型")
    client.engine.input(0, ['"日本 🎉"'.encode(), b'"\\u00fc"'])
    assert [value.decode() for value in outputs(client)] == ['"日本 🎉…"', '"ü…"']
    info = client.engine.inspect()
    assert (info["model"]["name"], info["slots"][0]["stream"], info["slots"][0]["schema"]) == (
        "模型",
        "ströme",
        "größe",
    )


@pytest.mark.parametrize("is_loaded_first", [True, False])
def test_schemas_that_do_not_fit_are_refused_with_the_path(client: Client, is_loaded_first: bool) -> None:
    legs_by_number = json.dumps(ORDER).replace('"string"', '"long"')
    client.schemas.put("by_number", legs_by_number.encode())
    client.streams.put("orders", b'{"Transport": "REST", "Encoding": "json", "Schema": {"$ref": "by_number"}}')
    steps: list[Callable[[], Any]] = [
        lambda: client.engine.load("worth"),
        lambda: client.engine.attach(0, name="orders"),
    ]
    first, second = steps if is_loaded_first else reversed(steps)
    first()
    with pytest.raises(EngineError) as caught:
        second()
    assert str(caught.value) == (
        "Stream 'orders' does not fit slot 0 of model 'worth': what the stream carries cannot be read as the other side"
        " asks. Field 'legs[].symbol': string expected, got long."
    )
    assert client.engine.inspect()["state"] == "INIT"


def test_a_file_that_the_script_misses_is_named(client: Client) -> None:
    client.models.put("reader", b"def begin():\n    open('weights.bin')\ndef action(x):\n    yield x\n")
    for slot in (0, 1):
        client.engine.attach(slot, descriptor="rest:")
    with pytest.raises(EngineError, match=r"begin\(\) failed: FileNotFoundError: .*'weights\.bin'"):
        client.engine.load("reader")
    assert client.engine.inspect()["state"] == "ERROR"


def test_a_schema_that_the_script_misses_is_named(client: Client) -> None:
    client.models.put("misser", b"# engine.schema.0: ordr\ndef action(x):\n    yield x\n")
    with pytest.raises(AssetNotFound, match=r"Schema 'ordr' not found\. Did you mean 'order'\?"):
        client.engine.load("misser")


def archive(member: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        info = tarfile.TarInfo(member)
        info.size = 4
        packed.addfile(info, io.BytesIO(b"evil"))
    return file.getvalue()


@pytest.mark.parametrize("member", ["../evil.txt", "a/../../evil.txt", "/evil.txt"])
def test_an_archive_that_leaves_its_folder_is_refused_and_leaves_nothing(
    client: Client, running: Server, member: str
) -> None:
    with pytest.raises(EngineError) as caught:
        client.attachments("echo").put("evil.tar.gz", archive(member))
    assert f"Attachment 'evil.tar.gz' was not unpacked: '{member}'" in str(caught.value)
    assert client.attachments("echo").list() == []
    assert [path for path in running.log.parent.rglob("*evil*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("path", "content", "sentence"),
    [
        ("schemas/bad", b"", "Schema 'bad' is not a valid Avro schema"),
        ("streams/bad", b"", "Stream 'bad' is not JSON"),
        ("attachments/echo/bad.tar.gz", b"", "Attachment 'bad.tar.gz' is not a complete archive: empty file."),
        pytest.param(
            "attachments/echo/bad.zip", archive("a")[:40], "Attachment 'bad.zip' is not a", id="a zip that is a tar.gz"
        ),  # named, since a gzip holds the time at which it was made
        ("attachments/echo/bad.exe", b"x", "Attachment 'bad.exe' is of an unknown kind"),
        ("models/bad", b"\xff\xfe", "Model 'bad' is not UTF-8 text: byte 0 is 0xff."),
        ("schemas/bad", b"\xff\xfe", "it is not UTF-8 at byte 0."),
        ("streams/bad", b"\xff\xfe", "Stream 'bad' is not UTF-8 text: byte 0 is 0xff."),
        ("models/..%2Fbad", b"x = 1", "Nothing is at"),
        ("models/.bad", b"x = 1", "is not a legal name"),
    ],
)
def test_what_is_no_asset_is_refused_and_not_stored(
    client: Client, running: Server, path: str, content: bytes, sentence: str
) -> None:
    answer = httpx.put(f"{running.url}/{path}", content=content)
    assert answer.status_code in (400, 404)
    assert sentence in answer.json()["detail"]
    listing = httpx.get(f"{running.url}/{path.rpartition('/')[0]}").json()
    assert not [asset for asset in listing if "bad" in asset["name"]]


def test_an_empty_script_is_refused_when_it_is_loaded(client: Client) -> None:
    client.models.put("empty", b"")
    with pytest.raises(HookMissing, match="empty has no function 'action'"):
        client.engine.load("empty")


def test_the_same_upload_twice_is_one_version(client: Client) -> None:
    puts = [client.models.put("twice", ECHO.encode()) for _ in range(2)]
    assert [put.outcome for put in puts] == ["created", "unchanged"]
    assert puts[0].asset == puts[1].asset
    assert len(client.models.history("twice")) == 1


GATED = """
# engine.state: none
import os, time

def action(path):
    while path and not os.path.exists(path):
        time.sleep(0.01)
    yield path
"""


def test_a_caller_that_goes_away_leaves_no_trace_in_the_next_answers(
    client: Client, running: Server, tmp_path: Path
) -> None:
    client.models.put("gated", GATED.encode())
    start(client, "gated")
    gate = tmp_path / "gate"
    body = json.dumps(str(gate)).encode()
    head = b"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port)) as half_sent:
        half_sent.sendall(head % 100 + body[:5])
    with socket.create_connection(("127.0.0.1", running.port)) as sent:
        sent.sendall(head % len(body) + body)
        eventually(lambda: client.engine.inspect()["slots"][0]["n_records"], lambda n: n == 1)
    gate.touch()
    assert score(running, b'""').content == b'""'
    assert outputs(client) == []
    assert client.engine.inspect()["state"] == "RUNNING"


SLOW_END = """
import time

def action(x):
    yield x

def end():
    time.sleep(0.5)
"""


def test_what_is_accepted_while_the_engine_stops_is_scored_and_the_rest_is_refused(tmp_path: Path) -> None:
    written = tmp_path / "out.jsons"
    accepted: list[int] = []
    unsure: list[int] = []  # sent, and the connection ended before an answer

    with Server(tmp_path) as server, Client(server.url) as client:
        client.models.put("slow_end", SLOW_END.encode())
        start(client, "slow_end", f"file:{written}")

        def send() -> None:
            with httpx.Client(base_url=server.url) as http:
                for number in range(1_000_000):
                    try:
                        answer = http.post("/input/0", content=b"%d" % number)
                    except httpx.ConnectError:
                        return
                    except httpx.HTTPError:
                        unsure.append(number)
                        continue
                    if answer.status_code != 202:
                        assert answer.status_code in (409, 503), answer.text
                        return
                    accepted.append(number)

        sender = threading.Thread(target=send)
        sender.start()
        eventually(lambda: len(accepted), lambda n: n > 20)
        assert server.stop() == 0, server.log_tail()
        sender.join(PATIENCE_S)
        assert not sender.is_alive()
    scored = [int(line) for line in written.read_text().splitlines()]
    assert [number for number in scored if number not in unsure] == accepted
    assert scored == sorted(set(scored))


@dataclass(frozen=True)
class Cramped:
    """A folder in which no file can grow beyond 256 KiB, by its disk's size or by what a process may write."""

    folder: Path
    is_disk: bool

    SIZE_BYTES = 256 << 10

    @property
    def reason(self) -> str:
        return "No space left on device" if self.is_disk else "File too large"

    def hold(self, pid: int) -> None:
        if not self.is_disk:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (self.SIZE_BYTES, self.SIZE_BYTES))


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[Cramped]:
    folder = tmp_path / "cramped"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={Cramped.SIZE_BYTES}", "tmpfs", folder]
    is_disk = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield Cramped(folder, is_disk)
    finally:
        if is_disk:
            subprocess.run(["umount", folder], check=True)


def assert_whole_lines(file: Path) -> None:
    text = file.read_bytes()
    assert text == b"" or text.endswith(b"\n")
    assert [int(line) for line in text.splitlines()] == list(range(1, text.count(b"\n") + 1))


def test_a_full_disk_is_said_with_the_path_and_tears_nothing(cramped: Cramped, tmp_path: Path) -> None:
    out = cramped.folder / "out.jsons"
    with Server(tmp_path) as server, Client(server.url) as client:
        cramped.hold(server.pid)
        client.models.put("echo", ECHO.encode())
        start(client, "echo", f"file:{out}")
        client.engine.input(0, [b"%d" % i for i in range(1, 100_001)])
        said = f"Output to {out} failed: {cramped.reason}."
        if cramped.is_disk:  # it waits for room
            info = eventually(client.engine.inspect, lambda info: info["fence"] and info["fence"]["trouble"])
            assert (info["state"], info["fence"]["trouble"]) == ("RUNNING", said)
        else:
            info = eventually(client.engine.inspect, lambda info: info["state"] == "ERROR")
            assert info["error"] == said
        assert_whole_lines(out)
        client.engine.reset()
        start(client, "echo")
        client.engine.input(0, [b"7"])
        assert outputs(client) == [b"7"]


# Through `engine run`.


def engine_run(
    folder: Path, script: str, *arguments: object, records: bytes = b"", hold: Callable[[int], None] = lambda _pid: None
) -> subprocess.CompletedProcess[bytes]:
    """Run a script with the schemas of this file."""
    (folder / "script.py").write_text(script)
    (folder / "order.avsc").write_text(json.dumps(ORDER))
    (folder / "double.avsc").write_text('"double"')
    schemas = ["--schema", "order=order.avsc", "--schema", "double=double.avsc"]
    with subprocess.Popen(
        [PROGRAMS / "engine", "run", "script.py", *map(str, arguments), *schemas],
        cwd=folder,
        env=clean_environ({"ENGINE_STATE": str(folder / "state")}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        hold(process.pid)
        out, err = process.communicate(records, PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_a_run_scores_everything_else_and_explains_the_first_rejects(tmp_path: Path) -> None:
    bad = [record for record, _ in BAD.values() if record.strip()]
    lines = [line for record in bad for line in (GOOD, record)]
    ran = engine_run(tmp_path, WORTH, records=b"\n".join(lines))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [SCORE] * len(bad)
    said = ran.stderr.decode()
    assert f"{2 * len(bad)} records in, {len(bad)} out, {len(bad)} rejected" in said
    assert "record 2 of slot 0: Not a valid json record: a value expected at character 0" in said
    assert f"and {len(bad) - 5} more" in said
    (folder,) = (tmp_path / "state" / "jobs").iterdir()
    with Peek(folder) as store:
        assert [reject.seq_no for reject in store.rejects()] == list(range(2, 2 * len(bad) + 1, 2))


@pytest.mark.parametrize(
    ("suffix", "content", "n_scored", "sentence"),
    [
        ("jsons", b"1.0\n2.0\n3", 3, None),
        ("jsons", b"1.0\n2.0\n[3", 2, "record 3 of slot 0: Not a valid json record: "),
        ("avro", b"\0" * 24, 3, None),
        (
            "avro",
            b"\0" * 19,
            2,
            "record 3 of slot 0: Not a valid avro-binary record: a double has 8 bytes, this record 3.",
        ),
        ("jsons", b"", 0, None),
        ("avro", b"", 0, None),
        ("jsons", b"\n1.0\n", 1, "record 1 of slot 0: Not a valid json record: it is empty."),
    ],
)
def test_the_end_of_a_file_ends_its_last_record(
    tmp_path: Path, suffix: str, content: bytes, n_scored: int, sentence: str | None
) -> None:
    (tmp_path / f"in.{suffix}").write_bytes(content)
    script = "# engine.schema.0: double\n# engine.schema.1: double\n" + ECHO
    ran = engine_run(tmp_path, script, f"in.{suffix}", "-", "--strict")
    assert ran.returncode == (0 if sentence is None else 1)
    assert len(ran.stdout.splitlines()) == n_scored
    assert (sentence or f"{n_scored} out") in ran.stderr.decode()


def test_a_run_whose_disk_is_full_names_the_file_and_tears_nothing(cramped: Cramped, tmp_path: Path) -> None:
    out = cramped.folder / "out.jsons"
    records = b"".join(b"%d\n" % i for i in range(1, 100_001))
    said = f"Output to {out} failed: {cramped.reason}."
    if cramped.is_disk:
        (tmp_path / "script.py").write_text(ECHO)
        (tmp_path / "in.jsons").write_bytes(records)
        environ = clean_environ({"ENGINE_STATE": str(tmp_path / "state")})
        command = [PROGRAMS / "engine", "run", "script.py", "in.jsons", out]
        with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE) as waiting:
            assert waiting.stderr is not None
            assert any(line.decode().strip() == f"The run waits: {said}" for line in waiting.stderr)
            waiting.kill()
    else:
        ran = engine_run(tmp_path, ECHO, "-", out, records=records, hold=cramped.hold)
        assert ran.returncode == 1
        assert f"Error: {said}" in ran.stderr.decode()
    assert_whole_lines(out)


def test_a_run_whose_reader_goes_away_ends_quietly(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    pipe = subprocess.PIPE
    environ = clean_environ({"ENGINE_STATE": str(tmp_path / "state")})
    command = [sys.executable, "-m", "engine", "run", "echo.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdin=pipe, stdout=pipe, stderr=pipe) as ran:
        assert ran.stdin is not None
        assert ran.stdout is not None
        assert ran.stderr is not None
        ran.stdin.write(b"1\n")
        ran.stdin.flush()
        assert ran.stdout.readline() == b"1\n"
        ran.stdout.close()
        ran.stdin.write(b"2\n")
        ran.stdin.flush()
        ran.wait(PATIENCE_S)
        assert b"Error" not in ran.stderr.read()
    assert ran.returncode == 1


def test_a_script_whose_prints_nobody_reads_any_more_scores_to_its_end(tmp_path: Path) -> None:
    n_records = 2000
    (tmp_path / "chatty.py").write_text("def action(x):\n    print(x)\n    yield x\n")
    (tmp_path / "in.jsons").write_text("".join(f"{n}\n" for n in range(n_records)))
    environ = clean_environ({"ENGINE_STATE": str(tmp_path / "state")})
    command = [sys.executable, "-m", "engine", "run", "chatty.py", "in.jsons", "out.jsons"]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE) as ran:
        assert ran.stderr is not None
        ran.stderr.readline()
        ran.stderr.close()
        ran.wait(PATIENCE_S)
    assert (tmp_path / "out.jsons").read_text() == (tmp_path / "in.jsons").read_text()
