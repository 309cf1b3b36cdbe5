"""A rolling window, as scripts ask for it."""

from __future__ import annotations

import numpy.typing as npt

from engine.state import Window


def window(n: int, dtype: npt.DTypeLike = float) -> Window:
    """Return an empty rolling window over the last `n` values.

    Parameters
    ----------
    n : int
        How many values it holds.
    dtype : numpy dtype
        Of the values: numbers, truth values, dates or texts of a fixed length.

    Raises
    ------
    ValueError
        `n` is not positive, or the dtype is none of these.

    Examples
    --------
    >>> prices = window(3)
    >>> for price in (1.0, 2.0, 3.0, 4.0):
    ...     prices.append(price)
    >>> prices.full, len(prices), float(prices[-1])
    (True, 3, 4.0)
    >>> prices.array()
    array([2., 3., 4.])
    >>> prices
    <window(3): [2., 3., 4.]>
    """
    return Window(n, dtype)
