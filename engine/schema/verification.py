"""Which lines of a file fit a schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from engine.errors import DecodeError, SchemaMismatch
from engine.schema.json_text import parse_json
from engine.schema.schema import Schema
from engine.schema.validator import validator


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one line.

    Parameters
    ----------
    line_no : int
        Counted from 1.
    outcome : {"ok", "json", "fail"}
        ``json``: it is not JSON. ``fail``: it does not fit the schema.
    reason : str
        A sentence; empty when it is ok.
    """

    line_no: int
    text: str
    outcome: Literal["ok", "json", "fail"]
    reason: str = ""


def verify_records(schema: Schema, lines: Iterable[bytes | str]) -> Iterator[Verdict]:
    """Yield a verdict on each line; empty lines are skipped."""
    check = validator(schema, domain="json")
    for line_no, line in enumerate(lines, 1):
        if not line.strip():
            continue
        text = (line if isinstance(line, str) else line.decode(errors="replace")).rstrip("\r\n")
        try:
            check(parse_json(line))
        except DecodeError as exc:
            yield Verdict(line_no, text, "json", str(exc))
        except SchemaMismatch as exc:
            yield Verdict(line_no, text, "fail", str(exc))
        else:
            yield Verdict(line_no, text, "ok")
