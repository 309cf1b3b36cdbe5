"""What it costs to keep a record before it is answered: ``POST /input`` of one record, by what ``Durable`` promises.

Each promise has its server, all with the same no-op script whose outputs are discarded; they take turns. ``false``
keeps nothing and is the baseline, ``process`` survives the end of the process, ``disk`` a power loss.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load import Load
from benchmarks.measuring import LOCAL, ROOT, interleave, machine, median_ratio, print_table, save, spread
from benchmarks.score import make_library
from demo.server import Server

PROMISES: dict[str, str | bool] = {"false": False, "process": "process", "disk": "disk"}
POLL_S = 0.01  # between two looks at an engine: little beside what is measured
N_CONNECTIONS = (1, 32)
N_REQUESTS = 3000
N_ROUNDS = 5
N_WARM = 200
SETTLE_S = 60.0


@dataclass(slots=True)
class Side:
    """A server, and what it took."""

    port: int
    n_sent: int = 0
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    us_per_record: list[float] = field(default_factory=list)


def ask(port: int, method: str, path: str, body: Any = None) -> Any:
    """Send one request that must succeed, and return the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SETTLE_S)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        said = response.read()
        if response.status >= http.client.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {response.status} {said.decode()}")
        return json.loads(said) if said else None
    finally:
        connection.close()


@contextlib.contextmanager
def engine_server(promise: str | bool, folder: Path) -> Iterator[int]:
    """Run an engine that takes records with a promise; yields its port."""
    with Server(folder, library=make_library("no_op", folder / "library")) as server:
        source = {"Transport": "REST", "Encoding": "json", "Durable": promise}
        ask(server.port, "PUT", "/engine/model", {"name": "no_op"})
        ask(server.port, "PUT", "/engine/streams/1", {"descriptor": "discard:"})
        ask(server.port, "PUT", "/engine/streams/0", {"descriptor": source})
        yield server.port


def send(side: Side, n_connections: int, n_requests: int) -> float:
    """Have another process send records; return the microseconds that one takes."""
    bodies = [repr((nth % 997) / 1000) for nth in range(n_requests)]
    load = Load(side.port, n_connections, N_WARM, "0.25", bodies, "/input/0")
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps(asdict(load)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    result = json.loads(ran.stdout)
    if result["answers"] != [{"accepted": 1}] * n_requests:
        raise AssertionError("a record was not accepted")
    quantiles = statistics.quantiles(result["latencies_ns"], n=100)
    side.n_sent += n_requests + N_WARM
    side.p50_us.append(quantiles[49] / 1e3)
    side.p99_us.append(quantiles[98] / 1e3)
    side.us_per_record.append(result["seconds"] / n_requests * 1e6)
    wait_until_scored(side)
    return side.us_per_record[-1]


def wait_until_scored(side: Side) -> None:
    """Wait until everything sent is scored: no contender works while another one's turn is on."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        slots = {slot["slot"]: slot for slot in ask(side.port, "GET", "/engine")["slots"]}
        if slots[0]["n_records"] == slots[1]["n_records"] == side.n_sent:
            return
        if time.monotonic() > deadline:
            counts = (slots[0]["n_records"], slots[1]["n_records"])
            raise AssertionError(f"{side.n_sent} records were accepted, and {counts} scored and written")
        time.sleep(POLL_S)


def measure(scale: float, n_rounds: int) -> dict[str, Any]:
    """Return the figures of every promise and number of connections; `scale` multiplies the number of requests."""
    results: dict[str, Any] = {"benchmark": "durability", "machine": machine(), "cases": {}}
    n_requests = max(128, round(N_REQUESTS * scale))
    with tempfile.TemporaryDirectory(prefix="durability-") as folder, contextlib.ExitStack() as servers:
        ports = {
            name: servers.enter_context(engine_server(promise, Path(folder) / name))
            for name, promise in PROMISES.items()
        }
        sides = {name: Side(port) for name, port in ports.items()}
        for n_connections in N_CONNECTIONS:
            for side in sides.values():
                side.p50_us, side.p99_us, side.us_per_record = [], [], []
            interleave(n_rounds, {name: partial(send, side, n_connections, n_requests) for name, side in sides.items()})
            for name, side in sides.items():
                results["cases"][f"{name} x{n_connections}"] = {
                    "is_verified": True,
                    "durable": name,
                    "n_connections": n_connections,
                    "n_requests": n_requests,
                    "ratio": median_ratio(side.us_per_record, sides["false"].us_per_record),
                    **{what: spread(getattr(side, what)) for what in ("us_per_record", "p50_us", "p99_us")},
                }
    return results


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    rows = [
        (case, *(figures[key]["median"] for key in ("us_per_record", "p50_us", "p99_us")), figures["ratio"])
        for case, figures in results["cases"].items()
    ]
    head = ("Durable x connections", "us/record", "p50 us", "p99 us", "times false")
    print_table("POST /input of one record, by what is promised", head, rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``durability.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of requests")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    results = measure(options.scale, options.rounds)
    show(results)
    save("durability", results, options.out)


if __name__ == "__main__":
    main()
