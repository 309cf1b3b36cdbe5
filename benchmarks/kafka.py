"""From topic to topic, each record exactly once: the engine beside a raw loop, Quix Streams and Kafka Streams.

Everybody has the same records on the same broker of this machine, takes turns with the others, commits every 100 ms,
and is asked for every output: how many, and which. Without ``--brokers`` a broker of the testbed is started.

Bytewax and Faust take part with ``--also``: they give each record at least once, and Faust takes minutes for what the
others do in seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import LOCAL, interleave, machine, median_ratio, print_table, save, spread
from benchmarks.over_kafka import latency, restoring
from benchmarks.over_kafka.contenders import (
    Contender,
    Engine,
    Loop,
    Streams,
    bytewax_python,
    faust_python,
    quix_python,
    streams_classes,
    unpack_model,
)
from benchmarks.over_kafka.loads import N_KEYS, TOLERANCE, WINDOW, Load, counting, wandering
from benchmarks.over_kafka.racing import Run, Track
from benchmarks.over_kafka.topics import Topics
from testbed.errors import TestbedError
from testbed.kafka import KafkaCluster

N_RECORDS = 2_000_000  # of the no-op: a run of some seconds; shorter ones move by a third from round to round
LSTM_SHARE, KEYS_SHARE = 1 / 50, 1 / 2  # records of the LSTM, and keys that are restored, for each record of the no-op
N_ROUNDS = 3
BROKER_HEAP_MIB = 1024  # a broker of production has more; with the testbed's it would collect garbage all the time
PARTS = ("no_op", "counter", "lstm", "latency", "restore")

RAW, RAW_AVRO, QUIX, STREAMS, ENGINE = "raw loop", "raw loop, fastavro", "Quix Streams", "Kafka Streams", "engine"
ALSO = {"bytewax": ("Bytewax, at least once", bytewax_python), "faust": ("Faust, at least once", faust_python)}
ONE_BY_ONE, TWO = ", one by one", ", two threads"


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that is wanted.

    Parameters
    ----------
    part : str
        Of which part.
    above, below : str
        Whose rates.
    at_least : float
        What their ratio should be.
    below_part : str
        The part in which the other one's rate is measured, if it is another.
    """

    part: str
    above: str
    below: str
    at_least: float
    below_part: str = ""


GOALS = (
    Goal("no_op", ENGINE, RAW, 0.6),
    Goal("no_op", ENGINE, STREAMS, 1.0),
    Goal("counter", ENGINE, RAW, 0.4, "no_op"),
    Goal("lstm", ENGINE, RAW, 0.95),
    Goal("lstm", ENGINE + TWO, RAW + TWO, 0.8),
    Goal("lstm", ENGINE, QUIX, 2.0),
    Goal("lstm", ENGINE + TWO, QUIX, 3.0),
)
P99_MS, RESTORED_S = 150.0, 10.0  # at most


@dataclass(slots=True)
class Lane:
    """A contender of a part, and its runs."""

    contender: Contender
    runs: list[Run] = field(default_factory=list)

    def drive(self, track: Track, load: Load, source: str) -> float:
        """Run it once more, and return its rate."""
        self.runs.append(track.run(self.contender, load, source))
        return self.runs[-1].rate


@dataclass(slots=True)
class Crew:
    """Everybody who can be had here, and why others cannot; the interpreters of peers by their name in `ALSO`."""

    model: Path
    quix: str | None
    classes: str | None
    missing: list[str]
    also: Mapping[str, str]

    def of(self, part: str) -> list[Contender]:
        """Return who takes part, the engine last."""
        raw = partial(Loop, python=sys.executable, program="raw_loop.py", model=self.model)
        quix = [Loop(QUIX, self.quix, "quix_loop.py", self.model)] if self.quix else []
        quix += [Loop(ALSO[name][0], python, f"{name}_loop.py", self.model) for name, python in self.also.items()]
        streams = [Streams(self.classes)] if self.classes else []
        if part == "lstm":
            loops = [raw(RAW), raw(RAW + ONE_BY_ONE, is_batched=False), raw(RAW + TWO, n_threads=2)]
            return [*loops, *quix, Engine(), Engine(ENGINE + TWO, n_threads=2)]
        if part == "counter":
            return [*quix, Engine()]
        if part == "latency":
            return [raw(RAW, codec="struct"), *quix, *streams, Engine()]
        return [raw(RAW, codec="struct"), raw(RAW_AVRO), *quix, *streams, Engine()]


