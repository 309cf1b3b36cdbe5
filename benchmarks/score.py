"""``POST /score`` of a real ``engine serve``, against a raw asyncio server with the script in its own process.

The no-op is also compared with Starlette on the same uvicorn. Each side is a process (the engine two: server and jet),
and so is the client. Scores are compared: over one connection
they must be equal record by record; over 32 the order is nobody's, so that a no-op must give back what it got, and the
LSTM gets one price for ever.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load import Load
from benchmarks.measuring import LOCAL, ROOT, interleave, machine, median_ratio, print_table, save, spread
from benchmarks.metrics import Predicted, predicted_over_http
from demo.server import Server, clean_environ

N_REQUESTS = {"no_op": 4000, "tf_sp500_lstm": 2000}
N_ROUNDS = 5
N_CONNECTIONS = (1, 32)
N_WARM = 200  # the LSTM's window is 30 prices; the rest warms caches on both sides
SCRIPTS = {
    "no_op": ROOT / "benchmarks" / "scripts" / "no_op.py",
    "tf_sp500_lstm": ROOT / "model_scripts" / "tf_sp500_lstm.py",
}


@dataclass(slots=True)
class Side:
    """A server, what it took, and what it answered."""

    port: int
    pids: dict[str, int]
    """Its processes, by what they are."""
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu_us: dict[str, list[float]] = field(default_factory=dict)
    """By process, of CPU for a request."""
    answers: list[Any] = field(default_factory=list)
    predicted: Predicted | None = None
    """What its predictors did, where it says so."""


Start = Callable[[str, Path], contextlib.AbstractContextManager[Side]]
"""Runs a side: takes the name of a model, and a folder of its own."""


@contextlib.contextmanager
def run_raw(name: str, folder: Path) -> Iterator[Side]:
    """Run the baseline."""
    beside = str(_unpacked(name, folder))
    with _server("benchmarks.raw_server", str(SCRIPTS[name]), beside) as side:
        yield side


@contextlib.contextmanager
def run_starlette(_name: str, _folder: Path) -> Iterator[Side]:
    """Run Starlette."""
    with _server("benchmarks.starlette_server") as side:
        yield side


@contextlib.contextmanager
def _server(module: str, *arguments: str) -> Iterator[Side]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, env=clean_environ({"PYTHONPATH": str(ROOT)})
    ) as process:
        try:
            assert process.stdout is not None
            yield Side(int(process.stdout.readline()), {"server": process.pid})
        finally:
            process.terminate()


@contextlib.contextmanager
def run_engine(name: str, folder: Path) -> Iterator[Side]:
    """Run an engine that serves a model over REST."""
    folder.mkdir()
    with Server(folder, library=make_library(name, folder / "library")) as server:
        for path, body in (
            ("model", {"name": name}),
            ("streams/1", {"name": "rest"}),
            ("streams/0", {"name": "rest"}),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            connection.request("PUT", f"/engine/{path}", json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise RuntimeError(response.read().decode())
            connection.close()
        (jet,) = _children(server.pid)
        yield Side(server.port, {"server": server.pid, "jet": jet}, predicted=Predicted())


CONTENDERS: dict[str, dict[str, Start]] = {
    "no_op": {"raw": run_raw, "starlette": run_starlette, "engine": run_engine},
    "tf_sp500_lstm": {"raw": run_raw, "engine": run_engine},
}
"""For each model who scores it; raw and engine are compared, and what is said of the others is their figures."""


def make_library(name: str, folder: Path) -> Path:
    """Make a library with one of the scripts and all that it needs."""
    for part in ("model_scripts", "schemas", "streams"):
        (folder / part).mkdir(parents=True)
    shutil.copy(SCRIPTS[name], folder / "model_scripts")
    shutil.copy(ROOT / "schemas" / "double.avsc", folder / "schemas")
    shutil.copy(ROOT / "streams" / "rest.json", folder / "streams")
    if _attachments(name).exists():
        shutil.copytree(_attachments(name), folder / "attachments" / name)
    return folder


def _attachments(name: str) -> Path:
    return ROOT / "attachments" / name


def _unpacked(name: str, folder: Path) -> Path:
    folder.mkdir()
    for archive in _attachments(name).glob("*.tar.gz"):
        with tarfile.open(archive) as members:
            members.extractall(folder, filter="data")
    return folder


def bodies_of(name: str, n_connections: int, n_requests: int) -> list[str]:
    """Return what is sent: numbers that differ, unless answers depend on an order that connections do not have."""
    if n_connections > 1 and name != "no_op":
        return ["0.25"] * n_requests
    return [repr((nth % 997) / 1000) for nth in range(n_requests)]


def ask(side: Side, load: Load) -> float:
    """Have another process put the load on a side; return the p50 in microseconds."""
    before_us = {what: _cpu_us(pid) for what, pid in side.pids.items()}
    before = predicted_over_http(side.port) if side.predicted is not None else None
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps(asdict(load)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    for what, pid in side.pids.items():
        used_us = (_cpu_us(pid) - before_us[what]) / (load.n_warm + len(load.bodies))
        side.cpu_us.setdefault(what, []).append(used_us)
    if side.predicted is not None and before is not None:
        side.predicted += predicted_over_http(side.port) - before
    result = json.loads(ran.stdout)
    quantiles = statistics.quantiles(result["latencies_ns"], n=100)
    side.p50_us.append(quantiles[49] / 1e3)
    side.p99_us.append(quantiles[98] / 1e3)
    side.rates.append(len(load.bodies) / result["seconds"])
    side.answers.append(result["answers"])
    return side.p50_us[-1]


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _cpu_us(pid: int) -> float:
    """Return what a process has used, all of its threads: nanoseconds in the first field of each one's schedstat."""
    used_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            used_ns += int((task / "schedstat").read_text().split()[0])
    return used_ns / 1e3


