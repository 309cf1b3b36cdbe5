"""How long one file takes, in a process of its own, since threads and frameworks are matters of a process.

``python -m engine.inference.trial`` takes what to do as JSON, and writes a line of JSON for each thing it finds out.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, EngineError
from engine.inference.formats import load
from engine.inference.predictor import Array, Predictor, Tensor
from engine.inference.torch_model import UntypedTensor

N_COMPARED = 8
"""How many rows are kept, for the comparison of files."""

_MIN_CALLS = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be measured.

    Parameters
    ----------
    path : str
        The model file.
    device : str
        As for `engine.inference.load`.
    threads : int
        Likewise.
    batch_sizes : sequence of int
        One measurement each.
    seconds : float
        For how long calls are made for each of them.
    shapes : sequence of sequences of int
        Of one row, for each input that does not say it; in their order.
    results : str
        Where the outputs of `N_COMPARED` rows are written; empty if they are not wanted.
    """

    path: str
    device: str
    threads: int
    batch_sizes: Sequence[int]
    seconds: float
    shapes: Sequence[Sequence[int]]
    results: str = ""


def run_trial(trial: Trial) -> Iterator[dict[str, Any]]:
    """Yield what the file is, and then a measurement for each batch size that it takes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", RuntimeWarning)
        begun_s = time.perf_counter()
        predictor = load(trial.path, trial.device, trial.threads)
        load_s = time.perf_counter() - begun_s
    shapes = _row_shapes(predictor, trial)
    yield {
        "backend": predictor.backend,
        "device": predictor.device,
        "load_s": load_s,
        "shapes": shapes,
        "notes": [str(warning.message) for warning in caught if warning.category is RuntimeWarning],
    }
    if trial.results:
        n_rows = _fixed_size(predictor) or N_COMPARED
        outputs = predictor.run(_draw(predictor, shapes, n_rows))
        np.savez(trial.results, *(np.asarray(output) for output in outputs))
    for batch_size in trial.batch_sizes:
        if _fixed_size(predictor) in (None, batch_size):
            yield _measure(predictor, _draw(predictor, shapes, batch_size), batch_size, trial.seconds)
        else:
            yield {"batch": batch_size, "refused": f"it takes batches of {_fixed_size(predictor)} only"}


def _fixed_size(predictor: Predictor) -> int | None:
    sizes = [t.shape[0] for t in predictor.inputs if t.shape and not isinstance(t, UntypedTensor)]
    return next((size for size in sizes if size is not None), None)


def _row_shapes(predictor: Predictor, trial: Trial) -> list[list[int]]:
    """Return the shape of a row of each input: its own, with axes of any length as they were asked for."""
    shapes = []
    for number, tensor in enumerate(predictor.inputs):
        own: Sequence[int | None] | None = None if isinstance(tensor, UntypedTensor) else tensor.shape[1:]
        if own is not None and None not in own:
            shapes.append([size for size in own if size is not None])
            continue
        given = trial.shapes[number] if number < len(trial.shapes) else None
        if given is None or (own is not None and not _fits(own, given)):
            what = "says nothing of its shape" if own is None else f"is {tensor}"
            name = Path(trial.path).name
            raise ConfigError(f"{name}: input {tensor.name!r} {what}; say that of one row, as in --shape 30,1.")
        shapes.append(list(given))
    return shapes


def _fits(own: Sequence[int | None], given: Sequence[int]) -> bool:
    return len(own) == len(given) and all(size in (None, wanted) for size, wanted in zip(own, given, strict=True))


def _draw(predictor: Predictor, shapes: Sequence[Sequence[int]], n_rows: int) -> list[Array]:
    """Return inputs that are the same for every file: numbers of a normal distribution, and zeros for whole ones."""
    numbers = np.random.default_rng(0)
    arrays = []
    for tensor, shape in zip(predictor.inputs, shapes, strict=True):
        drawn = Tensor(tensor.name, tensor.dtype, (n_rows, *shape)).blank(n_rows)
        if tensor.dtype.kind == "f":
            # Row by row, so that a row is the same whatever the batch.
            drawn = numbers.normal(size=(n_rows, *shape)).astype(tensor.dtype)
        arrays.append(drawn)
    return arrays


def _measure(predictor: Predictor, arrays: Sequence[Array], batch_size: int, seconds: float) -> dict[str, Any]:
    predictor.run(arrays)  # what happens once for each shape is no part of it
    durations_s: list[float] = []
    until_s = time.perf_counter() + seconds
    while len(durations_s) < _MIN_CALLS or time.perf_counter() < until_s:
        begun_s = time.perf_counter()
        predictor.run(arrays)
        durations_s.append(time.perf_counter() - begun_s)
    durations_s.sort()
    median_us = durations_s[len(durations_s) // 2] * 1e6
    return {
        "batch": batch_size,
        "n_calls": len(durations_s),
        "call_us": median_us,
        "slow_call_us": durations_s[math.ceil(len(durations_s) * 0.95) - 1] * 1e6,
        "row_us": median_us / batch_size,
    }


def main() -> None:
    """Do the trial that the argument describes."""
    trial = Trial(**json.loads(sys.argv[1]))
    # What a framework prints is talk; results go to what was standard output.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as told:
        os.dup2(2, 1)
        with contextlib.suppress(BrokenPipeError):
            try:
                for found in run_trial(trial):
                    print(json.dumps(found), file=told, flush=True)
            except EngineError as error:
                fields = {key: value for key, value in vars(error).items() if isinstance(value, str | int | float)}
                refused = {"kind": type(error).__name__, "sentence": str(error), "fields": fields}
                print(json.dumps({"error": refused}), file=told, flush=True)


def as_json(trial: Trial) -> str:
    """Return the argument of `main`."""
    return json.dumps(asdict(trial))


if __name__ == "__main__":
    main()
