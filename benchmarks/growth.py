"""What a record costs when there are more of them, and more keys: it should be the same.

From file to file, a window of 30 prices for each of 20 or 1,000 symbols: ``mean`` gives its mean, ``lstm`` what the
model says. The cost of a further record is the time of a run less that of the next smaller one, by the records between:
what a run costs at its begin and end is not in it.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.goals import batch_of, below, print_goals
from benchmarks.measuring import LOCAL, interleave, machine, print_table, save, spread
from benchmarks.peers.graph import open_scorer
from benchmarks.peers.servers import unpack_model
from benchmarks.ticks import Array, Runs, Ticks, Took, check, read_doubles, total

N_KEYS = (20, 1000)
SIZES = {"mean": (10_000, 100_000, 1_000_000), "lstm": (2_000, 8_000, 32_000)}
SCRIPTS = {"mean": "last_ticks", "lstm": "lstm_ticks"}
TOLERANCES = {"mean": 1e-12, "lstm": 1e-6}
N_ROUNDS = 3
GROWTH = 1.2
BATCH = 64


def scorer(part: str, folder: Path) -> Callable[[Array], Array]:
    """Return what gives the right outputs for some windows."""
    if part == "mean":
        return lambda windows: windows.mean(axis=1)
    score = open_scorer(unpack_model(folder), 1)
    return lambda windows: np.concatenate(
        [score(windows[at : at + BATCH]) for at in range(0, len(windows), BATCH)] or [np.empty(0)]
    )


class Case:
    """One size of one part: a file, and runs over it."""

    def __init__(self, part: str, n_keys: int, n_records: int, runs: Runs, folder: Path) -> None:
        self.part, self.n_keys, self.n_records = part, n_keys, n_records
        self._runs = runs
        self._ticks = Ticks.draw(n_records, n_keys)
        self._source, self._target = (folder / f"{part}-{n_keys}-{n_records}-{end}" for end in ("in", "out"))
        self._ticks.write(self._source)
        self.took: list[Took] = []

    def drive(self) -> float:
        """Score the file; return the seconds."""
        self.took.append(self._runs.run(self._source, self._target))
        return self.took[-1].seconds

    def check(self, score: Callable[[Array], Array]) -> None:
        """Refuse outputs that are not right."""
        who = f"{self.part}, {self.n_keys:,} keys, {self.n_records:,} records"
        check(who, read_doubles(self._target), score(self._ticks.windows()), TOLERANCES[self.part])


def measure_part(part: str, sizes: Sequence[int], n_rounds: int, folder: Path) -> list[dict[str, Any]]:
    """Return the figures of every size and number of keys; they take turns."""
    runs = Runs(SCRIPTS[part], folder)
    cases = [Case(part, n_keys, n_records, runs, folder) for n_keys in N_KEYS for n_records in sizes]
    seconds = interleave(n_rounds, {f"{case.n_keys}-{case.n_records}": case.drive for case in cases})
    score = scorer(part, folder)
    for case in cases:
        case.check(score)
    return [
        {
            "n_keys": case.n_keys,
            "n_records": case.n_records,
            "is_verified": True,
            "mean_batch": total(case.took).mean_batch,
            "seconds": spread(seconds[f"{case.n_keys}-{case.n_records}"]),
            "us": spread([s / case.n_records * 1e6 for s in seconds[f"{case.n_keys}-{case.n_records}"]]),
        }
        for case in cases
    ]


def further_us(smaller: Mapping[str, Any], larger: Mapping[str, Any]) -> float:
    """Return the microseconds that each record takes which the larger run has more."""
    seconds = larger["seconds"]["median"] - smaller["seconds"]["median"]
    return seconds / (larger["n_records"] - smaller["n_records"]) * 1e6


def judge(part: str, cases: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give the goals: neither more records nor more keys make one dearer."""
    by_keys = {n_keys: [case for case in cases if case["n_keys"] == n_keys] for n_keys in N_KEYS}
    for n_keys, sizes in by_keys.items():
        first, last = sizes[0], sizes[-1]
        name = f"{part}, {n_keys:,} keys: us/record"
        yield below(
            f"{name}, {last['n_records']:,} / {first['n_records']:,} records",
            last["us"]["median"] / first["us"]["median"],
            GROWTH,
        )
        costs = [further_us(*pair) for pair in itertools.pairwise(sizes)]
        if len(costs) > 1 and min(costs) > 0:  # else the runs are too short to tell
            yield below(f"{name}, the last further ones / the first", costs[-1] / costs[0], GROWTH)
    few, many = (sizes[-1] for sizes in by_keys.values())
    ratio = statistics.median(b / a for a, b in zip(few["us"]["rounds"], many["us"]["rounds"], strict=True))
    yield below(f"{part}, {many['n_records']:,} records: us/record, {N_KEYS[1]:,} / {N_KEYS[0]} keys", ratio, GROWTH)


def measure(parts: Sequence[str], scale: float, n_rounds: int) -> dict[str, Any]:
    """Return the figures of some parts; `scale` multiplies the records."""
    results: dict[str, Any] = {"benchmark": "growth", "machine": machine(), "parts": {}, "goals": []}
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="growth-") as name:
            sizes = sorted({max(64, round(n_records * scale)) for n_records in SIZES[part]})
            cases = measure_part(part, sizes, n_rounds, Path(name))
        results["parts"][part] = cases
        results["goals"] += judge(part, cases)
    return results


def show(results: Mapping[str, Any]) -> None:
    """Print the figures."""
    for part, cases in results["parts"].items():
        rows = []
        for nth, case in enumerate(cases):
            is_first = nth == 0 or cases[nth - 1]["n_keys"] != case["n_keys"]
            further = "-" if is_first else f"{further_us(cases[nth - 1], case):.2f}"
            what = f"{case['n_keys']:,} keys, {case['n_records']:,} records"
            rows.append((what, *(case["us"][key] for key in ("median", "min", "max")), further, batch_of(case)))
        head = ("what", "us/record", "lowest", "highest", "us/further record", "mean batch")
        print_table(f"{part}, from file to file", head, rows)
    print_goals(results["goals"])


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``growth.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of records")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--only", action="append", choices=SIZES, help="only this part")
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    results = measure(options.only or list(SIZES), options.scale, options.rounds)
    show(results)
    save("growth", results, options.out)


if __name__ == "__main__":
    main()
