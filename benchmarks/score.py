"""``POST /score`` of a real ``engine serve``, against a raw asyncio server with the script in its own process.

Each side is a process (the engine two: server and jet), and so is the client. Scores are compared: over one connection
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
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load import Load
from benchmarks.measuring import LOCAL, ROOT, interleave, machine, median_ratio, print_table, save, spread
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
    """A server, and what it answered."""

    port: int
    p50_us: list[float]
    p99_us: list[float]
    rates: list[float]
    answers: list[Any]


@contextlib.contextmanager
def raw_server(script: Path, folder: Path) -> Iterator[int]:
    """Run the baseline; yields its port."""
    command = [sys.executable, "-m", "benchmarks.raw_server", str(script), str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, env=clean_environ({"PYTHONPATH": str(ROOT)})
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@contextlib.contextmanager
def engine_server(name: str, folder: Path) -> Iterator[int]:
    """Run an engine that serves a model over REST; yields its port."""
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
        yield server.port


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
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps(asdict(load)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    result = json.loads(ran.stdout)
    quantiles = statistics.quantiles(result["latencies_ns"], n=100)
    side.p50_us.append(quantiles[49] / 1e3)
    side.p99_us.append(quantiles[98] / 1e3)
    side.rates.append(len(load.bodies) / result["seconds"])
    side.answers.append(result["answers"])
    return side.p50_us[-1]


def check(name: str, n_connections: int, bodies: list[str], raw: Side, engine: Side) -> bool:
    """Return whether both sides answered every request, rightly."""
    rounds = raw.answers + engine.answers
    if name == "no_op":
        return rounds == [[float(body) for body in bodies]] * len(rounds)
    if n_connections == 1:
        return all(type(answer) is float for answer in rounds[0]) and rounds == [rounds[0]] * len(rounds)
    return type(rounds[0][0]) is float and {answer for answers in rounds for answer in answers} == {rounds[0][0]}


def measure_case(
    name: str, ports: dict[str, int], n_connections: int, n_requests: int, n_rounds: int
) -> dict[str, Any]:
    """Return the figures of one model under one number of connections."""
    bodies = bodies_of(name, n_connections, n_requests)
    sides = {side: Side(port, [], [], [], []) for side, port in ports.items()}
    interleave(
        n_rounds,
        {
            side: partial(ask, figures, Load(figures.port, n_connections, N_WARM, "0.25", bodies))
            for side, figures in sides.items()
        },
    )
    raw, engine = sides["raw"], sides["engine"]
    if not check(name, n_connections, bodies, raw, engine):
        raise AssertionError(f"{name} over {n_connections} connections: the scores are not right")
    added_us = statistics.median(b - a for a, b in zip(raw.p50_us, engine.p50_us, strict=True))
    return {
        "is_verified": True,
        "model": name,
        "n_connections": n_connections,
        "n_requests": n_requests,
        "added_p50_us": round(added_us, 1),
        "ratio": median_ratio(engine.p50_us, raw.p50_us),
        **{
            f"{side}_{what}": spread(getattr(figures, what))
            for side, figures in sides.items()
            for what in ("p50_us", "p99_us", "rates")
        },
    }


def measure(scale: float, n_rounds: int) -> dict[str, Any]:
    """Return the latencies of every case; `scale` multiplies the number of requests."""
    results: dict[str, Any] = {"benchmark": "score", "machine": machine(), "cases": {}}
    for name, script in SCRIPTS.items():
        n_requests = max(64, round(N_REQUESTS[name] * scale))
        with tempfile.TemporaryDirectory(prefix="score-") as folder:
            beside = _unpacked(name, Path(folder) / "raw")
            with raw_server(script, beside) as raw, engine_server(name, Path(folder) / "engine") as engine:
                for n_connections in N_CONNECTIONS:
                    results["cases"][f"{name} x{n_connections}"] = measure_case(
                        name, {"raw": raw, "engine": engine}, n_connections, n_requests, n_rounds
                    )
    return results


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    rows = [
        (
            case,
            *(figures[key]["median"] for key in ("raw_p50_us", "engine_p50_us")),
            figures["added_p50_us"],
            figures["ratio"],
            *(figures[key]["median"] for key in ("raw_p99_us", "engine_p99_us", "raw_rates", "engine_rates")),
        )
        for case, figures in results["cases"].items()
    ]
    head = (
        "model x connections",
        "raw p50 us",
        "engine p50 us",
        "added us",
        "ratio",
        "raw p99",
        "engine p99",
        "raw/s",
        "engine/s",
    )
    print_table("POST /score, against a raw asyncio server", head, rows)


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
