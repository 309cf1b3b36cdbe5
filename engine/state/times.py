"""Dates, times, spans of time, and the time zones that the standard library knows."""

from __future__ import annotations

import struct
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.errors import StateIncompatible
from engine.state.form import Form
from engine.state.reader import Reader
from engine.state.refusal import Unkept
from engine.state.scalars import read_str, write_str
from engine.state.writer import Writer

_DATE = struct.Struct("<HBB")
_TIME = struct.Struct("<BBBIB")  # the last one is the fold: which of two equal times when clocks are put back
_SPAN = struct.Struct("<iII")


def _write_date(writer: Writer, value: date) -> None:
    writer.out += _DATE.pack(value.year, value.month, value.day)


def _read_date(reader: Reader) -> date:
    return date(*_DATE.unpack(reader.take(_DATE.size)))


def _write_time(writer: Writer, value: time | datetime) -> None:
    writer.out += _TIME.pack(value.hour, value.minute, value.second, value.microsecond, value.fold)
    writer.part(value, value.tzinfo, ".tzinfo")


def _read_time(reader: Reader) -> time:
    hour, minute, second, microsecond, fold = _TIME.unpack(reader.take(_TIME.size))
    return time(hour, minute, second, microsecond, _read_zone(reader), fold=fold)


def _write_datetime(writer: Writer, value: datetime) -> None:
    _write_date(writer, value)
    _write_time(writer, value)


def _read_datetime(reader: Reader) -> datetime:
    return datetime.combine(_read_date(reader), _read_time(reader))


def _read_zone(reader: Reader) -> tzinfo | None:
    zone = reader.read()
    if zone is not None and not isinstance(zone, tzinfo):
        raise TypeError("a time zone is none")
    return zone


def _write_span(writer: Writer, value: timedelta) -> None:
    writer.out += _SPAN.pack(value.days, value.seconds, value.microseconds)


def _read_span(reader: Reader) -> timedelta:
    return timedelta(*_SPAN.unpack(reader.take(_SPAN.size)))


def _write_offset(writer: Writer, value: timezone) -> None:
    offset = value.utcoffset(None)
    _write_span(writer, offset)
    name = value.tzname(None)
    write_str(writer, "" if name == timezone(offset).tzname(None) else name)


def _read_offset(reader: Reader) -> timezone:
    offset = _read_span(reader)
    name = read_str(reader)
    return timezone(offset, name) if name else timezone(offset)


def _write_place(writer: Writer, value: ZoneInfo) -> None:
    if value.key is None:
        raise Unkept("zoneinfo.ZoneInfo without a key cannot be kept", "Make it by its name.")
    write_str(writer, value.key)


def _read_place(reader: Reader) -> ZoneInfo:
    key = read_str(reader)
    try:
        return ZoneInfo(key)
    except ZoneInfoNotFoundError as exc:
        raise StateIncompatible(f"the time zone {key!r} is not known on this machine") from exc


FORMS = (
    Form(ord("D"), date, _write_date, _read_date),
    Form(ord("T"), time, _write_time, _read_time),
    Form(ord("M"), datetime, _write_datetime, _read_datetime),
    Form(ord("U"), timedelta, _write_span, _read_span),
    Form(ord("o"), timezone, _write_offset, _read_offset),
    Form(ord("z"), ZoneInfo, _write_place, _read_place),
)
