"""How each server of a window's score is started, asked, and read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime

from benchmarks.environments import peer_python
from benchmarks.measuring import ROOT
from benchmarks.metrics import Predicted, predicted_over_http
from demo.server import Server, clean_environ, free_port

PEERS = Path(__file__).parent
SCRIPTS = ROOT / "benchmarks" / "scripts"
ARCHIVE = ROOT / "attachments" / "tf_sp500_lstm" / "attachment.tar.gz"
FASTAPI, UVICORN, LITSERVE, MLSERVER = "0.165.0", "0.54.0", "0.2.19", "1.7.1"
"""Releases that are known to work here; a newer one is tried by changing it."""
MAX_BATCH, WAIT_S = 32, 0.002
"""What peers that batch are told: as many as there are connections, and a wait that is short beside a batch's work.
Neither documentation names values: they are to be found by trying."""
START_S, END_S, LOOK_S = 60.0, 10.0, 0.1
TELL_S = 1.1
N_STEPS = 30


def unpack_model(folder: Path) -> Path:
    """Return the sample model's file, unpacked."""
    with tarfile.open(ARCHIVE) as members:
        members.extractall(folder, filter="data")
    return folder / "lstm.onnx"


class ServerMissing(Exception):
    """A server did not start; the text has the end of its log."""


class Contender(ABC):
    """A server of scores.

    Parameters
    ----------
    name : str
        What the tables call it.
    """

    is_batching = False
    path = "/predict"

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0

    @abstractmethod
    def running(self, model: Path, folder: Path) -> contextlib.AbstractContextManager[None]:
        """Run it: `port` is set then. The folder is its own, there and empty."""

    def body(self, window: Sequence[float]) -> str:
        """Return what asks for the score of a window."""
        return json.dumps({"prices": window})

    def score(self, answer: Any) -> float:
        """Return what was answered."""
        return float(answer["score"])

    @abstractmethod
    def predicted(self) -> Predicted:
        """Return what its predictor did until now."""

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Let it work, while the others sleep."""
        yield


class Engine(Contender):
    """Ours: ``engine serve`` with a script.

    Parameters
    ----------
    script : str
        Its name among the benchmark's scripts.
    asked : str
        A record that is scored so that the metrics are told; a window unless said otherwise.
    """

    is_batching = True
    path = "/score"

    def __init__(
        self, name: str = "engine", script: str = "lstm_window", asked: str = json.dumps([0.0] * N_STEPS)
    ) -> None:
        super().__init__(name)
        self._script, self._n_asked = script, 0
        self._asked = asked or json.dumps([0.0] * N_STEPS)

    @contextlib.contextmanager
    def running(self, model: Path, folder: Path) -> Iterator[None]:  # noqa: ARG002 - its library has the model
        """Run it with a library of its own."""
        library = make_library(self._script, folder / "library")
        with Server(folder, library=library) as server:
            self.port = server.port
            # The jet starts here, which a busy machine may take its time for.
            with httpx.Client(base_url=server.url, timeout=START_S) as client:
                for place, said in (("model", self._script), ("streams/1", "rest"), ("streams/0", "rest")):
                    answer = client.put(f"/engine/{place}", json={"name": said})
                    if answer.is_error:
                        raise ServerMissing(f"engine: {answer.text}")
            yield

    def body(self, window: Sequence[float]) -> str:
        """Return the record."""
        return json.dumps(window)

    def score(self, answer: Any) -> float:
        """Return the output."""
        return float(answer)

    def predicted(self) -> Predicted:
        """Ask its metrics; the jet tells them behind a batch, once a second: one more is scored, so that it does."""
        time.sleep(TELL_S)
        self._n_asked += 1
        httpx.post(f"http://127.0.0.1:{self.port}/score", content=self._asked, timeout=START_S).raise_for_status()
        return predicted_over_http(self.port) - Predicted(self._n_asked, self._n_asked)


def make_library(script: str, folder: Path) -> Path:
    """Make a library with one of the benchmark's scripts, all schemas, the REST stream, and the LSTM."""
    for part in ("model_scripts", "schemas", "streams", f"attachments/{script}"):
        (folder / part).mkdir(parents=True)
    shutil.copy(SCRIPTS / f"{script}.py", folder / "model_scripts")
    for schema in (*SCRIPTS.glob("*.avsc"), ROOT / "schemas" / "double.avsc"):
        shutil.copy(schema, folder / "schemas")
    shutil.copy(ROOT / "streams" / "rest.json", folder / "streams")
    shutil.copy(ARCHIVE, folder / "attachments" / script)
    return folder


