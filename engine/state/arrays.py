"""numpy's arrays and scalars, and windows over them."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import StateCorrupt
from engine.state.form import Form
from engine.state.reader import Reader
from engine.state.refusal import Unkept, type_name
from engine.state.scalars import read_str, write_str
from engine.state.window import Window
from engine.state.writer import Writer

_DTYPE = re.compile(r"[<>|]([biufcmMSUV]\d{1,9}(\[\d{0,9}\w{1,7}\])?|[qQ])", re.ASCII)
"""What numpy itself writes for a dtype without fields, and ``<q``: a C long long, which is as long as another type."""

_ROWS, _COLUMNS = range(2)
"""Which index runs fastest: the last one (as in C), or the first one (as in Fortran)."""

_MAX_DIMENSIONS = 64  # of numpy

_N_DTYPES = 256  # remembered: a script has a handful
_TEXT = ord("s")


def _write_dtype(writer: Writer, dtype: np.dtype[Any], owner: Any) -> None:
    described = _described(dtype, dtype.char)
    if isinstance(described, str):
        writer.out.append(_TEXT)
        write_str(writer, described)
    else:
        writer.part(owner, described, ".dtype")


@lru_cache(_N_DTYPES)
def _described(dtype: np.dtype[Any], _char: str) -> Any:
    """Return what gives the dtype back. The character tells apart what numpy takes as equal, such as l and q."""
    if dtype.hasobject:
        raise Unkept("an array of Python objects cannot be kept", "Use a list.")
    described: Any
    if dtype.names is not None:
        described = np.lib.format.dtype_to_descr(np.lib.format.drop_metadata(dtype))
    else:
        described = dtype.str if np.dtype(dtype.str).char == dtype.char else dtype.str[0] + dtype.char
    restored = np.lib.format.descr_to_dtype(described)
    if restored != dtype or restored.type is not dtype.type or not dtype.itemsize:
        raise Unkept(f"an array of {dtype} cannot be kept")
    return described


def _read_dtype(reader: Reader) -> np.dtype[Any]:
    described = reader.read()
    if isinstance(described, str):
        return _plain_dtype(described)
    return _checked(np.lib.format.descr_to_dtype(described))


@lru_cache(_N_DTYPES)
def _plain_dtype(described: str) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(described):
        raise StateCorrupt(f"{described!r} is no dtype")
    return _checked(np.dtype(described))


def _checked(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.hasobject or not dtype.itemsize:
        raise StateCorrupt(f"{dtype} is not the dtype of a value that is kept")
    return dtype


def _write_array(writer: Writer, value: npt.NDArray[Any]) -> None:
    _write_dtype(writer, value.dtype, value)
    is_turned = value.flags.f_contiguous and not value.flags.c_contiguous
    writer.out += bytes((_COLUMNS if is_turned else _ROWS, value.ndim))
    for length in value.shape:
        writer.number(length)
    writer.check_size(value.nbytes)
    writer.out += value.tobytes("F" if is_turned else "C")


def _read_array(reader: Reader) -> npt.NDArray[Any]:
    dtype = _read_dtype(reader)
    order, n_dimensions = reader.take(2)
    if order > _COLUMNS or n_dimensions > _MAX_DIMENSIONS:
        raise StateCorrupt(f"no array has order {order} and {n_dimensions} dimensions")
    return _take(reader, dtype, tuple(reader.number() for _ in range(n_dimensions)), order)


def _take(reader: Reader, dtype: np.dtype[Any], shape: tuple[int, ...], order: int = _ROWS) -> npt.NDArray[Any]:
    data = bytearray(reader.take(math.prod(shape) * dtype.itemsize))  # that it can be written to, padding and all
    return np.ndarray(shape, dtype, data, order="F" if order == _COLUMNS else "C")


def _write_window(writer: Writer, value: Window) -> None:
    _write_dtype(writer, value.dtype, value)
    writer.number(value.n)
    writer.number(len(value))
    writer.reserve(value.n * value.dtype.itemsize)
    writer.out += value.array().tobytes()


def _read_window(reader: Reader) -> Window:
    dtype = _read_dtype(reader)
    n, length = reader.number(), reader.number()
    reader.reserve(n * dtype.itemsize)
    if length > n:
        raise StateCorrupt(f"a window of {n} holds {length}")
    return Window.of(n, _take(reader, dtype, (length,)))


def _write_numpy_str(writer: Writer, value: np.str_) -> None:
    write_str(writer, value)  # as an array's item, and by its own str(), it would lose the NULs at its end


def _write_numpy_bytes(writer: Writer, value: np.bytes_) -> None:
    writer.text(bytes(value))


def write_scalar(writer: Writer, value: Any) -> bool:
    """Append a numpy scalar; return whether the value is one."""
    if not isinstance(value, np.generic):
        return False
    if type(value) is not value.dtype.type:
        raise Unkept(f"{type_name(type(value))} cannot be kept")
    writer.out.append(SCALAR.tag)
    _write_scalar(writer, value)
    return True


def _write_scalar(writer: Writer, value: np.generic) -> None:
    _write_dtype(writer, value.dtype, value)
    writer.out += value.tobytes()


def _read_scalar(reader: Reader) -> Any:
    scalar: Any = _take(reader, _read_dtype(reader), ())[()]
    return scalar


SCALAR = Form(ord("G"), np.generic, _write_scalar, _read_scalar)
"""Not looked up by type: every numpy scalar has its own."""

FORMS = (
    Form(ord("A"), np.ndarray, _write_array, _read_array),
    Form(ord("W"), Window, _write_window, _read_window),
    Form(ord("u"), np.str_, _write_numpy_str, lambda reader: np.str_(read_str(reader))),
    Form(ord("v"), np.bytes_, _write_numpy_bytes, lambda reader: np.bytes_(reader.text())),
)
