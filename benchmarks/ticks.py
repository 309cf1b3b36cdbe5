"""Prices of many symbols in a file, and a model that the engine runs over it."""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import ROOT
from benchmarks.metrics import Predicted, predicted_by
from engine import log
from engine.cli.job import Job, perform
from engine.registry import Model, from_path
from engine.schema import parse_schema
from engine.settings import Settings
from engine.streams import Stream, parse_descriptor, resolve_stream

SCRIPTS = ROOT / "benchmarks" / "scripts"
ARCHIVE = ROOT / "attachments" / "tf_sp500_lstm" / "attachment.tar.gz"
N_STEPS = 30
_SCHEMAS = {
    "double": parse_schema("double", "double"),
    "tick": parse_schema((SCRIPTS / "tick.avsc").read_text(), "tick"),
}

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Ticks:
    """Prices, each of one of so many symbols; the symbols take turns.

    Parameters
    ----------
    n_keys : int
        How many symbols there are.
    prices : array
        In the order of the file.
    """

    n_keys: int
    prices: Array

    @classmethod
    def draw(cls, n_records: int, n_keys: int) -> Ticks:
        """Return prices that look like adjusted ones: each symbol's wanders about 0."""
        n_days = -(-n_records // n_keys)
        steps = np.random.default_rng(3).normal(size=(n_days, n_keys))
        price = np.zeros(n_keys)
        for nth, step in enumerate(steps):
            price = steps[nth] = 0.9 * price + step
        return cls(n_keys, steps.ravel()[:n_records])

    def write(self, path: Path) -> None:
        """Write them as Avro, one datum behind the other."""
        double = struct.Struct("<d").pack
        symbols = [_text(f"S{nth:06}") for nth in range(self.n_keys)]
        n_keys = self.n_keys
        with path.open("wb") as file:
            file.writelines(symbols[nth % n_keys] + double(price) for nth, price in enumerate(self.prices.tolist()))

    def windows(self) -> Array:
        """Return what each record's window is, in their order: float64 [n, 30], with zeros before the first price."""
        found = np.empty((len(self.prices), N_STEPS))
        for key in range(min(self.n_keys, len(self.prices))):
            own = np.concatenate([np.zeros(N_STEPS - 1), self.prices[key :: self.n_keys]])
            found[key :: self.n_keys] = np.lib.stride_tricks.sliding_window_view(own, N_STEPS)
        return found


def _text(value: str) -> bytes:
    data = value.encode()
    return bytes([2 * len(data)]) + data  # Avro's length of a text under 64 bytes


def read_doubles(path: Path) -> Array:
    """Return the doubles of a file of Avro."""
    return np.fromfile(path, "<f8")


@dataclass(frozen=True, slots=True)
class Took:
    """What a run took."""

    seconds: float
    predicted: Predicted


class Runs:
    """Runs of one script, as ``engine run`` has them, with the script in a jet.

    Parameters
    ----------
    script : str
        Its name among the benchmark's scripts.
    folder : Path
        For what the engine keeps, there.
    n_threads : int
        Of the model.
    """

    def __init__(self, script: str, folder: Path, *, n_threads: int = 1) -> None:
        log.configure(is_json=True)
        logging.getLogger().setLevel(logging.CRITICAL)
        text = (SCRIPTS / f"{script}.py").read_text()
        path = folder / f"{script}.py"
        path.write_text(text.replace('load("lstm.onnx")', f'load("lstm.onnx", threads={n_threads})'))
        attachments = [ARCHIVE] if "lstm.onnx" in text else []
        self._model: Model = from_path(path, attachments=attachments, schemas=_SCHEMAS)
        self._settings = Settings(state_dir=folder / "state", cache_dir=folder / "cache")

    def run(self, source: Path, target: Path) -> Took:
        """Score a file of ticks; the start of the jet's process is not counted."""
        streams = {0: _stream(source, "tick"), 1: _stream(target, "double")}
        done = perform(Job(self._settings, self._model, streams), on_console=lambda _line: None)
        if done.error is not None:
            raise done.error
        return Took(done.seconds, predicted_by(done.info))


def _stream(path: Path, schema: str) -> Stream:
    transport = {"Type": "file", "Path": str(path)}
    descriptor = parse_descriptor({"Transport": transport, "Encoding": "avro-binary", "Schema": {"$ref": schema}})
    return resolve_stream(path.name, descriptor, _SCHEMAS.__getitem__)


def check(who: str, got: Array, expected: Array, tolerance: float) -> None:
    """Refuse scores that are not right, record by record.

    Raises
    ------
    AssertionError
        If one is missing, or further off than `tolerance` times what it is, or times 1.
    """
    if got.shape != expected.shape:
        raise AssertionError(f"{who}: {len(got):,} scores came, and {len(expected):,} are right.")
    off = np.abs(got - expected) / np.maximum(1.0, np.abs(expected))
    if len(off) and not off.max() <= tolerance:  # this way round, so that NaN is refused
        raise AssertionError(f"{who}: the score of record {int(off.argmax()):,} is off by {off.max():.3g}.")


def total(runs: Sequence[Took]) -> Predicted:
    """Return what the predictors of some runs did."""
    return sum((run.predicted for run in runs), Predicted())
