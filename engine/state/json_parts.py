"""Arrays, frames and instances as JSON, from their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.state.json_arrays import array_fields, array_of, read_dtype
from engine.state.json_kinds import Invalid, Kind, bytes_of, checked, decode, encode
from engine.state.json_plain import encode_text
from engine.state.taken_apart import Array, Frame, Instance, Scalar, WindowOf


def _dtype(described: Any) -> dict[str, Any]:
    return {"dtype": encode(described)}


def _encode_array(value: Array) -> dict[str, Any]:
    shown, shape = array_fields(value.described, value.shape, value.data, is_turned=bool(value.order))
    needs_shape = isinstance(shown, dict) or len(value.shape) != 1
    return {
        "$array": _floats(shown),
        **_dtype(value.described),
        **({"shape": list(shape)} if needs_shape else {}),
        **({"order": "F"} if value.order else {}),
    }


def _floats(shown: Any) -> Any:
    """Return an array's values with those that JSON does not have written out."""
    if isinstance(shown, list):
        return [_floats(item) for item in shown]
    return shown if isinstance(shown, dict) else encode(shown)


def _decode_array(shown: Any, fields: Mapping[str, Any]) -> Array:
    order = fields.get("order", "C")
    if order not in ("C", "F"):
        raise Invalid("the order of an array is 'C' or 'F'")
    described = decode(fields.get("dtype", "<f8"))
    values = _values(shown)
    shape = fields.get("shape", [len(values)] if isinstance(values, list) else [])
    shape = tuple(checked(int, length) for length in checked(list, shape))
    return Array(described, int(order == "F"), shape, array_of(described, shape, values, is_turned=order == "F"))


def _values(shown: Any) -> Any:
    if isinstance(shown, dict) and shown.keys() == {"base64"}:
        return bytes_of(shown["base64"])
    return [_values(item) for item in shown] if isinstance(shown, list) else decode(shown)


def _encode_scalar(value: Scalar) -> dict[str, Any]:
    shown, _ = array_fields(value.described, (), value.data)
    return {"$numpy": _floats(shown), **_dtype(value.described)}


def _decode_scalar(shown: Any, fields: Mapping[str, Any]) -> Scalar:
    described = decode(fields.get("dtype", "<f8"))
    return Scalar(described, array_of(described, (), _values(shown)))


def _encode_window(value: WindowOf) -> dict[str, Any]:
    length = len(value.data) // read_dtype(value.described).itemsize
    shown, _ = array_fields(value.described, (length,), value.data)
    return {"$window": _floats(shown), "n": value.n, **({} if value.described == "<f8" else _dtype(value.described))}


def _decode_window(shown: Any, fields: Mapping[str, Any]) -> WindowOf:
    described, n = decode(fields.get("dtype", "<f8")), checked(int, fields.get("n"))
    values = _values(shown)
    length = len(values) // (read_dtype(described).itemsize if isinstance(values, bytes) else 1)
    if n < 1 or length > n:
        raise Invalid(f"a window of {n} holds {length}")
    return WindowOf(described, n, array_of(described, (length,), values))


def _encode_frame(value: Frame) -> dict[str, Any]:
    about = {"index": encode(value.index), "attrs": encode(value.attrs)}
    if value.columns is None:
        return {"$series": encode(value.values), "name": encode(value.label), **about}
    return {"$frame": [encode(column) for column in value.columns], "columns": encode(value.label), **about}


def _decode_frame(columns: Any, fields: Mapping[str, Any]) -> Frame:
    index, attrs, label = [decode(_field(fields, name)) for name in ("index", "attrs", "columns")]
    return Frame(index, attrs, label, None, [decode(column) for column in checked(list, columns)])


def _decode_series(values: Any, fields: Mapping[str, Any]) -> Frame:
    index, attrs, label = [decode(_field(fields, name)) for name in ("index", "attrs", "name")]
    return Frame(index, attrs, label, decode(values), None)


def _field(fields: Mapping[str, Any], name: str) -> Any:
    if name not in fields:
        raise Invalid(f"the field {name!r} is missing")
    return fields[name]


def _encode_instance(value: Instance) -> dict[str, Any]:
    return {"$instance": encode_text(f"{value.module}:{value.name}"), "state": encode(value.state)}


def _decode_instance(named: Any, fields: Mapping[str, Any]) -> Instance:
    module, colon, name = checked(str, decode(named)).partition(":")
    if not colon:
        raise Invalid("an instance is named as module:Class")
    return Instance(module, name, decode(_field(fields, "state")))


KINDS = (
    Kind("$numpy", Scalar, _encode_scalar, _decode_scalar, ("dtype",)),
    Kind("$array", Array, _encode_array, _decode_array, ("dtype", "shape", "order")),
    Kind("$window", WindowOf, _encode_window, _decode_window, ("n", "dtype")),
    Kind("$frame", Frame, _encode_frame, _decode_frame, ("columns", "index", "attrs")),
    Kind("$series", Frame, _encode_frame, _decode_series, ("name", "index", "attrs")),
    Kind("$instance", Instance, _encode_instance, _decode_instance, ("state",)),
)
