"""``serve`` in a process of its own: one port, one engine, and an end on a signal."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from engine.registry import Library
from tests.server.conftest import SCRIPT

pytestmark = pytest.mark.integration

CODE = """
import os, sys
from engine.errors import EngineError
from engine.server import serve
from engine.settings import Settings
try:
    serve(Settings.from_env(os.environ))
except EngineError as exc:
    sys.exit(type(exc).__name__ + ": " + str(exc))
"""
Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, library: Library) -> Iterator[Start]:
    """Start a server over the library; the environment is what the test says."""
    processes: list[Process] = []

    def start_one(**environ: str) -> Process:
        environ = {"ENGINE_STATE": str(tmp_path), "ENGINE_LIBRARY": str(library.root), "ENGINE_PORT": "0"} | environ
        command: Sequence[str] = [sys.executable, "-c", CODE]
        process = subprocess.Popen(
            command, env=environ, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        with process:
            process.kill()


def url_of(process: Process) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("The engine listens on "):
            return line.split()[-1]
    raise AssertionError("It ended before it listened.")


def rest_of(process: Process) -> str:
    assert process.stderr is not None
    return process.stderr.read()


@contextmanager
def twice_on(process: Process) -> Iterator[httpx.Client]:
    """Have a server's engine run the model ``twice``, with REST on both sides."""
    with httpx.Client(base_url=url_of(process)) as client:
        client.put("/engine/model", json={"name": "twice"}).raise_for_status()
        for slot in (0, 1):
            client.put(f"/engine/streams/{slot}", json={"descriptor": "rest:"}).raise_for_status()
        yield client


def test_a_model_is_loaded_and_scores(start: Start) -> None:
    with twice_on(start()) as client:
        assert client.post("/score", content=b"21").json() == 42
        lines = {"Content-Type": "application/x-ndjson"}
        assert client.post("/input/0", content=b"1\n2", headers=lines).status_code == 202
        output = client.get("/output/1", params={"wait": ""})
        assert [float(line) for line in output.text.split()] == [2, 4]
        assert client.get("/output/1", params={"after": output.headers["Engine-Sequence"]}).status_code == 204
        assert client.get("/health").json()["model"] == "twice"
        numbers = client.get("/metrics").text
        assert 'engine_state{state="RUNNING"} 1.0' in numbers
        assert "engine_jets{status=" in numbers  # as of the last look at them


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0_and_frees_the_port(start: Start, number: signal.Signals) -> None:
    process = start()
    with twice_on(process) as client:  # its connection stays open: it must not hold the end up
        client.post("/score", content=b"1")
        process.send_signal(number)
        assert process.wait(20) == 0
        assert "Traceback" not in rest_of(process)
        with pytest.raises(httpx.TransportError):
            client.get("/health")


def test_an_answer_that_is_waited_for_comes_before_the_end(start: Start, library: Library) -> None:
    slow = SCRIPT.replace("def action(x):\n", "import time\n\ndef action(x):\n    time.sleep(0.5)\n")
    (library.root / "model_scripts" / "twice.py").write_text(slow)
    process = start()
    answers: list[httpx.Response] = []
    with twice_on(process) as client:
        asking = threading.Thread(target=lambda: answers.append(client.post("/score", content=b"21")))
        asking.start()
        with httpx.Client(base_url=client.base_url) as other:
            deadline = time.monotonic() + 20
            while not any(slot["n_records"] for slot in other.get("/engine").json()["slots"]):
                assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        asking.join(20)
    assert process.wait(20) == 0
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "42.0")]


def test_a_second_signal_does_not_wait(start: Start, library: Library) -> None:
    endless = SCRIPT + "\n\ndef end():\n    import time\n    time.sleep(60)\n"
    (library.root / "model_scripts" / "twice.py").write_text(endless)
    process = start()
    with twice_on(process):
        process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert any("server.draining" in line for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 1
    assert "StreamTimeout: The engine was told to stop and did not end" in rest_of(process)


def test_a_port_in_use_is_told_in_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start(ENGINE_PORT=str(port))
        assert process.wait(20) == 1
        assert rest_of(process) == (
            f"ConfigError: Port {port} of 127.0.0.1 is in use. "
            "Stop what listens there, or choose another with --port (ENGINE_PORT).\n"
        )


def test_every_address_is_refused_until_it_is_spelled_out(start: Start) -> None:
    process = start(ENGINE_HOST="0.0.0.0")
    assert process.wait(20) == 1
    assert rest_of(process).startswith("PolicyViolation: ")
    with httpx.Client(base_url=url_of(start(ENGINE_HOST="0.0.0.0", ENGINE_NO_AUTH="1"))) as client:
        assert client.get("/health", headers={"Host": "engine.example.org"}).status_code == 200
