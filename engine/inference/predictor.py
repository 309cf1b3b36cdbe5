"""The one face of every model file: called with numpy arrays, counting and timing its calls."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from engine.errors import SchemaMismatch

Array = npt.NDArray[Any]
Intercept = Callable[["Predictor", "list[Array]"], "Sequence[Array]"]

_intercept: Intercept | None = None
loaded: WeakSet[Predictor] = WeakSet()
"""The predictors of this process."""


def intercept(take: Intercept | None = None) -> None:
    """Have calls of predictors answered by a function, which may run several as one; without one, by themselves.

    Parameters
    ----------
    take : callable, optional
        Takes the predictor and its inputs, and returns what `Predictor.run` would.
    """
    global _intercept
    _intercept = take


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a graph.

    Parameters
    ----------
    name : str
        As the graph calls it.
    dtype : numpy.dtype
        The type of its elements; ``object`` for strings.
    shape : tuple of (int or None)
        None for an axis of any length, such as the batch.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('any' if size is None else str(size) for size in self.shape)}]"

    def take(self, value: npt.ArrayLike) -> Array:
        """Return the value as an array that fits.

        Raises
        ------
        SchemaMismatch
            If its shape is another one, or its type would lose its meaning (a float for an integer input).
        """
        array = np.asarray(value)
        is_fit = array.ndim == len(self.shape) and (array.dtype == self.dtype or _can_cast(array.dtype, self.dtype))
        for wanted, size in zip(self.shape, array.shape, strict=False):
            is_fit &= wanted is None or wanted == size
        if not is_fit:
            raise SchemaMismatch(self.name, str(self), str(Tensor(self.name, array.dtype, array.shape)))
        return array.astype(self.dtype, copy=False)

    def blank(self, batch_size: int) -> Array:
        """Return zeros (or empty strings), with the axes of any length cut to `batch_size`."""
        shape = [batch_size if size is None else size for size in self.shape]
        return np.full(shape, "" if self.dtype == object else 0, self.dtype)


@cache
def _can_cast(dtype: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    return np.can_cast(dtype, wanted, "same_kind")


@dataclass(slots=True)
class Statistics:
    """What a predictor did so far, warm-up left out.

    Sums, so that a reader who samples them has rates and means of any interval.
    """

    n_calls: int = 0
    n_rows: int = 0
    duration_s: float = 0.0
    max_duration_s: float = 0.0
    max_rows: int = 0
    waiting_s: float = 0.0
    """For how long rows have waited for the others of their batch, added up over the rows."""
    calls_by_rows: Counter[int] = field(default_factory=Counter)
    """How many calls had up to 1, 2, 4, 8 ... rows."""
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    @property
    def mean_duration_s(self) -> float:
        """The mean time of a call; 0.0 before the first."""
        return self.duration_s / self.n_calls if self.n_calls else 0.0

    def count(self, n_rows: int, duration_s: float) -> None:
        """Add one call; from any thread."""
        with self._lock:
            self.n_calls += 1
            self.n_rows += n_rows
            self.duration_s += duration_s
            self.max_duration_s = max(self.max_duration_s, duration_s)
            self.max_rows = max(self.max_rows, n_rows)
            self.calls_by_rows[1 << max(0, n_rows - 1).bit_length()] += 1

    def plain(self) -> dict[str, Any]:
        """Return it in plain values, by name."""
        return {
            "n_calls": self.n_calls,
            "n_rows": self.n_rows,
            "duration_s": self.duration_s,
            "max_duration_s": self.max_duration_s,
            "max_rows": self.max_rows,
            "waiting_s": self.waiting_s,
            "calls_by_rows": dict(sorted(self.calls_by_rows.items())),
        }


class Predictor:
    """A loaded model; call it with the stacked inputs of a batch.

    A graph of one input takes an array, one of several a mapping of arrays by name; the result follows the outputs
    in the same way. Arrays of another float type are converted. Statistics are not locked: call it from one thread.

    Parameters
    ----------
    run : callable
        The framework's own: arrays in the order of `inputs` to arrays in the order of `outputs`.
    inputs, outputs : sequence of Tensor
        The graph's face.
    device : str
        Where it really runs, such as ``cpu``.
    name, backend : str
        The file's name, and what runs it, such as ``onnxruntime``.
    n_lanes : int
        By how many threads at once it is worth to have `run` called; 0 if only the one that made this may call it.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Array]], Sequence[Array]],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        device: str,
        *,
        name: str = "",
        backend: str = "",
        n_lanes: int = 0,
    ) -> None:
        self._run = run
        self.inputs, self.outputs, self.device = tuple(inputs), tuple(outputs), device
        self.name, self.backend, self.n_lanes = name, backend, n_lanes
        self.is_batchable = all(tensor.shape and tensor.shape[0] is None for tensor in (*self.inputs, *self.outputs))
        """Whether rows of several calls may go through the graph in one: its first axes have any length."""
        self.statistics = Statistics()
        loaded.add(self)

    def __repr__(self) -> str:
        return f"Predictor({', '.join(f'{tensor.name}: {tensor}' for tensor in self.inputs)} on {self.device})"

    def __call__(self, values: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> Any:
        """Run the graph once.

        Returns
        -------
        numpy.ndarray or dict of str to numpy.ndarray
            The dict, by name, if the graph has several outputs.

        Raises
        ------
        SchemaMismatch
            If an input is missing, unknown, or of another shape or type.
        """
        arrays = [tensor.take(value) for tensor, value in zip(self.inputs, self._order(values), strict=True)]
        results = self.run(arrays) if _intercept is None else _intercept(self, arrays)
        if len(self.outputs) == 1:
            return results[0]
        return {tensor.name: result for tensor, result in zip(self.outputs, results, strict=True)}

    def run(self, arrays: Sequence[Array]) -> Sequence[Array]:
        """Run the graph on arrays that fit, in the order of `inputs`; return its outputs in the order of `outputs`."""
        if self.is_batchable and not len(arrays[0]):  # onnxruntime's LSTM never returns from an empty batch
            return [tensor.blank(0) for tensor in self.outputs]
        begun_s = time.perf_counter()
        results = self._run(arrays)
        duration_s = time.perf_counter() - begun_s
        self.statistics.count(arrays[0].shape[0] if arrays and arrays[0].ndim else 1, duration_s)
        return results

    def report(self) -> dict[str, Any]:
        """Return what it is and what it did, in plain values."""
        return {"name": self.name, "backend": self.backend, "device": self.device, **self.statistics.plain()}

    def warm_up(self, *batch_sizes: int) -> None:
        """Run once on zeros for each batch size (1 if none is given), so that no record pays for first-call work."""
        for batch_size in batch_sizes or (1,):
            self._run([tensor.blank(batch_size) for tensor in self.inputs])

    def _order(self, values: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> list[npt.ArrayLike]:
        if isinstance(values, np.ndarray) or not isinstance(values, Mapping):
            if len(self.inputs) == 1:
                return [values]
            raise SchemaMismatch("", f"A mapping of {', '.join(t.name for t in self.inputs)}", type(values).__name__)
        names = [tensor.name for tensor in self.inputs]
        for name in [*names, *values]:
            if name not in values or name not in names:
                raise SchemaMismatch(name, f"One of each {', '.join(names)}", ", ".join(map(str, values)) or "nothing")
        return [values[name] for name in names]
