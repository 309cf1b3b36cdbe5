"""The LSTM from file to file, with a window for each of 20 symbols or of one, beside onnxruntime alone.

onnxruntime alone has the windows in memory, cut and in its type, and gives nothing but the scores: 64 windows a call,
and one by one. It reads and writes no file and keeps no state. All have the same number of threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.goals import at_least, batch_of, print_goals
from benchmarks.measuring import LOCAL, interleave, machine, median_ratio, print_table, save, spread
from benchmarks.peers.graph import open_scorer
from benchmarks.peers.servers import unpack_model
from benchmarks.ticks import Array, Runs, Ticks, Took, check, read_doubles, total

N_RECORDS = 20_000  # three seconds
N_ROUNDS = 5
N_KEYS = (20, 1)
BATCH = 64
TOLERANCE = 1e-6
SHARE = 0.8
ALONE, ONE_BY_ONE, ENGINE = f"onnxruntime, batches of {BATCH}", "onnxruntime, one by one", "engine"


@dataclass(slots=True)
class Alone:
    """onnxruntime with windows in memory."""

    score: Callable[[Array], Array]
    windows: Array
    batch: int
    scores: Array = field(default_factory=lambda: np.empty(0))

    def drive(self) -> float:
        """Score all windows; return the seconds."""
        started_s = time.perf_counter()
        found = [self.score(self.windows[at : at + self.batch]) for at in range(0, len(self.windows), self.batch)]
        self.scores = np.concatenate(found)
        return time.perf_counter() - started_s


@dataclass(slots=True)
class Ours:
    """The engine with a file of ticks."""

    runs: Runs
    source: Path
    target: Path
    took: list[Took] = field(default_factory=list)

    def drive(self) -> float:
        """Score the file; return the seconds."""
        self.took.append(self.runs.run(self.source, self.target))
        return self.took[-1].seconds


def measure_case(n_keys: int, n_records: int, n_rounds: int, n_threads: int, folder: Path) -> dict[str, Any]:
    """Return the figures of one number of keys."""
    ticks = Ticks.draw(n_records, n_keys)
    source, target = folder / f"in-{n_keys}", folder / f"out-{n_keys}"
    ticks.write(source)
    place = folder / f"engine-{n_keys}"
    place.mkdir()
    score = open_scorer(folder / "lstm.onnx", n_threads)
    windows = ticks.windows().astype(np.float32)
    alone, one_by_one = Alone(score, windows, BATCH), Alone(score, windows, 1)
    ours = Ours(Runs("lstm_ticks", place, n_threads=n_threads), source, target)
    contenders = {ALONE: alone.drive, ONE_BY_ONE: one_by_one.drive, ENGINE: partial(_checked, ours, alone)}
    seconds = interleave(n_rounds, contenders)
    check(ONE_BY_ONE, one_by_one.scores, alone.scores, TOLERANCE)
    batches = {ALONE: float(BATCH), ONE_BY_ONE: 1.0, ENGINE: total(ours.took).mean_batch}
    return {
        "is_verified": True,
        "n_keys": n_keys,
        "ratio": median_ratio(seconds[ALONE], seconds[ENGINE]),
        "contenders": {
            name: {"mean_batch": batches[name], "us": spread([s / n_records * 1e6 for s in taken])}
            for name, taken in seconds.items()
        },
    }


def _checked(ours: Ours, alone: Alone) -> float:
    seconds = ours.drive()
    if not len(alone.scores):  # every other round runs backwards, the first does not: somebody changed that
        alone.drive()
    check(ENGINE, read_doubles(ours.target), alone.scores, TOLERANCE)
    return seconds


def measure(n_records: int, n_rounds: int, n_threads: int) -> dict[str, Any]:
    """Return the microseconds that a record costs, by the number of keys and contender."""
    results: dict[str, Any] = {"benchmark": "files", "machine": machine(), "n_records": n_records}
    results |= {"n_threads": n_threads, "cases": {}, "goals": []}
    with tempfile.TemporaryDirectory(prefix="files-") as name:
        folder = Path(name)
        unpack_model(folder)
        for n_keys in N_KEYS:
            case = measure_case(n_keys, n_records, n_rounds, n_threads, folder)
            what = f"{n_keys} key{'s' * (n_keys > 1)}"
            results["cases"][what] = case
            mean_batch = case["contenders"][ENGINE]["mean_batch"]
            goal = at_least(f"file to file, {what}: rate, engine / {ALONE}", case["ratio"], SHARE, mean_batch)
            results["goals"].append(goal)
    return results


def show(results: Mapping[str, Any]) -> None:
    """Print the figures."""
    rows = [
        (
            f"{case}: {who}",
            *(figures["us"][what] for what in ("median", "min", "max")),
            f"{1e6 / figures['us']['median']:,.0f}",
            batch_of(figures),
        )
        for case, found in results["cases"].items()
        for who, figures in found["contenders"].items()
    ]
    head = ("who", "us/record", "lowest", "highest", "records/s", "mean batch")
    title = f"LSTM from file to file, {results['n_records']:,} records, {results['n_threads']} thread(s)"
    print_table(title, head, rows)
    print_goals(results["goals"])


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``files.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=N_RECORDS)
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--threads", type=int, default=1, help="of the model, for everybody")
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    results = measure(options.records, options.rounds, options.threads)
    show(results)
    save("files", results, options.out)


if __name__ == "__main__":
    main()
