"""One window of the LSTM a request, over 1 and 32 connections: the engine beside what a user might take instead.

Everybody has the same graph on onnxruntime with one thread, and gets the same windows; the engine's script keeps
nothing, so that a request means the same work for all. Peers take turns and sleep between them. Each answer is compared
with the score of its window.

A second case, ``keyed``, has one price of one of 20 symbols in a request, and a window for each symbol in the engine,
beside a bare server whose script keeps the windows by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.goals import at_least, at_most, batch_of, below, print_goals
from benchmarks.load import Load
from benchmarks.measuring import LOCAL, ROOT, interleave, machine, median_ratio, print_table, save, spread
from benchmarks.metrics import Predicted
from benchmarks.peers.graph import open_scorer
from benchmarks.peers.servers import (
    FASTAPI,
    LITSERVE,
    MLSERVER,
    N_STEPS,
    UVICORN,
    Contender,
    Engine,
    FastAPI,
    LitServe,
    MLServer,
    Raw,
    ServerMissing,
    unpack_model,
)
from testbed.errors import TestbedError

N_REQUESTS = 2000
N_ROUNDS = 5
N_WARM = 100
N_CONNECTIONS = (1, 32)
N_KEYS = 20
TOLERANCE = 1e-6
ADDED_US, RATE_TIMES = 100.0, 3.0
RAW, ENGINE, FAST = "raw", "engine", "FastAPI"


@dataclass(slots=True)
class Lane:
    """A contender, and what it took."""

    contender: Contender
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    predicted: Predicted = field(default_factory=Predicted)

    def ask(self, bodies: list[str], expected: Sequence[float], n_connections: int) -> float:
        """Have another process put the load on it, check every answer, and return the p50 in microseconds."""
        contender = self.contender
        with contender.turn():
            post(contender, bodies[:N_WARM], 1)
            before = contender.predicted()
            result = post(contender, bodies, n_connections)
            self.predicted += contender.predicted() - before
        check(contender.name, [contender.score(answer) for answer in result["answers"]], expected)
        quantiles = statistics.quantiles(result["latencies_ns"], n=100)
        self.p50_us.append(quantiles[49] / 1e3)
        self.p99_us.append(quantiles[98] / 1e3)
        self.rates.append(len(bodies) / result["seconds"])
        return self.p50_us[-1]


def post(contender: Contender, bodies: list[str], n_connections: int) -> dict[str, Any]:
    """Post bodies from a process of its own; return what it measured."""
    load = Load(contender.port, n_connections, 0, "", bodies, contender.path)
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps(asdict(load)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def check(name: str, scores: Sequence[float], expected: Sequence[float]) -> None:
    """Refuse scores that are not right.

    Raises
    ------
    AssertionError
        If one is missing, or further off than rounding explains.
    """
    wanted, got = np.asarray(expected), np.asarray(scores, float)
    if wanted.shape != got.shape:
        raise AssertionError(f"{name}: {len(got)} scores came, and {len(wanted)} are right.")
    off = np.abs(wanted - got) / np.maximum(1.0, np.abs(wanted))
    if not off.max() <= TOLERANCE:  # this way round, so that NaN is refused
        raise AssertionError(f"{name}: the score of request {int(off.argmax())} is off by {off.max():.3g}.")


def crew() -> tuple[list[Contender], list[str]]:
    """Return everybody who can be had here, the engine last, and why others cannot."""
    wanted: dict[str, Callable[[], Contender]] = {
        FAST: FastAPI,
        "FastAPI, async": partial(FastAPI, is_async=True),
        "LitServe": LitServe,
        "LitServe, batching": partial(LitServe, is_batching=True),
        "MLServer": MLServer,
        "MLServer, batching": partial(MLServer, is_batching=True),
    }
    peers, missing = [], []
    for name, make in wanted.items():
        try:
            peers.append(make())
        except TestbedError as exc:
            missing.append(f"{name} is left out. {exc}")
    return [Raw(), *peers, Engine()], missing


@contextlib.contextmanager
def running(contenders: Sequence[Contender], missing: list[str]) -> Iterator[list[Contender]]:
    """Run contenders; those that do not start are left out, and named."""
    with tempfile.TemporaryDirectory(prefix="serving-") as folder, contextlib.ExitStack() as servers:
        model = unpack_model(Path(folder))
        here = []
        for nth, contender in enumerate(contenders):
            place = Path(folder) / str(nth)
            place.mkdir()
            try:
                servers.enter_context(contender.running(model, place))
            except ServerMissing as exc:
                if contender.name in (RAW, ENGINE):
                    raise
                missing.append(f"{contender.name} is left out. {exc}")
                continue
            here.append(contender)
        yield here


def windows_of(n_windows: int) -> list[list[float]]:
    """Return windows that look like adjusted prices."""
    steps = np.random.default_rng(5).normal(size=n_windows + N_STEPS - 1)
    prices = np.empty_like(steps)
    price = 0.0
    for nth, step in enumerate(steps):
        price = prices[nth] = 0.9 * price + step
    return np.lib.stride_tricks.sliding_window_view(prices.round(4), N_STEPS).tolist()


def ticks_of(n_ticks: int) -> list[dict[str, Any]]:
    """Return ticks of 20 symbols; a symbol's price never changes: its window does not depend on who comes first."""
    return [{"symbol": f"S{nth % N_KEYS:03}", "price": (nth % N_KEYS) / N_KEYS} for nth in range(n_ticks)]


