"""Windows a second of two LSTMs, by framework, device, threads and batch size.

Three layers of 100 units, as the sample model has, and three of 512. Each framework has its file of the same weights,
which is opened by ``engine.inference.load`` in a process of its own; they take turns, and their scores are compared
with those of a network in NumPy. What is not installed, and devices that are not there, are left out and named. The
processes run in this environment or, where a framework is missing, in another one that has it: ``--python``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.measuring import LOCAL, ROOT, interleave, machine, print_table, save, spread
from benchmarks.networks import N_STEPS, NEEDS, WRITERS, Network

N_UNITS = (100, 512)
BATCHES = (1, 8, 64, 256, 1024)
DEVICES = ("cpu", "gpu:0")
N_ROUNDS = 3
TURN_S = 0.1  # a turn is as many calls as fit, and at least one
LIMIT_S = 1.0  # a batch that takes longer is left out, and larger ones with it
TOLERANCE = 1e-5
TRAINING = ROOT / ".venv-train" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Setting:
    """What one process opens its files with."""

    framework: str
    device: str
    n_threads: int

    @property
    def name(self) -> str:
        """As the tables have it."""
        return f"{self.framework}, {self.device}, {self.n_threads} thread{'s' * (self.n_threads > 1)}"


class LeftOut(Exception):
    """Something cannot be measured here; the text says why."""


class Worker:
    """A process of an interpreter that has a framework; it does one thing after the other, as it is told.

    Parameters
    ----------
    python : str
        The interpreter.
    n_threads : int
        For frameworks that ask the environment.
    """

    def __init__(self, python: str, n_threads: int) -> None:
        environ = os.environ | {
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "ENGINE_THREADS": str(n_threads),
            "OMP_NUM_THREADS": str(n_threads),
        }
        command = [python, "-m", "benchmarks.inference", "--worker"]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environ, text=True, stdin=pipe, stdout=pipe, stderr=null
        )
        self._longest: dict[tuple[str, int], float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def ask(self, **question: Any) -> dict[str, Any]:
        """Tell it something, and return what it answers.

        Raises
        ------
        LeftOut
            If it cannot do that.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):  # frameworks print there too
                answer: dict[str, Any] = json.loads(line)
                if "missing" in answer:
                    raise LeftOut(answer["missing"])
                return answer
        raise LeftOut(f"The process ended with {self._process.wait()}.")

    def rate(self, units: str, batch: int) -> float:
        """Return windows a second in batches of a size; 0 where one batch would take too long."""
        smaller = max((size for name, size in self._longest if name == units and size < batch), default=0)
        if smaller and self._longest[units, smaller] * batch / smaller > LIMIT_S:
            return 0.0
        seconds = float(self.ask(do="time", units=units, batch=batch)["seconds"])
        self._longest[units, batch] = max(seconds, self._longest.get((units, batch), 0.0))
        return batch / seconds


class Work:
    """What a worker does, in its process."""

    def __init__(self) -> None:
        self._predictors: dict[str, Any] = {}

    def write(self, framework: str, units: Sequence[int], folder: str) -> dict[str, Any]:
        """Write the files of a framework."""
        for needed in NEEDS[framework]:
            if importlib.util.find_spec(needed) is None:
                raise ModuleNotFoundError(f"{needed} is not installed")
        written = {str(n): str(WRITERS[framework](Network.draw(n), Path(folder))) for n in units}
        return {"files": written}

    def open(self, files: Mapping[str, str], device: str, n_threads: int) -> dict[str, Any]:
        """Open files, and look at their scores."""
        from engine import inference  # the parent needs none of it

        for units, path in files.items():
            predictor = self._predictors[units] = inference.load(path, device=device, threads=n_threads)
            windows = _windows(8)
            off = float(np.abs(predictor(windows) - Network.draw(int(units)).run(windows)).max())
            if not off <= TOLERANCE:
                raise ValueError(f"its scores are off by {off:.2g}")
        return {"opened": list(files)}

    def time(self, units: str, batch: int) -> dict[str, Any]:
        """Return the seconds of a call; the first one of a size is not counted."""
        predictor, windows = self._predictors[units], _windows(batch)
        begun_s = time.perf_counter()
        predictor(windows)
        if (first_s := time.perf_counter() - begun_s) > 2 * LIMIT_S:
            return {"seconds": first_s}
        n_calls, begun_s = 0, time.perf_counter()
        while not n_calls or time.perf_counter() - begun_s < TURN_S:
            predictor(windows)
            n_calls += 1
        return {"seconds": (time.perf_counter() - begun_s) / n_calls}


