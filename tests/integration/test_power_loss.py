"""The power goes while an engine works: what the disk may have then is enough to go on, with nothing lost or repeated.

An engine's writes and syncs are recorded. For many moments of it the disk is put together from what was synced and a
random part of the rest, and another engine goes on from there.
"""

from __future__ import annotations

import http.client
import json
import random
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import pytest

from engine.torture.cases import SCRIPTS, ticks
from engine.torture.peers import RECORDS_TYPE, Line, is_healthy, put
from engine.torture.stages import engine_environ, free_port
from engine.torture.verdicts import Verdict, compare
from engine.torture.victim import Victim
from tests.integration.disks import Recording

N_RECORDS = 600
N_LOSSES = 10  # a test; each starts an engine
BATCH = 25
PAUSE_S = 0.0004
# Many commits in the little time that is recorded.
ENVIRON = engine_environ() | {"ENGINE_COMMIT_INTERVAL": "10ms"}
BATCHING = {"Watermark": BATCH, "NagleTime": 0}


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "engine", *map(str, arguments)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    for part in ("model_scripts", "schemas", "streams"):
        (folder / part).mkdir()
    shutil.copy(SCRIPTS / "running.py", folder / "model_scripts")
    inputs = folder / "inputs.jsons"
    inputs.write_bytes(b"".join(record + b"\n" for record in ticks(N_RECORDS, 0, PAUSE_S)))
    stream = {"Transport": {"Type": "file", "Path": str(inputs)}, "Encoding": "json", "Batching": BATCHING}
    (folder / "streams" / "inputs.json").write_text(json.dumps(stream))
    return folder


