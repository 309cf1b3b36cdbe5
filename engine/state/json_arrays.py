"""The values of arrays as lists of numbers and texts, where that gives the same bytes back; else as base64."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

_LONGEST_FLOAT_BYTES = 8  # a longer one is not a number of JSON
_TYPES: dict[str, tuple[type, ...]] = {
    "b": (bool,),
    "i": (int,),
    "u": (int,),
    "f": (int, float),
    "U": (str,),
    "M": (str,),
    "m": (int,),
}
"""By the kind of a dtype, what its values are in JSON; dates are texts, and spans counts of the dtype's unit."""

_UCS4_BYTES = 4


def read_dtype(described: Any) -> np.dtype[Any]:
    """Return the dtype that a description stands for; raises ValueError or TypeError."""
    dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(described)
    if dtype.hasobject or not dtype.itemsize:
        msg = f"{dtype} is not the dtype of a value that is kept"
        raise ValueError(msg)
    return dtype


def array_fields(
    described: Any, shape: tuple[int, ...], data: bytes, *, is_turned: bool = False
) -> tuple[Any, tuple[int, ...]]:
    """Return an array's values, nested as its shape says, or ``{"base64": ...}``; and the shape."""
    dtype = read_dtype(described)
    if isinstance(described, str) and _is_shown(dtype):
        try:
            array = np.frombuffer(data, dtype).reshape(shape, order="F" if is_turned else "C")
            shown = _shown(array)
            if array_of(described, shape, shown, is_turned=is_turned) == data:
                return shown, shape
        except (ValueError, OverflowError):
            pass  # such as a text with a character that there is not: the bytes say what it was
    return {"base64": base64.b64encode(data).decode()}, shape


def array_of(described: Any, shape: tuple[int, ...], values: Any, *, is_turned: bool = False) -> bytes:
    """Return an array's bytes from its bytes, or from its values nested as its shape says; raises ValueError."""
    dtype = read_dtype(described)
    if isinstance(values, bytes):
        if len(values) != math.prod(shape) * dtype.itemsize:
            msg = f"an array of {dtype} and shape {list(shape)} does not take {len(values)} bytes"
            raise ValueError(msg)
        return values
    if not _is_shown(dtype):
        msg = f"an array of {dtype} is given in base64"
        raise ValueError(msg)
    flat = list(_flat(values, shape))
    for value in flat:
        _check(value, dtype)
    numbers = dtype.str[0] + "i8" if dtype.kind == "m" else dtype  # a span is as many of its units
    return np.array(flat, numbers).reshape(shape).tobytes("F" if is_turned else "C")


def _is_shown(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in _TYPES and (dtype.kind != "f" or dtype.itemsize <= _LONGEST_FLOAT_BYTES)


def _shown(array: npt.NDArray[Any]) -> Any:
    if array.dtype.kind == "M":
        return np.datetime_as_string(array).tolist()
    if array.dtype.kind == "m":
        return array.view(array.dtype.str[0] + "i8").tolist()
    return array.tolist()


def _flat(values: Any, shape: tuple[int, ...]) -> Iterator[Any]:
    if not shape:
        yield values
        return
    if not isinstance(values, list) or len(values) != shape[0]:
        msg = f"the values do not have the shape {list(shape)}"
        raise ValueError(msg)
    for value in values:
        yield from _flat(value, shape[1:])


def _check(value: Any, dtype: np.dtype[Any]) -> None:
    """Raise ValueError for what numpy would take by changing it."""
    kinds = _TYPES[dtype.kind]
    is_of_kind = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    if not is_of_kind or (dtype.kind == "U" and len(value) > dtype.itemsize // _UCS4_BYTES):
        msg = f"{value!r} is no value of an array of {dtype}"
        raise ValueError(msg)
