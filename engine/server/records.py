"""Raw records in the bodies of requests and responses."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack

from engine.server.problem import RequestInvalid

RECORDS_TYPE = "application/vnd.engine.records+msgpack"
"""A MSGPACK list of binaries: any number of records, whatever bytes are in them."""
LINES_TYPE = "application/x-ndjson"
"""One record a line."""
BINARY_TYPE = "application/octet-stream"

_RECORD_TYPES = {"json": "application/json", "utf-8": "text/plain; charset=utf-8"}
_LINE_TYPES = {"json": LINES_TYPE, "utf-8": "text/plain; charset=utf-8"}


def media_type_of(header: str) -> str:
    """Return the first media type of a ``Content-Type`` or ``Accept`` header, without its parameters."""
    return header.partition(",")[0].partition(";")[0].strip().lower()


def split_records(body: bytes) -> list[bytes]:
    """Return the records of a body with one a line; blank lines are none."""
    return [line for line in (line.removesuffix(b"\r") for line in body.split(b"\n")) if line]


def unpack_records(body: bytes) -> list[bytes]:
    """Return the records of a MSGPACK list."""
    try:
        records = msgpack.unpackb(body)
    except (ValueError, TypeError, msgpack.UnpackException) as exc:
        reason = str(exc) or "no object begins like that"  # msgpack.FormatError says nothing
        raise RequestInvalid("body", f"is not MSGPACK: {reason}") from exc
    if not isinstance(records, list) or not all(isinstance(record, bytes) for record in records):
        raise RequestInvalid("body", "is not a MSGPACK list of binaries")
    return records


def pack_records(records: Sequence[bytes]) -> bytes:
    """Return a MSGPACK list of `records`."""
    packed: bytes = msgpack.packb(records)
    return packed


def join_lines(records: Sequence[bytes], encoding: str | None) -> tuple[bytes, str]:
    """Return the records one a line, and the media type of that."""
    return b"\n".join(records), _LINE_TYPES.get(encoding or "", BINARY_TYPE)


def join_answer(records: Sequence[bytes], encoding: str | None) -> tuple[bytes, str]:
    """Return what a synchronous score answers, and its media type: the record itself, or all of several as one."""
    if len(records) == 1:
        return records[0], _RECORD_TYPES.get(encoding or "", BINARY_TYPE)
    if encoding == "json":
        return b"[" + b",".join(records) + b"]", _RECORD_TYPES["json"]
    if encoding == "utf-8":
        return join_lines(records, encoding)
    return b"".join(records), BINARY_TYPE
