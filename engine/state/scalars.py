"""Truth values, numbers, texts and bytes."""

from __future__ import annotations

import struct
from decimal import Decimal

from engine.state.form import Form
from engine.state.reader import Reader
from engine.state.writer import Writer

_DOUBLE, _TWO_DOUBLES = struct.Struct("<d"), struct.Struct("<dd")


def _write_none(writer: Writer, value: None) -> None:
    pass


def _write_bool(writer: Writer, value: bool) -> None:
    writer.out.append(value)


def _write_int(writer: Writer, value: int) -> None:
    writer.text(value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def _read_int(reader: Reader) -> int:
    return int.from_bytes(reader.text(), "little", signed=True)


def _write_float(writer: Writer, value: float) -> None:
    writer.out += _DOUBLE.pack(value)


def _read_float(reader: Reader) -> float:
    (value,) = _DOUBLE.unpack(reader.take(8))
    return float(value)


def _write_complex(writer: Writer, value: complex) -> None:
    writer.out += _TWO_DOUBLES.pack(value.real, value.imag)


def _read_complex(reader: Reader) -> complex:
    return complex(*_TWO_DOUBLES.unpack(reader.take(16)))


def write_str(writer: Writer, value: str) -> None:
    """Append a text, halves of surrogate pairs included: Python's texts may hold them."""
    writer.text(value.encode("utf-8", "surrogatepass"))


def read_str(reader: Reader) -> str:
    """Return a text."""
    return reader.text().decode("utf-8", "surrogatepass")


def _write_bytes(writer: Writer, value: bytes) -> None:
    writer.text(value)


def _write_decimal(writer: Writer, value: Decimal) -> None:
    write_str(writer, str(value))


FORMS = (
    Form(ord("N"), type(None), _write_none, lambda _: None),
    Form(ord("b"), bool, _write_bool, lambda reader: bool(reader.byte())),
    Form(ord("i"), int, _write_int, _read_int),
    Form(ord("f"), float, _write_float, _read_float),
    Form(ord("c"), complex, _write_complex, _read_complex),
    Form(ord("s"), str, write_str, read_str),
    Form(ord("y"), bytes, _write_bytes, Reader.text),
    Form(ord("Y"), bytearray, _write_bytes, lambda reader: bytearray(reader.text())),
    Form(ord("m"), Decimal, _write_decimal, lambda reader: Decimal(read_str(reader))),
)