@pytest.fixture(scope="module")
def expected(library: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("expected")
    run(library, folder, ENVIRON)
    outputs = (folder / "outputs.jsons").read_bytes().splitlines()
    assert len(outputs) == N_RECORDS
    return outputs


def run(library: Path, folder: Path, environ: dict[str, str], *options: str) -> None:
    """Run the script from the library's file to one in a folder that has the state too."""
    script = library / "model_scripts" / "running.py"
    arguments = ("run", script, "inputs", folder / "outputs.jsons", "--state", folder / "state", *options)
    victim = Victim(program(*arguments), library, library / "engine.log", environ)
    code = victim.wait()
    assert code == 0, victim.log_tail()


def always(_path: str) -> bool:
    return True


@dataclass
class Recorded:
    """An engine's work as it was recorded, and how another one goes on with what is left of it."""

    recording: Recording
    first: int
    go_on: Callable[[int], Sequence[bytes]]

    def lose_power(self, n: int, seed: int, is_synced: Callable[[str], bool] = always) -> list[tuple[int, Any]]:
        """Return what came out after each of some losses: the position, and the outputs or what went wrong."""
        rng, found = random.Random(seed), []
        ends = [one.end for one in self.recording.operations() if one.end >= self.first]
        for _ in range(n):
            until = rng.choice(ends)
            self.recording.leave(self.recording.folder, until, rng, is_synced=is_synced)
            try:
                found.append((until, self.go_on(until)))
            except AssertionError as exc:
                found.append((until, exc))
        return found


@pytest.fixture(scope="module")
def recorded_run(library: Path, expected: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    place = tmp_path_factory.mktemp("run")
    folder = place / "disk"
    folder.mkdir()
    recording = Recording(folder, place)
    run(library, folder, ENVIRON | recording.environ)
    recording.keep_inodes()
    assert (folder / "outputs.jsons").read_bytes().splitlines() == expected

    def go_on(_until: int) -> list[bytes]:
        run(library, folder, ENVIRON, "--resume")
        return (folder / "outputs.jsons").read_bytes().splitlines()

    return Recorded(recording, 0, go_on)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_goes_on_after_a_power_loss_and_its_file_is_complete(
    recorded_run: Recorded, expected: list[bytes], seed: int
) -> None:
    for until, outputs in recorded_run.lose_power(N_LOSSES, seed):
        assert not isinstance(outputs, AssertionError), f"after position {until}: {outputs}"
        assert compare(expected, outputs) == Verdict(), f"after position {until}"


def test_without_the_sync_of_the_output_file_a_power_loss_shows(recorded_run: Recorded, expected: list[bytes]) -> None:
    losses = recorded_run.lose_power(N_LOSSES, 4, lambda path: not path.endswith("outputs.jsons"))
    assert any(isinstance(outputs, AssertionError) or compare(expected, outputs) != Verdict() for _, outputs in losses)


@dataclass
class Clients:
    """What the sender and the reader of a recorded server knew, and when: positions of the recording."""

    accepted: list[tuple[int, int]] = field(default_factory=list)
    read: list[tuple[int, list[bytes]]] = field(default_factory=list)

    def n_accepted(self, until: int) -> int:
        return max((n for position, n in self.accepted if position <= until), default=0)

    def outputs(self, until: int) -> list[bytes]:
        return max((outputs for position, outputs in self.read if position <= until), key=len, default=[])


class Served:
    """``engine serve`` with a REST input that is kept on the disk, and a REST output."""

    def __init__(self, library: Path, folder: Path, environ: dict[str, str]) -> None:
        self.port = free_port()
        arguments = ("serve", "--library", library, "--state", folder / "state", "--port", self.port)
        self.victim = Victim(program(*arguments), library, library / "engine.log", environ)
        while not is_healthy(self.port):
            assert self.victim.poll() is None, self.victim.log_tail()
        self._line = Line(self.port, threading.Event())

    def set_up(self) -> None:
        put(self.port, "/engine/model", b'{"name": "running"}')
        source = {"Transport": "REST", "Encoding": "json", "Durable": "disk", "Batching": BATCHING}
        for slot, descriptor in ((1, {"Transport": "REST", "Encoding": "json"}), (0, source)):
            put(self.port, f"/engine/streams/{slot}", json.dumps({"descriptor": descriptor}).encode())

    def send(self, first: int) -> None:
        """Send a batch of the records, under the key that it always has."""
        records = ticks(N_RECORDS, 0, PAUSE_S)[first : first + BATCH]
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"batch-{first}"}
        answer = self._line.ask("POST", "/input/0", b"\n".join(records), headers)
        assert answer is not None, self.victim.log_tail()
        assert answer[0] == http.client.ACCEPTED, answer

    def read(self, after: int, wait: str) -> tuple[list[bytes], bool]:
        """Return outputs, and whether there is nothing more to wait for."""
        answer = self._line.ask("GET", f"/output/1?after={after}&wait={wait}", None, {"Accept": RECORDS_TYPE})
        assert answer is not None, self.victim.log_tail()
        status, headers, body = answer
        assert status in (http.client.OK, http.client.NO_CONTENT), answer
        return msgpack.unpackb(body) if body else [], headers.get("Engine-Settled") == "true"

    def close(self) -> None:
        self._line.close()
        self.victim.kill()


@pytest.fixture(scope="module")
def recorded_server(library: Path, expected: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    place = tmp_path_factory.mktemp("server")
    folder = place / "disk"
    folder.mkdir()
    recording, clients = Recording(folder, place), Clients()
    served = Served(library, folder, ENVIRON | recording.environ)
    try:
        served.set_up()
        first = recording.position
        outputs: list[bytes] = []
        for batch in range(0, N_RECORDS, BATCH):
            served.send(batch)
            clients.accepted.append((recording.position, batch + BATCH))
            outputs = outputs + served.read(len(outputs), "20ms")[0]
            clients.read.append((recording.position, outputs))
    finally:
        served.close()
    recording.keep_inodes()

    def go_on(until: int) -> list[bytes]:
        again = Served(library, folder, ENVIRON)
        outputs, n_settled = clients.outputs(until), 0
        try:
            for batch in range(clients.n_accepted(until), N_RECORDS, BATCH):
                again.send(batch)
            while n_settled < 2:
                values, is_settled = again.read(len(outputs), "5s")
                outputs = outputs + values
                n_settled += is_settled and not values
        finally:
            again.close()
        return outputs

    return Recorded(recording, first, go_on)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_server_has_acknowledged_is_there_after_a_power_loss(
    recorded_server: Recorded, expected: list[bytes], seed: int
) -> None:
    for until, outputs in recorded_server.lose_power(N_LOSSES, seed):
        assert not isinstance(outputs, AssertionError), f"after position {until}: {outputs}"
        assert compare(expected, outputs) == Verdict(), f"after position {until}"


def test_without_the_syncs_of_the_store_a_power_loss_shows(recorded_server: Recorded, expected: list[bytes]) -> None:
    losses = recorded_server.lose_power(N_LOSSES, 4, lambda path: not path.endswith("-wal"))
    assert any(isinstance(outputs, AssertionError) or compare(expected, outputs) != Verdict() for _, outputs in losses)
