"""Where an engine is killed: what it is started with, what it works on, and what has come out of it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import EngineError, StateError
from engine.state.sqlite import Peek
from engine.torture.peers import Feeder, Reader, is_healthy, put
from engine.torture.posts import read_posts
from engine.torture.victim import Victim

START_TIMEOUT_S = 60.0  # a start takes one or two; a machine with more to do, ten
POLL_S = 0.01
READING_BYTES = 1 << 16


class TortureFailed(EngineError):
    """An engine that nobody killed ended, or did not get to work."""

    def __init__(self, reason: str, log: str) -> None:
        self.reason, self.log = reason, log
        super().__init__(f"{reason}{f' It said:{chr(10)}{log}' if log else ''}")


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Stage(ABC):
    """One pass over an input, by engines that follow each other on the same state.

    Parameters
    ----------
    folder : Path
        For everything that it makes; there, and empty.
    command : sequence of str
        What starts the program ``engine``.
    environ : mapping
        The engines' environment.
    """

    def __init__(self, folder: Path, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.folder = folder
        self._command, self._environ = list(command), dict(environ)
        self._n_starts = 0

    def start(self, step: str = "", *, is_watched: bool = False) -> Victim:
        """Start an engine: the first one from the beginning, the others from where the last one ended.

        One that is watched fails if the script changes variables that are not taken as its state.
        """
        environ = self._environ | ({"ENGINE_KILL_AT": step} if step else {})
        environ |= {"ENGINE_WATCH": "1"} if is_watched else {}
        victim = Victim([*self._command, *self._arguments()], self.folder, self.folder / "engine.log", environ)
        self._n_starts += 1
        return victim

    @abstractmethod
    def _arguments(self) -> list[str]:
        """Return the command's arguments."""

    def settle_in(self, victim: Victim) -> None:  # noqa: B027 - most have nothing to do
        """Do what must be done once the engine runs; the first time only."""

    def has_committed(self) -> bool:
        """Return whether an engine that starts now has records behind it, and some to go; called while none runs."""
        for folder in (self.folder / "state" / "jobs").glob("*"):
            with suppress(StateError), Peek(folder) as store:
                fence = store.fence
                if fence is not None and not fence.is_finished and any(one.seq_no for one in fence.inputs.values()):
                    return True
        return False

    @abstractmethod
    def output_size(self) -> int:
        """Return a number that changes when there are new outputs."""

    @abstractmethod
    def is_through(self, victim: Victim) -> bool:
        """Return whether all of the input is scored."""

    @abstractmethod
    def outputs(self) -> list[bytes]:
        """Return every output."""

    @property
    def error(self) -> str:
        """What a client could not go on with, as a sentence, or nothing."""
        return ""

    def trouble(self) -> str:
        """Return what went wrong beside the outputs, as a sentence, or nothing; called at the end."""
        return self.error

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """End what was started beside the engine."""


