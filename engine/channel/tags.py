"""Printed lines on their way to the engine, each with the record that it was printed in.

A line is ``<RS>slot:seq<US>text`` (ASCII's record and unit separator) when it was printed within a record, and else
just its text.
"""

from __future__ import annotations

import re

MAX_LINE_BYTES = 8192
"""A longer line is cut into several."""

_TAGGED = re.compile(rb"\x1e(\d+):(\d+)\x1f(.*)", re.DOTALL)


def tag_line(record: tuple[int, int] | None, line: bytes) -> bytes:
    """Return the line as it is written, without its end. `record` is the slot and the sequence number."""
    return line if record is None else b"\x1e%d:%d\x1f%b" % (*record, line)


def read_line(line: bytes) -> tuple[tuple[int, int] | None, bytes]:
    """Return what `tag_line` was given."""
    match = _TAGGED.fullmatch(line)
    return (None, line) if match is None else ((int(match[1]), int(match[2])), match[3])