class Peer(Contender):
    """A server that is started by a command, and that sleeps while others have their turn.

    Some of them look into their queues all the time: awake, they would take a core from whoever is measured.
    """

    _process: subprocess.Popen[bytes] | None = None
    _counts: Path

    @abstractmethod
    def command(self, told: Mapping[str, Any], folder: Path) -> list[str]:
        """Return what starts it."""

    def environ(self) -> dict[str, str]:
        """Return what is added to its environment."""
        return {}

    @contextlib.contextmanager
    def running(self, model: Path, folder: Path) -> Iterator[None]:
        """Run it, and end it with all that it started."""
        self.port = free_port()
        self._counts = folder / "counts"
        np.zeros(2, np.int64).tofile(self._counts)
        told = {"model": str(model), "port": self.port, "n_threads": 1, "counts": str(self._counts)}
        log = folder / "log"
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                self.command(told, folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=clean_environ(self.environ()),
                start_new_session=True,
            )
        try:
            self._wait(log)
            self._tell(signal.SIGSTOP)
            yield
        finally:
            self._end()

    def _wait(self, log: Path) -> None:
        assert self._process is not None
        deadline_s = time.monotonic() + START_S
        body = self.body([0.0] * N_STEPS)
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=START_S) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = client.post(self.path, content=body, headers={"Content-Type": "application/json"})
                    if answer.is_success:
                        return
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                    raise ServerMissing(f"{self.name} did not start.\n{tail}")
                time.sleep(LOOK_S)

    def _tell(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _end(self) -> None:
        assert self._process is not None
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._tell(number)
            self._tell(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
                break
        self._tell(signal.SIGKILL)  # children that have outlived it

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wake it up for as long as it is measured."""
        self._tell(signal.SIGCONT)
        try:
            yield
        finally:
            self._tell(signal.SIGSTOP)

    def predicted(self) -> Predicted:
        """Read what it has counted."""
        n_calls, n_rows = np.fromfile(self._counts, np.int64)
        return Predicted(int(n_calls), int(n_rows))


class Raw(Peer):
    """A bare asyncio protocol on uvloop, with a script in its own process.

    Parameters
    ----------
    script : str
        Its name among the benchmark's scripts.
    """

    def __init__(self, name: str = "raw", script: str = "lstm_window") -> None:
        super().__init__(name)
        self._script = script

    @contextlib.contextmanager
    def running(self, model: Path, folder: Path) -> Iterator[None]:  # noqa: ARG002 - it keeps nothing
        """Run it; it says itself which port it has."""
        command = [
            sys.executable,
            "-m",
            "benchmarks.raw_server",
            str(SCRIPTS / f"{self._script}.py"),
            str(model.parent),
        ]
        environ = clean_environ({"PYTHONPATH": str(ROOT)})
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environ, start_new_session=True)
        try:
            assert self._process.stdout is not None
            said = self._process.stdout.readline()
            if not said:
                raise ServerMissing("The raw server did not start.")
            self.port = int(said)
            self._tell(signal.SIGSTOP)
            yield
        finally:
            self._end()
            self._process.stdout.close()

    def command(self, told: Mapping[str, Any], folder: Path) -> list[str]:  # noqa: ARG002 - it starts itself
        """Return nothing: it is started in its own way."""
        return []

    def body(self, window: Sequence[float]) -> str:
        """Return the record."""
        return json.dumps(window)

    def score(self, answer: Any) -> float:
        """Return the output."""
        return float(answer)

    def predicted(self) -> Predicted:
        """Return nothing counted: it scores one by one."""
        return Predicted()


def _onnx() -> str:
    return f"onnxruntime=={onnxruntime.__version__}"


class FastAPI(Peer):
    """FastAPI on uvicorn, with a plain ``def`` as its documentation has it, or with an ``async def``."""

    def __init__(self, *, is_async: bool = False) -> None:
        super().__init__("FastAPI, async" if is_async else "FastAPI")
        self._is_async = is_async
        self._python = peer_python(
            f"fastapi-{FASTAPI}", f"fastapi=={FASTAPI}", f"uvicorn[standard]=={UVICORN}", "numpy", _onnx()
        )

    def command(self, told: Mapping[str, Any], folder: Path) -> list[str]:  # noqa: ARG002 - it needs none
        """Return what starts it."""
        return [self._python, str(PEERS / "fastapi_server.py"), json.dumps({**told, "is_async": self._is_async})]


class LitServe(Peer):
    """LitServe, as it is or with batching."""

    def __init__(self, *, is_batching: bool = False) -> None:
        super().__init__("LitServe, batching" if is_batching else "LitServe")
        self.is_batching = is_batching
        self._python = peer_python(f"litserve-{LITSERVE}", f"litserve=={LITSERVE}", "numpy", _onnx())

    def command(self, told: Mapping[str, Any], folder: Path) -> list[str]:  # noqa: ARG002 - it needs none
        """Return what starts it."""
        batching = {"max_batch": MAX_BATCH if self.is_batching else 1, "wait_s": WAIT_S}
        return [self._python, str(PEERS / "litserve_server.py"), json.dumps({**told, **batching})]


class MLServer(Peer):
    """MLServer with a runtime of ours and one inference worker, its default; as it is or with adaptive batching."""

    path = "/v2/models/lstm/infer"

    def __init__(self, *, is_batching: bool = False) -> None:
        super().__init__("MLServer, batching" if is_batching else "MLServer")
        self.is_batching = is_batching
        # Its workers ask for the event loop in a way that later releases of uvloop refuse.
        wanted = (f"mlserver=={MLSERVER}", "uvloop==0.21.0", "numpy", _onnx())
        self._python = peer_python(f"mlserver-{MLSERVER}", *wanted)

    def environ(self) -> dict[str, str]:
        """Have the runtime found."""
        return {"PYTHONPATH": str(PEERS)}

    def command(self, told: Mapping[str, Any], folder: Path) -> list[str]:
        """Write its settings, and return what starts it."""
        ports = {"http_port": told["port"], "grpc_port": free_port(), "metrics_port": free_port()}
        settings = {"host": "127.0.0.1", "debug": False, **ports}
        extra = {"n_threads": told["n_threads"], "counts": told["counts"]}
        model: dict[str, Any] = {
            "name": "lstm",
            "implementation": "mlserver_model.WindowModel",
            "parameters": {"uri": told["model"], "extra": extra},
        }
        if self.is_batching:
            model |= {"max_batch_size": MAX_BATCH, "max_batch_time": WAIT_S}
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps(model))
        return [str(Path(self._python).with_name("mlserver")), "start", str(folder)]

    def body(self, window: Sequence[float]) -> str:
        """Return a request of the Open Inference Protocol."""
        tensor = {"name": "windows", "shape": [1, len(window)], "datatype": "FP64", "data": window}
        return json.dumps({"inputs": [tensor]})

    def score(self, answer: Any) -> float:
        """Return the one number of the one tensor."""
        return float(answer["outputs"][0]["data"][0])
