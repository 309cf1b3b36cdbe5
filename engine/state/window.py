"""The last values of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt


class Window:
    """The last `n` of the values that were appended, oldest first.

    It holds the values themselves, not sums of them: a sum that is updated and reverted drifts.

    The memory is twice as long as the window. Values are written one behind the other; when the end is reached, the
    last ones are moved to the front. So the window is always one piece of memory, and an append costs one store.

    Parameters
    ----------
    n : int
        How many values it holds when it is full.
    dtype : numpy dtype
        Of the values; without objects.

    Raises
    ------
    ValueError
        `n` is not positive, or the dtype has objects in it or no size.
    """

    __slots__ = ("_is_shared", "_memory", "_n", "_start", "_stop")

    def __init__(self, n: int, dtype: npt.DTypeLike = float) -> None:
        kind = np.dtype(dtype)
        if n < 1:
            raise ValueError(f"a window holds 1 value or more, not {n}")
        if kind.hasobject or kind.itemsize == 0:
            raise ValueError(f"a window holds numbers, dates or texts of a fixed length, not {kind}")
        self._n, self._start, self._stop = int(n), 0, 0
        self._memory: npt.NDArray[Any] = np.empty(2 * self._n, kind)
        self._is_shared = False
        """Whether a copy may have the same memory: then whoever writes first makes its own."""

    @classmethod
    def of(cls, n: int, values: npt.NDArray[Any]) -> Self:
        """Return a window of `n` that holds an array of not more values."""
        window = cls(n, values.dtype)
        window._hold(values)
        return window

    @property
    def n(self) -> int:
        """How many values it holds when it is full."""
        return self._n

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self._memory.dtype

    @property
    def full(self) -> bool:
        """Whether `n` values are there."""
        return self._stop - self._start == self._n

    def append(self, value: Any) -> None:
        """Add a value; the oldest one goes when the window is full."""
        if self._is_shared:
            self._part()
        memory, stop = self._memory, self._stop
        if stop == len(memory):
            last = self._n - 1
            memory[last] = value  # first, and in a free place: it may raise
            memory[:last] = memory[self._n + 1 :]
            self._start, stop = 0, last
        else:
            memory[stop] = value
            self._start += stop - self._start == self._n
        self._stop = stop + 1

    def extend(self, values: Iterable[Any]) -> None:
        """Append values, the oldest first; all of them, or none if one does not fit.

        Raises
        ------
        ValueError
            They are not a sequence of single values.
        """
        new = np.asarray(values if hasattr(values, "__len__") else list(values), self.dtype)
        if new.ndim != 1:
            raise ValueError(f"a window takes single values, not an array of {new.ndim} dimensions")
        self._hold(np.concatenate((self._memory[self._start : self._stop], new))[-self._n :])

    def _part(self) -> None:
        self._memory, self._is_shared = self._memory.copy(), False

    def _hold(self, values: npt.NDArray[Any]) -> None:
        if self._is_shared:
            self._part()
        self._start, self._stop = 0, len(values)
        self._memory[: self._stop] = values

    def clear(self) -> None:
        """Forget all values."""
        self._start = self._stop = 0

    def array(self) -> npt.NDArray[Any]:
        """Return the values, oldest first: a contiguous copy, which later values leave alone."""
        return self._memory[self._start : self._stop].copy()

    def __copy__(self) -> Self:
        copy = object.__new__(type(self))  # two are made for each record, of which one at most is written to
        copy._n, copy._start, copy._stop, copy._memory = self._n, self._start, self._stop, self._memory
        copy._is_shared = self._is_shared = True
        return copy

    def is_same(self, other: Window) -> bool:
        """Tell whether another window is of the same length and type, and has the same values in every bit."""
        if self._memory is other._memory and (self._start, self._stop) == (other._start, other._stop):
            return True
        mine, its = self._memory[self._start : self._stop], other._memory[other._start : other._stop]
        return self._n == other._n and self.dtype == other.dtype and mine.tobytes() == its.tobytes()

    def __len__(self) -> int:
        return self._stop - self._start

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array())

    def __getitem__(self, index: int | slice) -> Any:
        """Return the value at an index, 0 the oldest and -1 the latest, or an array for a slice."""
        return self._memory[self._start : self._stop][index].copy()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Window):
            return NotImplemented
        return self._n == other._n and self.dtype == other.dtype and np.array_equal(self.array(), other.array())

    def __repr__(self) -> str:
        kind = "" if self.dtype == np.dtype(float) else f", {str(self.dtype)!r}"
        return f"<window({self._n}{kind}): {np.array2string(self.array(), separator=', ', threshold=20)}>"