def race(
    contenders: Sequence[Contender], bodies: Mapping[str, list[str]], expected: Sequence[float], n: int, n_rounds: int
) -> dict[str, Lane]:
    """Return what everybody took; they take turns."""
    lanes = {contender.name: Lane(contender) for contender in contenders}
    turns = {name: partial(lane.ask, bodies[name], expected, n) for name, lane in lanes.items()}
    interleave(n_rounds, turns)
    return lanes


def figures(lanes: Mapping[str, Lane], n_connections: int, n_requests: int) -> dict[str, Any]:
    """Return a case as it is kept."""
    return {
        "is_verified": True,
        "n_connections": n_connections,
        "n_requests": n_requests,
        "contenders": {
            name: {
                "is_batching": lane.contender.is_batching,
                "mean_batch": lane.predicted.mean_batch,
                **{what: spread(getattr(lane, what)) for what in ("p50_us", "p99_us", "rates")},
            }
            for name, lane in lanes.items()
        },
    }


def judge_one(lanes: Mapping[str, Lane]) -> Iterator[dict[str, Any]]:
    """Give the goals of one connection."""
    mine = lanes[ENGINE]
    added_us = statistics.median(b - a for a, b in zip(lanes[RAW].p50_us, mine.p50_us, strict=True))
    yield at_most("1 connection: us added to raw at p50", added_us, ADDED_US)
    for name, lane in lanes.items():
        if name not in (RAW, ENGINE):
            yield below(f"1 connection: p50, engine / {name}", median_ratio(mine.p50_us, lane.p50_us), 1.0)


def judge_many(lanes: Mapping[str, Lane]) -> Iterator[dict[str, Any]]:
    """Give the goals of many connections, of which the engine makes batches."""
    mine = lanes[ENGINE]
    batch = mine.predicted.mean_batch
    for name, lane in lanes.items():
        if name in (RAW, ENGINE):
            continue
        least = RATE_TIMES if name.startswith(FAST) else 1.0
        yield at_least(f"32 connections: rate, engine / {name}", median_ratio(mine.rates, lane.rates), least, batch)
        if name.startswith(FAST):
            yield below(f"32 connections: p99, engine / {name}", median_ratio(mine.p99_us, lane.p99_us), 1.0, batch)


def measure_windows(scale: float, n_rounds: int, results: dict[str, Any]) -> None:
    """Add the cases of one window a request."""
    contenders, missing = crew()
    n_requests = max(64, round(N_REQUESTS * scale))
    windows = windows_of(n_requests)
    with running(contenders, missing) as here, tempfile.TemporaryDirectory(prefix="serving-") as folder:
        score = open_scorer(unpack_model(Path(folder)), 1)
        expected = [float(score([window])[0]) for window in windows]
        bodies = {contender.name: [contender.body(window) for window in windows] for contender in here}
        for n, judge in zip(N_CONNECTIONS, (judge_one, judge_many), strict=True):
            lanes = race(here, bodies, expected, n, n_rounds)
            results["cases"][f"window x{n}"] = figures(lanes, n, n_requests)
            results["goals"] += list(judge(lanes))
    results["missing"] += missing


def measure_keyed(scale: float, n_rounds: int, results: dict[str, Any]) -> None:
    """Add the case of one price a request, and a window for each symbol."""
    contenders = [
        Raw(script="lstm_ticks_by_hand"),
        Engine(script="lstm_ticks", asked=json.dumps({"symbol": "", "price": 0.0})),
    ]
    n = N_CONNECTIONS[-1]
    ticks = ticks_of(max(64, round(N_REQUESTS * scale)))
    bodies = [json.dumps(tick) for tick in ticks]
    with running(contenders, []) as here, tempfile.TemporaryDirectory(prefix="serving-") as folder:
        score = open_scorer(unpack_model(Path(folder)), 1)
        expected = [float(score([[tick["price"]] * N_STEPS])[0]) for tick in ticks]
        filling = [json.dumps(tick) for tick in ticks_of(N_KEYS)] * N_STEPS
        for contender in here:
            with contender.turn():
                post(contender, filling, 1)
        lanes = race(here, {contender.name: bodies for contender in here}, expected, n, n_rounds)
    results["cases"][f"keyed x{n}"] = figures(lanes, n, len(bodies))


def measure(scale: float, n_rounds: int) -> dict[str, Any]:
    """Return the figures of everybody; `scale` multiplies the number of requests."""
    versions = {"fastapi": FASTAPI, "uvicorn": UVICORN, "litserve": LITSERVE, "mlserver": MLSERVER}
    results: dict[str, Any] = {"benchmark": "serving", "machine": machine(), "peers": versions}
    results |= {"missing": [], "cases": {}, "goals": []}
    measure_windows(scale, n_rounds, results)
    measure_keyed(scale, n_rounds, results)
    return results


def show(results: Mapping[str, Any]) -> None:
    """Print the figures, and how they stand to the goals."""
    for line in results["missing"]:
        print(line)
    head = ("who", "p50 us", "p99 us", "scores/s", "lowest", "highest", "mean batch")
    for case, found in results["cases"].items():
        rows = [
            (
                name,
                one["p50_us"]["median"],
                one["p99_us"]["median"],
                *(f"{one['rates'][what]:,.0f}" for what in ("median", "min", "max")),
                batch_of(one),
            )
            for name, one in found["contenders"].items()
        ]
        print_table(f"LSTM over REST, {case}, {found['n_requests']:,} requests", head, rows)
    print_goals(results["goals"])


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``serving.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of requests")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    results = measure(options.scale, options.rounds)
    show(results)
    save("serving", results, options.out)


if __name__ == "__main__":
    main()