def work() -> None:
    """Be a worker: do what each line says, and answer in one, until the input ends."""
    does = Work()
    for line in sys.stdin:
        told = json.loads(line)
        try:
            answer = getattr(does, told.pop("do"))(**told)
        except Exception as exc:  # noqa: BLE001 - whatever a framework raises is the reason why it is left out
            answer = {"missing": f"{type(exc).__name__}: {next(iter(str(exc).splitlines()), '')}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _windows(n: int) -> Any:
    return np.random.default_rng(n).normal(size=(n, N_STEPS, 1)).astype(np.float32)


def choose_python(framework: str, pythons: Sequence[str]) -> str:
    """Return the first interpreter that has what a framework needs; the first of all if none has."""
    program = f"import importlib.util as u, sys; sys.exit(not all(u.find_spec(name) for name in {NEEDS[framework]!r}))"
    for python in pythons:
        with suppress(OSError):
            if subprocess.run([python, "-c", program], check=False).returncode == 0:
                return python
    return pythons[0]


def measure(
    pythons: Sequence[str], devices: Sequence[str], threads: Sequence[int], units: Sequence[int], n_rounds: int
) -> dict[str, Any]:
    """Return the windows a second of everybody who can be had."""
    results: dict[str, Any] = {"benchmark": "inference", "machine": machine(), "missing": [], "networks": {}}
    missing = results["missing"]
    if not has_gpu() and any(device != "cpu" for device in devices):
        missing.append("GPUs are left out: this machine has none, or no driver of NVIDIA for it.")
        devices = [device for device in devices if device == "cpu"]
    with tempfile.TemporaryDirectory(prefix="inference-") as folder, ExitStack() as workers:
        lanes: dict[str, Worker] = {}
        for framework in WRITERS:
            python = choose_python(framework, pythons)
            try:
                with Worker(python, 1) as writer:
                    files = writer.ask(do="write", framework=framework, units=units, folder=folder)["files"]
            except LeftOut as exc:
                missing.append(f"{framework} is left out. {exc}")
                continue
            for setting in _settings(framework, devices, threads):
                try:
                    worker = workers.enter_context(Worker(python, setting.n_threads))
                    worker.ask(do="open", files=files, device=setting.device, n_threads=setting.n_threads)
                except LeftOut as exc:
                    missing.append(f"{setting.name}: left out. {exc}")
                else:
                    lanes[setting.name] = worker
        for n_units in map(str, units):
            results["networks"][n_units] = _race(lanes, n_units, n_rounds)
    return results


def has_gpu() -> bool:
    """Return whether there is anything to try: a framework that looks for a GPU takes a minute to say that none is."""
    return Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None


def _settings(framework: str, devices: Sequence[str], threads: Sequence[int]) -> Iterator[Setting]:
    for device in devices:
        # On a GPU the threads of the CPU have nothing to share.
        for n_threads in threads if device == "cpu" else threads[:1]:
            yield Setting(framework, device, n_threads)


def _race(lanes: Mapping[str, Worker], units: str, n_rounds: int) -> dict[str, Any]:
    rates: dict[str, Any] = {name: {} for name in lanes}
    for batch in BATCHES:
        turns = {name: partial(worker.rate, units, batch) for name, worker in lanes.items()}
        for name, found in interleave(n_rounds, turns).items():
            if all(found):
                rates[name][str(batch)] = spread(found)
    return rates


def show(results: Mapping[str, Any]) -> None:
    """Print the figures."""
    for line in results["missing"]:
        print(line)
    for n_units, rates in results["networks"].items():
        rows = [
            (name, *(f"{by[str(batch)]['median']:,.0f}" if str(batch) in by else "-" for batch in BATCHES))
            for name, by in rates.items()
        ]
        head = ("who", *(f"batch {batch}" for batch in BATCHES))
        print_table(f"Windows a second, LSTM of 3 x {n_units}, scores verified", head, rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``inference.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--python", action="append", help="an interpreter that has a framework; may be given again")
    parser.add_argument("--device", action="append", help="only this device; may be given again")
    parser.add_argument("--threads", type=int, action="append", help="of a call; may be given again")
    parser.add_argument("--units", type=int, action="append", help="of a layer; may be given again")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--out", type=Path, default=LOCAL, help="folder of the JSON file")
    options = parser.parse_args(arguments)
    if options.worker:
        work()
        return
    pythons = [sys.executable, *(options.python or ([str(TRAINING)] if TRAINING.exists() else []))]
    threads = options.threads or sorted({1, len(os.sched_getaffinity(0))})
    results = measure(pythons, options.device or DEVICES, threads, options.units or N_UNITS, options.rounds)
    show(results)
    save("inference", results, options.out)


if __name__ == "__main__":
    main()
