"""A real server whose rejects go to a stream of their own is killed, and goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from demo.server import Server

pytestmark = pytest.mark.integration

DOUBLE = """
# engine.on_error.0: skip

def action(x):
    yield 2 * x
"""


def stream(transport: object, **fields: object) -> str:
    return json.dumps({"Transport": transport, "Encoding": "json", "Schema": None, **fields})


def send(server: Server, *lines: str) -> None:
    """Hand in records, and wait until they are scored."""
    headers = {"Content-Type": "application/x-ndjson"}
    assert httpx.post(f"{server.url}/input/0", content="\n".join(lines), headers=headers).status_code == 202
    assert httpx.get(f"{server.url}/output/1", params={"wait": "30s"}).headers["Engine-Settled"] == "true"


def rejected_at(server: Server, file: Path | None) -> list[int]:
    lines = file.read_text() if file is not None else httpx.get(f"{server.url}/output/0").text
    return [json.loads(line)["seq_no"] for line in lines.splitlines()]


@pytest.mark.parametrize("kind", ["REST", "file"])
def test_a_server_with_a_reject_stream_that_was_killed_goes_on_by_itself(tmp_path: Path, kind: str) -> None:
    for folder, name, text in (
        ("model_scripts", "double.py", DOUBLE),
        ("streams", "in.json", stream("REST", Rejects={"$ref": "bad"})),
        ("streams", "bad.json", stream("REST" if kind == "REST" else {"Type": "file", "Path": str(tmp_path / "bad")})),
    ):
        (tmp_path / "library" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "library" / folder / name).write_text(text)
    file = tmp_path / "bad" if kind == "file" else None
    with Server(tmp_path) as server:
        for command in ("model load double", "stream attach rest: 1", "stream attach in 0"):
            ran = server.run(*command.split())
            assert ran.returncode == 0, ran.stderr
        send(server, "1", '"a"', "2", "{")
        assert rejected_at(server, file) == [4]
        os.kill(server.pid, signal.SIGKILL)
    with Server(tmp_path) as server:
        assert "model 'double', 2 streams, RUNNING." in server.log.read_text()
        assert rejected_at(server, file) == [4]
        send(server, "3", "}")
        assert httpx.get(f"{server.url}/output/1").text.splitlines() == ["2", '"aa"', "4", "6"]
        assert rejected_at(server, file) == [4, 6]