class FileStage(Stage):
    """``engine run`` from files to a file.

    Parameters
    ----------
    script : Path
        What is run.
    inputs : mapping of int to str
        By slot: a file, or a stream of the library.
    options : sequence of str
        More options of ``engine run``.
    suffix : str
        Of the output file: it says how outputs are encoded.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        script: Path,
        inputs: Mapping[int, str],
        options: Sequence[str] = (),
        suffix: str = ".jsons",
    ) -> None:
        super().__init__(folder, command, environ)
        self._script, self._inputs, self._options = script, inputs, list(options)
        self.output = folder / f"outputs{suffix}"

    def _arguments(self) -> list[str]:
        resume = ["--resume"] if self._n_starts else []
        first, *others = self._inputs.items()
        more = [word for slot, stream in others for word in ("--slot", f"{slot}={stream}")]
        state = ["--state", str(self.folder / "state")]
        return ["run", str(self._script), first[1], str(self.output), *more, *self._options, *state, *resume]

    def output_size(self) -> int:
        """Return it; see `Stage`."""
        try:
            return self.output.stat().st_size
        except FileNotFoundError:
            return 0

    def is_through(self, victim: Victim) -> bool:
        """Return it; see `Stage`."""
        return victim.poll() == 0

    def outputs(self) -> list[bytes]:
        """Return them; see `Stage`."""
        return self.output.read_bytes().splitlines() if self.output.exists() else []


class ServedStage(Stage):
    """``engine serve`` with a client that sends to slot 0.

    Parameters
    ----------
    library : Path
        A folder whose models, schemas and attachments are served; copied.
    model : str
        Which of the models.
    records : sequence of bytes
        What is sent.
    source, sink : mapping
        Stream descriptors of slots 0 and 1.
    pause_s : float
        What the client waits for each record.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        library: Path,
        model: str,
        records: Sequence[bytes],
        source: Mapping[str, Any],
        sink: Mapping[str, Any],
        pause_s: float,
    ) -> None:
        super().__init__(folder, command, environ)
        shutil.copytree(library, folder / "library")
        self.port = free_port()
        self._model, self._streams, self._n_records = model, {1: sink, 0: source}, len(records)
        self.feeder = Feeder(self.port, records, pause_s)

    def _arguments(self) -> list[str]:
        state, library = str(self.folder / "state"), str(self.folder / "library")
        return ["serve", "--state", state, "--library", library, "--port", str(self.port)]

    def settle_in(self, victim: Victim) -> None:
        """Load the model, attach the streams, and let the clients go."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not is_healthy(self.port):
            if victim.poll() is not None or time.monotonic() > deadline_s:
                raise TortureFailed("engine serve did not start.", victim.log_tail())
            time.sleep(POLL_S)
        put(self.port, "/engine/model", json.dumps({"name": self._model}).encode())
        for slot, descriptor in self._streams.items():
            put(self.port, f"/engine/streams/{slot}", json.dumps({"descriptor": descriptor}).encode())
        self.feeder.start()

    @property
    def error(self) -> str:
        """What a client could not go on with."""
        return self.feeder.error

    def close(self) -> None:
        """End the clients."""
        if self.feeder.ident is not None:
            self.feeder.close()


class RestStage(ServedStage):
    """``engine serve`` from a client that sends to one that reads."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reader = Reader(self.port)
        self._n_settled: int | None = None

    def settle_in(self, victim: Victim) -> None:
        """Load the model, attach the streams, and let the clients go."""
        super().settle_in(victim)
        self.reader.start()

    def output_size(self) -> int:
        """Return it; see `Stage`."""
        return len(self.reader.outputs)

    def is_through(self, victim: Victim) -> bool:  # noqa: ARG002 - the reader says it
        """Return it; see `Stage`."""
        if not self.feeder.is_through:
            return False
        if self._n_settled is None:
            self._n_settled = self.reader.n_settled
        # The first answer after that may be to a question from before it.
        return self.reader.n_settled >= self._n_settled + 2

    def outputs(self) -> list[bytes]:
        """Return them; see `Stage`."""
        return self.reader.outputs

    @property
    def error(self) -> str:
        """What a client could not go on with."""
        return self.reader.error or super().error

    def close(self) -> None:
        """End the clients."""
        super().close()
        if self.reader.ident is not None:
            self.reader.close()


class HttpStage(ServedStage):
    """``engine serve`` from a client that sends to a server that outputs are posted to."""

    QUIET_S = 20.0  # an engine at work posted nothing for so long after everything was accepted: it has all come

    def __init__(self, *args: Any, sink: Mapping[str, Any], **options: Any) -> None:
        port = free_port()
        descriptor = {**sink, "Transport": {"Type": "HTTP", "Url": f"http://127.0.0.1:{port}/outputs"}}
        super().__init__(*args, sink=descriptor, **options)
        self._requests = self.folder / "requests.log"
        self._receiver = subprocess.Popen(
            [sys.executable, "-m", "engine.torture.receiver", str(port), str(self._requests)], env=self._environ
        )
        self._counted_bytes, self._counted_n = 0, 0
        self._size, self._grown_s = 0, time.monotonic()
        self._answering: Victim | None = None

    def output_size(self) -> int:
        """Return it; see `Stage`."""
        size = self._requests.stat().st_size if self._requests.exists() else 0
        if size != self._size:
            self._size, self._grown_s = size, time.monotonic()
        return size

    def is_through(self, victim: Victim) -> bool:
        """Return it; see `Stage`."""
        if not self.feeder.is_through:
            return False
        if self._answering is not victim:  # it may still have to post what one before it has left
            if not is_healthy(self.port):
                return False
            self._answering, self._grown_s = victim, time.monotonic()
        if self.output_size() != self._counted_bytes:
            self._counted_bytes, self._counted_n = self._size, len(self.outputs())
        is_quiet = time.monotonic() - self._grown_s > self.QUIET_S
        return self._counted_n >= self._n_records or is_quiet

    def outputs(self) -> list[bytes]:
        """Return them; see `Stage`."""
        requests, _ = read_posts(self._requests)
        return list(itertools.chain.from_iterable(body.splitlines() for _, body in requests))

    def trouble(self) -> str:
        """Return what went wrong beside the outputs."""
        _, n_changed = read_posts(self._requests)
        return f"{n_changed} requests came again with another body." if n_changed else super().trouble()

    def close(self) -> None:
        """End the clients."""
        super().close()
        self._receiver.kill()
        self._receiver.wait()


def engine_environ(state: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return an environment for engines without what would make them differ from each other."""
    return {name: value for name, value in state.items() if not name.startswith("ENGINE_")}