@contextlib.contextmanager
def make_crew(also: Sequence[str] = ()) -> Iterator[Crew]:
    """Give everybody who can be had: peers in Python are installed by uv, Kafka Streams is compiled by javac."""
    missing: list[str] = []

    def get(what: str, make: Callable[[], str]) -> str | None:
        try:
            return make()
        except TestbedError as exc:
            missing.append(f"{what} is left out. {exc}")
            return None

    with tempfile.TemporaryDirectory(prefix="over-kafka-") as folder:
        place = Path(folder)
        quix, streams = get(QUIX, quix_python), get(STREAMS, lambda: streams_classes(place))
        pythons = {name: get(*ALSO[name]) for name in also}
        found = {name: python for name, python in pythons.items() if python is not None}
        yield Crew(unpack_model(place), quix, streams, missing, found)


@contextlib.contextmanager
def make_track(brokers: str | None) -> Iterator[Track]:
    """Give a track on somebody's brokers, or on one of the testbed."""
    if brokers is not None:
        yield Track(Topics(brokers))
        return
    with KafkaCluster(heap_mib=BROKER_HEAP_MIB, is_long_lived=True) as cluster:
        yield Track(Topics(cluster.bootstrap), [cluster.broker(1).process.pid])


def scores_of(model: Path, prices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return what the LSTM says to one key's prices: to all of their windows at once."""
    from engine import inference

    if len(prices) < WINDOW:
        return np.empty(0)
    lstm = inference.load(model)
    windows = np.lib.stride_tricks.sliding_window_view(prices, WINDOW)[:, :, None]
    at_once = 256  # the memory of more windows is dearer than the call
    return np.concatenate([lstm(windows[at : at + at_once])[:, -1, 0] for at in range(0, len(windows), at_once)])


def loads_of(n_records: int, model: Path) -> dict[str, Load]:
    """Return the loads by the name of their script."""

    def whole(n: float) -> int:
        return max(round(n / N_KEYS), WINDOW + 1) * N_KEYS

    return {
        "no_op": Load("no_op", whole(n_records), counting, lambda values: values),
        "counter": Load("counter", whole(n_records), counting, lambda values: np.arange(1.0, len(values) + 1)),
        "lstm": Load("lstm", whole(n_records * LSTM_SHARE), wandering, partial(scores_of, model), TOLERANCE),
    }


def race(track: Track, crew: Crew, part: str, load: Load, n_rounds: int, source: str) -> dict[str, Lane]:
    """Return the runs of everybody in one part; they take turns."""
    lanes = {contender.name: Lane(contender) for contender in crew.of(part)}
    interleave(n_rounds, {name: partial(lane.drive, track, load, source) for name, lane in lanes.items()})
    return lanes


def measure(track: Track, crew: Crew, parts: Sequence[str], n_records: int, n_rounds: int) -> dict[str, Any]:
    """Return the figures of some parts."""
    results: dict[str, Any] = {"benchmark": "kafka", "machine": machine(), "missing": crew.missing, "parts": {}}
    loads = loads_of(n_records, crew.model)
    rates: dict[tuple[str, str], list[float]] = {}
    for part in (part for part in loads if part in parts):
        load, source = loads[part], f"in-{part.replace('_', '-')}"
        track.topics.make(source)
        track.topics.fill_with(source, load)
        lanes = race(track, crew, part, load, n_rounds, source)
        track.topics.remove(source)
        results["parts"][part] = {"n_records": load.n_records, "n_outputs": load.n_outputs, "is_verified": True}
        results["parts"][part]["contenders"] = {name: _figures(lane.runs) for name, lane in lanes.items()}
        rates |= {(part, name): [run.rate for run in lane.runs] for name, lane in lanes.items()}
    if "latency" in parts:
        results["latency"] = _latencies(track, crew, n_rounds, min(latency.N_RECORDS, n_records))
    if "restore" in parts:
        n_keys = max(N_KEYS, round(n_records * KEYS_SHARE))
        results["restore"] = {"n_keys": n_keys, "n_prices": restoring.N_PRICES}
        results["restore"] |= asdict(restoring.measure(track, n_keys))
    results["goals"] = list(judge(results, rates))
    return results


def _figures(runs: Sequence[Run]) -> dict[str, Any]:
    return {name: spread([asdict(run)[name] for run in runs]) for name in asdict(runs[0])}


def _latencies(track: Track, crew: Crew, n_rounds: int, n_records: int) -> dict[str, Any]:
    found: dict[str, list[latency.Latencies]] = {contender.name: [] for contender in crew.of("latency")}

    def listen(contender: Contender) -> float:
        found[contender.name].append(latency.measure(track, contender, n_records))
        return found[contender.name][-1].p50_ms

    interleave(n_rounds, {contender.name: partial(listen, contender) for contender in crew.of("latency")})
    figures = {
        name: {key: spread([asdict(one)[key] for one in rounds]) for key in asdict(rounds[0])}
        for name, rounds in found.items()
    }
    return {"rate": latency.RATE, "n_records": n_records, "contenders": figures}


def judge(results: Mapping[str, Any], rates: Mapping[tuple[str, str], Sequence[float]]) -> Iterator[dict[str, Any]]:
    """Give each goal of which both sides were measured."""
    for goal in GOALS:
        above, below = rates.get((goal.part, goal.above)), rates.get((goal.below_part or goal.part, goal.below))
        if above is None or below is None:
            continue
        # Round by round where both took turns; of two parts only the medians can be compared.
        ratio = statistics.median(above) / statistics.median(below) if goal.below_part else median_ratio(above, below)
        what = f"{goal.part}: {goal.above} / {goal.below}"
        yield {"what": what, "is": round(ratio, 3), "goal": f">= {goal.at_least:g}", "is_met": ratio >= goal.at_least}
    if "latency" in results:
        p99_ms = results["latency"]["contenders"][ENGINE]["p99_ms"]["median"]
        yield {"what": "latency: p99 ms", "is": p99_ms, "goal": f"< {P99_MS:g}", "is_met": p99_ms < P99_MS}
    if "restore" in results:
        took_s = round(results["restore"]["first_score_s"], 2)
        what = f"restore {results['restore']['n_keys']:,} keys: s to the first right score"
        yield {"what": what, "is": took_s, "goal": f"< {RESTORED_S:g}", "is_met": took_s < RESTORED_S}


def show(results: Mapping[str, Any]) -> None:
    """Print the figures, and how they stand to the goals."""
    for line in results["missing"]:
        print(line)
    head = ("who", "records/s", "lowest", "highest", "s to first", "CPU s", "CPU us/record", "RSS MB", "other cores")
    for part, figures in results["parts"].items():
        per_output = figures["n_records"] / figures["n_outputs"]  # the LSTM gives nothing for a window that is not full
        rows = [_row(name, one, per_output) for name, one in figures["contenders"].items()]
        print_table(f"{part}, {figures['n_records']:,} records, exactly once", head, rows)
    if "latency" in results:
        rows = [
            (name, *(one[key]["median"] for key in ("p50_ms", "p99_ms", "max_ms")))
            for name, one in results["latency"]["contenders"].items()
        ]
        title = f"no-op at {results['latency']['rate']:,} records/s, from the input to a read_committed reader"
        print_table(title, ("who", "p50 ms", "p99 ms", "max ms"), rows)
    if "restore" in results:
        kept = results["restore"]
        row = (f"{kept['n_keys']:,} keys x {kept['n_prices']} prices", kept["load_s"], kept["first_score_s"])
        row = (*row, kept["cpu_s"], kept["rss_bytes"] / 2**20)
        print_table("From the changelog", ("what", "s to load", "s to first right score", "CPU s", "RSS MB"), [row])
    rows = [(one["what"], f"{one['is']:g}", one["goal"], "yes" if one["is_met"] else "NO") for one in results["goals"]]
    print_table("Goals", ("what", "is", "goal", "met"), rows)


def _row(name: str, figures: Mapping[str, Any], per_output: float) -> tuple[object, ...]:
    rate = figures["rate"]
    return (
        name,
        *(rate[key] * per_output for key in ("median", "min", "max")),
        figures["start_s"]["median"],
        figures["cpu_s"]["median"],
        figures["cpu_us"]["median"] / per_output,
        figures["rss_bytes"]["median"] / 2**20,
        figures["others_share"]["max"],
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``kafka.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    help_text = "of the no-op and the counter; the LSTM has a fiftieth, and half of it are keys to restore"
    parser.add_argument("--records", type=int, default=N_RECORDS, help=help_text)
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be given again")
    parser.add_argument("--also", action="append", choices=tuple(ALSO), default=[], help="a peer; may be given again")
    parser.add_argument("--brokers", help="a cluster that runs; without it one is started")
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    with make_crew(options.also) as crew, make_track(options.brokers) as track:
        results = measure(track, crew, options.only or PARTS, options.records, options.rounds)
    show(results)
    save("kafka", results, options.out)


if __name__ == "__main__":
    main()