def check(name: str, n_connections: int, bodies: list[str], sides: Iterable[Side]) -> bool:
    """Return whether all sides answered every request, rightly."""
    rounds = [answers for side in sides for answers in side.answers]
    if name == "no_op":
        return rounds == [[float(body) for body in bodies]] * len(rounds)
    if n_connections == 1:
        return all(type(answer) is float for answer in rounds[0]) and rounds == [rounds[0]] * len(rounds)
    return type(rounds[0][0]) is float and {answer for answers in rounds for answer in answers} == {rounds[0][0]}


def measure_case(
    name: str, sides: Mapping[str, Side], n_connections: int, n_requests: int, n_rounds: int
) -> dict[str, Any]:
    """Return the figures of one model under one number of connections."""
    bodies = bodies_of(name, n_connections, n_requests)
    sides = {what: Side(side.port, side.pids, predicted=side.predicted) for what, side in sides.items()}
    interleave(
        n_rounds,
        {
            what: partial(ask, side, Load(side.port, n_connections, N_WARM, "0.25", bodies))
            for what, side in sides.items()
        },
    )
    raw, engine = sides["raw"], sides["engine"]
    if not check(name, n_connections, bodies, sides.values()):
        raise AssertionError(f"{name} over {n_connections} connections: the scores are not right")
    added_us = statistics.median(b - a for a, b in zip(raw.p50_us, engine.p50_us, strict=True))
    figures = {
        "is_verified": True,
        "model": name,
        "n_connections": n_connections,
        "n_requests": n_requests,
        "added_p50_us": round(added_us, 1),
        "ratio": median_ratio(engine.p50_us, raw.p50_us),
        "mean_batch": engine.predicted.mean_batch if engine.predicted is not None else None,
        **{
            f"{what}_{figure}": spread(getattr(side, figure))
            for what, side in sides.items()
            for figure in ("p50_us", "p99_us", "rates")
        },
        **{
            f"{what}_{process}_cpu_us": spread(used_us)
            for what, side in sides.items()
            for process, used_us in side.cpu_us.items()
        },
    }
    others = {what: side for what, side in sides.items() if what not in ("raw", "engine")}
    return figures | {f"rate_to_{what}": median_ratio(engine.rates, side.rates) for what, side in others.items()}


def measure(scale: float, n_rounds: int) -> dict[str, Any]:
    """Return the latencies of every case; `scale` multiplies the number of requests."""
    results: dict[str, Any] = {"benchmark": "score", "machine": machine(), "cases": {}}
    for name, contenders in CONTENDERS.items():
        n_requests = max(64, round(N_REQUESTS[name] * scale))
        with contextlib.ExitStack() as running:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="score-")))
            sides = {what: running.enter_context(start(name, folder / what)) for what, start in contenders.items()}
            for n_connections in N_CONNECTIONS:
                results["cases"][f"{name} x{n_connections}"] = measure_case(
                    name, sides, n_connections, n_requests, n_rounds
                )
    return results


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    rows = [
        (
            case,
            what,
            *(figures[f"{what}_{key}"]["median"] for key in ("p50_us", "p99_us", "rates", "server_cpu_us")),
            figures["engine_jet_cpu_us"]["median"] if what == "engine" else "",
            figures["added_p50_us"] if what == "engine" else "",
            figures.get(f"rate_to_{what}", ""),
        )
        for case, figures in results["cases"].items()
        for what in CONTENDERS[figures["model"]]
    ]
    head = (
        "model x connections",
        "server",
        "p50 us",
        "p99 us",
        "scores/s",
        "CPU us",
        "jet's",
        "added us",
        "engine's rate to it",
    )
    print_table("POST /score, against a raw asyncio server and Starlette", head, rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``score.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of requests")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    results = measure(options.scale, options.rounds)
    show(results)
    save("score", results, options.out)


if __name__ == "__main__":
    main()
