"""What cannot be put together everywhere, as its parts: arrays, frames, instances of a script's classes.

The engine shows and edits values without pandas, and without the modules of the script. What is read here packs into
the same bytes again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from engine.errors import StateCorrupt
from engine.state.arrays import SCALAR
from engine.state.form import Form
from engine.state.frames import FRAME
from engine.state.instances import INSTANCE
from engine.state.json_arrays import read_dtype
from engine.state.reader import Reader
from engine.state.scalars import read_str, write_str
from engine.state.writer import Writer


@dataclass(eq=False, slots=True)
class Array:
    """An array: how its dtype is described, the order of its memory (1 for columns first), its shape and its bytes."""

    described: Any
    order: int
    shape: tuple[int, ...]
    data: bytes


@dataclass(eq=False, slots=True)
class Scalar:
    """A numpy scalar: how its dtype is described, and its bytes."""

    described: Any
    data: bytes


@dataclass(eq=False, slots=True)
class WindowOf:
    """A window of `n` values: how their dtype is described, and the bytes of those that it holds."""

    described: Any
    n: int
    data: bytes


@dataclass(eq=False, slots=True)
class Frame:
    """A DataFrame with its `columns`, labelled `label`, or a Series with its `values` and the name `label`."""

    index: Any
    attrs: Any
    label: Any
    values: Any
    columns: list[Any] | None


@dataclass(eq=False, slots=True)
class Instance:
    """An instance: where its class is, and what its ``state()`` returned."""

    module: str
    name: str
    state: Any


def _write_described(writer: Writer, owner: Any, described: Any) -> None:
    read_dtype(described)  # raises where it is none
    writer.part(owner, described, ".dtype")


def _write_array(writer: Writer, value: Array) -> None:
    _write_described(writer, value, value.described)
    writer.out += bytes((value.order, len(value.shape)))
    for length in value.shape:
        writer.number(length)
    writer.out += value.data


def _read_array(reader: Reader) -> Array:
    described = reader.read()
    order, n_dimensions = reader.take(2)
    shape = tuple(reader.number() for _ in range(n_dimensions))
    return Array(described, order, shape, reader.take(math.prod(shape) * read_dtype(described).itemsize))


def _write_scalar(writer: Writer, value: Scalar) -> None:
    _write_described(writer, value, value.described)
    writer.out += value.data


def _read_scalar(reader: Reader) -> Scalar:
    described = reader.read()
    return Scalar(described, reader.take(read_dtype(described).itemsize))


def _write_window(writer: Writer, value: WindowOf) -> None:
    _write_described(writer, value, value.described)
    itemsize = read_dtype(value.described).itemsize
    writer.number(value.n)
    writer.number(len(value.data) // itemsize)
    writer.reserve(value.n * itemsize)
    writer.out += value.data


def _read_window(reader: Reader) -> WindowOf:
    described = reader.read()
    n, length = reader.number(), reader.number()
    return WindowOf(described, n, reader.take(length * read_dtype(described).itemsize))


def _write_frame(writer: Writer, value: Frame) -> None:
    for part, step in ((value.index, ".index"), (value.attrs, ".attrs"), (value.label, ".name")):
        writer.part(value, part, step)
    if value.columns is None:
        writer.part(value, value.values, "")
    else:
        writer.items(value, [len(value.columns), *value.columns], lambda index: f"[{index - 1}]")


def _read_frame(reader: Reader) -> Frame:
    index, attrs, label, fourth = (reader.read() for _ in range(4))
    if not isinstance(fourth, int):
        return Frame(index, attrs, label, fourth, None)
    if fourth > len(reader.data):
        raise StateCorrupt("it is cut off")
    return Frame(index, attrs, label, None, [reader.read() for _ in range(fourth)])


def _write_instance(writer: Writer, value: Instance) -> None:
    write_str(writer, value.module)
    write_str(writer, value.name)
    writer.part(value, value.state, ".state()")


def _read_instance(reader: Reader) -> Instance:
    return Instance(read_str(reader), read_str(reader), reader.read())


FORMS = (
    Form(ord("A"), Array, _write_array, _read_array),
    Form(ord("W"), WindowOf, _write_window, _read_window),
    Form(SCALAR.tag, Scalar, _write_scalar, _read_scalar),
    Form(FRAME.tag, Frame, _write_frame, _read_frame),
    Form(INSTANCE.tag, Instance, _write_instance, _read_instance),
)
