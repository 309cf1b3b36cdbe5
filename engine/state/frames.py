"""pandas' Series and DataFrames, taken apart into arrays and lists.

pandas is imported only when one of them is met: written, it is loaded already; read, the script is about to use it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from engine.errors import StateCorrupt
from engine.state.form import Form
from engine.state.reader import Reader
from engine.state.refusal import Unkept, type_name
from engine.state.writer import Writer

_MASKED = {"i": "IntegerArray", "u": "IntegerArray", "f": "FloatingArray", "b": "BooleanArray"}
"""By the kind of their values, the arrays of pandas that hold a mask of missing values beside them."""


def write(writer: Writer, value: Any) -> bool:
    """Append a Series or a DataFrame; return whether the value is one."""
    pandas = sys.modules.get("pandas")
    if pandas is None or type(value) not in (getattr(pandas, "Series", None), getattr(pandas, "DataFrame", None)):
        return False
    writer.out.append(FRAME.tag)
    _write_frame(writer, value)
    return True


def _write_frame(writer: Writer, value: Any) -> None:
    pd = sys.modules["pandas"]
    is_series = type(value) is pd.Series
    writer.part(value, _take_index_apart(pd, value.index), ".index")
    writer.part(value, dict(value.attrs), ".attrs")
    if is_series:
        writer.part(value, value.name, ".name")
        writer.part(value, _take_apart(pd, value.array, value.name), "")
    else:
        writer.part(value, _take_index_apart(pd, value.columns), ".columns")
        columns = [_take_apart(pd, value.iloc[:, at].array, label) for at, label in enumerate(value.columns)]
        writer.items(value, [len(columns), *columns], lambda index: f"[{value.columns[index - 1]!r}]")


def _read_frame(reader: Reader) -> Any:
    pd: Any = importlib.import_module("pandas")
    index, attrs, third = _put_index_together(pd, reader.read()), reader.read(), reader.read()
    fourth = reader.read()
    frame: Any
    if isinstance(fourth, int):
        columns = _put_index_together(pd, third)
        if fourth != len(columns) or fourth > len(reader.data):
            raise StateCorrupt(f"{fourth} columns have {len(columns)} names")
        values = {at: _series(pd, reader.read(), index) for at in range(fourth)}
        frame = pd.DataFrame(values, index=index)
        frame.columns = columns
    else:
        frame = _series(pd, fourth, index, third)
    frame.attrs = attrs
    return frame


def _series(pd: Any, parts: Any, index: Any, name: Any = None) -> Any:
    values = _put_together(pd, parts)
    return pd.Series(values, index, values.dtype, name)


FRAME = Form(ord("P"), object, _write_frame, _read_frame)
"""Not looked up by type, since pandas may not be there."""


def _take_apart(pd: Any, array: Any, label: Any) -> Any:
    """Return the values of a column as an array, a list (of Python objects), or a tuple that begins with its kind."""
    dtype = array.dtype
    if type(array) is pd.arrays.NumpyExtensionArray or isinstance(dtype, np.dtype):
        values = array.to_numpy()
        return list(values) if values.dtype.hasobject else values
    match dtype:
        case pd.DatetimeTZDtype():
            clock = pd.DatetimeIndex(array).tz_convert("UTC").tz_localize(None)
            return "zoned", clock.to_numpy(), dtype.tz
        case pd.CategoricalDtype():
            return "categories", array.codes, _take_index_apart(pd, dtype.categories), dtype.ordered
        case pd.StringDtype():
            values = [None if is_missing else text for text, is_missing in zip(array, array.isna(), strict=True)]
            return "texts", values, dtype.storage, dtype.na_value is pd.NA
    plain = getattr(dtype, "numpy_dtype", None)
    if type(array).__name__ not in _MASKED.values() or plain is None:
        raise Unkept(f"column {label!r} of dtype {dtype} cannot be kept")
    return "masked", array.to_numpy(plain, na_value=plain.type(0)), array.isna()


def _put_together(pd: Any, parts: Any) -> Any:
    if isinstance(parts, np.ndarray):
        return parts
    if isinstance(parts, list):
        values = np.empty(len(parts), object)
        for at, part in enumerate(parts):  # all at once, numpy would make rows of lists
            values[at] = part
        return values
    kind, values, *rest = parts
    return _PUT_TOGETHER[kind](pd, values, *rest)


def _zoned(pd: Any, clock: Any, zone: Any) -> Any:
    return pd.DatetimeIndex(clock).tz_localize("UTC").tz_convert(zone).array


def _categories(pd: Any, codes: Any, categories: Any, is_ordered: bool) -> Any:
    return pd.Categorical.from_codes(codes, _put_index_together(pd, categories), is_ordered)


def _texts(pd: Any, texts: Iterable[Any], storage: str, is_na: bool) -> Any:
    return pd.array(list(texts), pd.StringDtype(storage, pd.NA if is_na else np.nan))


def _masked(pd: Any, values: Any, mask: Any) -> Any:
    return getattr(pd.arrays, _MASKED[values.dtype.kind])(values, mask)


_PUT_TOGETHER: dict[str, Callable[..., Any]] = {
    "zoned": _zoned,
    "categories": _categories,
    "texts": _texts,
    "masked": _masked,
}


def _take_index_apart(pd: Any, index: Any) -> tuple[Any, ...]:
    kind = type(index)
    if kind is pd.RangeIndex:
        return "range", index.name, index.start, index.stop, index.step
    if kind is pd.MultiIndex:
        levels = [_take_index_apart(pd, level) for level in index.levels]
        return "levels", list(index.names), levels, list(index.codes)
    values = _take_apart(pd, index.array, index.name)
    if kind in (pd.DatetimeIndex, pd.TimedeltaIndex):
        return "times", index.name, values, index.freqstr
    if kind not in (pd.Index, pd.CategoricalIndex):
        raise Unkept(f"{type_name(kind)} cannot be kept")
    return "values", index.name, values


def _put_index_together(pd: Any, parts: tuple[Any, ...]) -> Any:
    match parts:
        case "range", name, start, stop, step:
            return pd.RangeIndex(start, stop, step, name=name)
        case "levels", names, levels, codes:
            return pd.MultiIndex([_put_index_together(pd, level) for level in levels], codes, names=names)
        case "times", name, values, freq:
            array = _put_together(pd, values)
            kind = pd.TimedeltaIndex if array.dtype.kind == "m" else pd.DatetimeIndex
            return kind(array, freq=freq, name=name)
        case "values", name, values:
            array = _put_together(pd, values)
            return pd.Index(array, dtype=array.dtype, name=name)
    raise StateCorrupt("an index is none")
