"""Functions that take the inputs of many records at once, and are called with those of one."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Hashable, Sequence
from types import MethodType
from typing import Any, Protocol, overload

import numpy as np

from engine.errors import BatchMismatch, ConfigError
from engine.inference.predictor import Array, Predictor, Statistics, intercept, loaded

MAX_SIZE = 64
"""How many records are batched unless a script says otherwise: most of what a batch can gain is there by then."""


class Call:
    """A call that may be answered together with others like it.

    Parameters
    ----------
    group : hashable
        Calls of one group can be answered together.
    inputs : sequence of array
        What it was given; a copy, which the caller cannot change any more.
    n_rows, max_rows : int
        How many rows it has, and how many a batch may have.
    run : callable
        Takes the inputs of several calls, and returns an answer for each.
    statistics : Statistics
        Where is counted for how long rows have waited.
    max_wait_s : float
        For how long it would wait for others.
    n_lanes : int
        By how many threads at once, beside the script, it is worth to have `run` called; 0 if it needs the script.
    """

    __slots__ = ("begun_s", "group", "inputs", "max_rows", "max_wait_s", "n_lanes", "n_rows", "run", "statistics")

    def __init__(
        self,
        group: Hashable,
        inputs: Sequence[Array],
        n_rows: int,
        max_rows: int,
        run: Callable[[Sequence[Sequence[Array]]], Sequence[Any]],
        statistics: Statistics,
        max_wait_s: float = 0.0,
        *,
        n_lanes: int = 0,
    ) -> None:
        self.group, self.inputs, self.n_rows, self.max_rows = group, inputs, n_rows, max_rows
        self.run, self.statistics, self.max_wait_s, self.n_lanes = run, statistics, max_wait_s, n_lanes
        self.begun_s = time.perf_counter()


class Answering(Protocol):
    """Who answers calls, several at once."""

    def is_open(self) -> bool:
        """Tell whether a call that is made now may wait for others; may raise what ends the caller."""

    def take(self, call: Call) -> Any:
        """Return the answer, when it is there; raises what the call has raised."""


_answering: Answering | None = None
defined: list[Batched] = []
"""The batched functions of this process."""


def set_answering(answering: Answering | None = None) -> None:
    """Have calls of batched functions and predictors answered by somebody; without one, each by itself."""
    global _answering
    _answering = answering
    intercept(_predict if answering is not None else None)


def forget() -> None:
    """Forget the predictors and batched functions that are there: another script is about to be imported."""
    defined.clear()
    loaded.clear()


def max_lanes() -> int:
    """Return the most `n_lanes` of the predictors of this process."""
    return max((predictor.n_lanes for predictor in loaded), default=0)


def reports() -> list[dict[str, Any]]:
    """Return what each predictor and batched function of this process did since it was there, in plain values."""
    known = sorted([predictor.report() for predictor in loaded], key=lambda report: str(report["name"]))
    return [*known, *(function.report() for function in defined)]


def _predict(predictor: Predictor, arrays: Sequence[Array]) -> Sequence[Array]:
    """Answer a call of a predictor, with others if its rows can go with theirs."""
    n_rows = len(arrays[0]) if predictor.is_batchable else 0
    is_even = len(arrays) == 1 or len({len(array) for array in arrays}) == 1
    if not n_rows or not is_even or _answering is None or not _answering.is_open():
        return predictor.run(arrays)

    def run(calls: Sequence[Sequence[Array]]) -> Sequence[Any]:
        if len(calls) == 1:
            return [predictor.run(calls[0])]
        results = predictor.run([np.concatenate(column) for column in zip(*calls, strict=True)])
        rows, start = [], 0
        for inputs in calls:
            stop = start + len(inputs[0])
            rows.append([result[start:stop].copy() for result in results])
            start = stop
        return rows

    group = predictor, *(array.shape[1:] for array in arrays)
    copies = [array.copy() for array in arrays]
    call = Call(group, copies, n_rows, MAX_SIZE, run, predictor.statistics, n_lanes=predictor.n_lanes)
    answer: Sequence[Array] = _answering.take(call)
    return answer


class Batched:
    """A function of stacked inputs that is called with those of one record; what `batched` makes.

    Parameters
    ----------
    function : callable
        Takes arrays with a first axis for the records, and returns a row for each.
    max_size : int
        How many records it is given at once, at most.
    max_wait_ms : float
        For how long a batch that is not full waits for more records.
    """

    def __init__(self, function: Callable[..., Any], max_size: int, max_wait_ms: float) -> None:
        if max_size < 1 or max_wait_ms < 0:
            raise ConfigError(f"A batch cannot have {max_size} records and wait for {max_wait_ms} ms.")
        functools.update_wrapper(self, function)
        self.function, self.max_size, self.max_wait_ms = function, max_size, max_wait_ms
        self.name = getattr(function, "__name__", type(function).__name__)
        self.statistics = Statistics()
        defined.append(self)

    def __repr__(self) -> str:
        return f"<batched {self.name}(), up to {self.max_size} records>"

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the method of an instance, for a batched function in a class."""
        return self if instance is None else functools.partial(self._call, MethodType(self.function, instance))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the function with a batch, of which these arguments are one row; return the row of the result.

        Raises
        ------
        BatchMismatch
            What the function returns does not have a row for each record.
        """
        return self._call(self.function, *arguments, **named)

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        names = tuple(named)
        inputs = [np.array(argument) for argument in (*arguments, *named.values())]
        kinds = (array.dtype.kind if array.dtype.kind in "SU" else array.dtype for array in inputs)
        shapes = tuple((array.shape, kind) for array, kind in zip(inputs, kinds, strict=True))

        def run(calls: Sequence[Sequence[Array]]) -> Sequence[Any]:
            stacked = [_stack(column) for column in zip(*calls, strict=True)]
            n_plain = len(stacked) - len(names)
            begun_s = time.perf_counter()
            result = function(*stacked[:n_plain], **dict(zip(names, stacked[n_plain:], strict=True)))
            self.statistics.count(len(calls), time.perf_counter() - begun_s)
            return _rows(result, len(calls), self.name)

        if _answering is None or not _answering.is_open():
            return run([inputs])[0]
        group = function, names, shapes
        max_wait_s = self.max_wait_ms / 1000
        return _answering.take(Call(group, inputs, 1, self.max_size, run, self.statistics, max_wait_s))

    def report(self) -> dict[str, Any]:
        """Return what it did, as `engine.inference.Predictor.report` does."""
        return {"name": f"{self.name}()", "backend": "script", "device": "", **self.statistics.plain()}


def _stack(arrays: Sequence[Array]) -> Array:
    """Return arrays of one shape as one: `numpy.stack`, which for many small ones takes five times as long."""
    if not arrays[0].ndim:
        return np.array(arrays)
    return np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape)


def _rows(result: Any, n: int, name: str) -> Sequence[Any]:
    if isinstance(result, dict) and result:
        columns = [_rows(part, n, name) for part in result.values()]
        return [dict(zip(result, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(result, tuple) and result:
        return list(zip(*(_rows(part, n, name) for part in result), strict=True))
    n_rows = len(result) if hasattr(result, "__len__") and getattr(result, "shape", (0,)) != () else None
    if n_rows != n:
        raise BatchMismatch(name, n, n_rows)
    if isinstance(result, dict):
        raise BatchMismatch(name, n, 0)
    # A row shall neither keep its batch nor change with what the function does to it later.
    return [row.copy() if isinstance(row, np.ndarray | np.void) else row for row in (result[i] for i in range(n))]


@overload
def batched(function: Callable[..., Any], /) -> Batched: ...
@overload
def batched(*, max_size: int = MAX_SIZE, max_wait_ms: float = 0.0) -> Callable[[Callable[..., Any]], Batched]: ...
def batched(
    function: Callable[..., Any] | None = None, /, *, max_size: int = MAX_SIZE, max_wait_ms: float = 0.0
) -> Batched | Callable[[Callable[..., Any]], Batched]:
    """Have a function called once for many records.

    The function takes each argument with one more axis in front, for the records, and returns a row for each record. A
    script calls it with the arguments of its one record and gets its one row, at once as it seems: in an engine, its
    ``action`` waits there until records that came in meanwhile have got as far. Outside of one the batch has one row.

    Parameters
    ----------
    max_size : int
        How many records it is given at once, at most.
    max_wait_ms : float
        For how long a batch that is not full waits for more records. By default a batch is what is there.

    Raises
    ------
    ConfigError
        A size below 1, or a negative time.

    Examples
    --------
    >>> @batched
    ... def norm(vectors):
    ...     return np.sqrt((vectors**2).sum(axis=1))
    >>> float(norm([3.0, 4.0]))
    5.0
    """
    if function is not None:
        return Batched(function, max_size, max_wait_ms)
    return lambda function: Batched(function, max_size, max_wait_ms)
