"""What a verb prints: tables for people, JSON for programs, records as they are."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

HEX_BYTES_PER_LINE = 16
SHORT_DIGEST = 12  # hexadecimal digits: enough to tell the versions of one asset apart


def output_option(command: Command) -> Command:
    """Add ``-o text|json`` as the argument `form`."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        envvar="ENGINE_OUTPUT",
        show_default=True,
        show_envvar=True,
        help="How to print.",
    )(command)


def print_json(value: Any) -> None:
    """Print `value`, dataclasses and times included, as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, is_for_data: bool = True) -> None:
    """Print aligned columns, numbers to the right; a drawn table where a person watches.

    Parameters
    ----------
    headings : sequence of str
        One a column.
    rows : iterable of sequences
        Cells; None is shown as ``-``.
    is_for_data : bool
        On standard output; else on standard error.
    """
    rows = [list(row) for row in rows]
    is_number = [
        all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in column if cell is not None)
        for column in zip(*rows, strict=True)
    ] or [False] * len(headings)
    cells = [[_cell(value) for value in row] for row in rows]
    stream = sys.stdout if is_for_data else sys.stderr
    if stream.isatty():
        _print_drawn(headings, cells, is_number, is_for_data=is_for_data)
        return
    widths = [max(len(line[i]) for line in [list(headings), *cells]) for i in range(len(headings))]
    for line in [list(headings), *cells]:
        aligned = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_number, strict=True)
        )
        click.echo("  ".join(aligned).rstrip(), err=not is_for_data)


def _print_drawn(
    headings: Sequence[str], cells: Sequence[Sequence[str]], is_number: Sequence[bool], *, is_for_data: bool
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading, right in zip(headings, is_number, strict=True):
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for line in cells:
        table.add_row(*map(Text, line))
    Console(stderr=not is_for_data).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


def size_text(n_bytes: int | None) -> str | None:
    """Return a size as people read it.

    >>> size_text(1536)
    '1.5 KiB'
    """
    if n_bytes is None:
        return None
    size = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def counted(n: int, noun: str) -> str:
    """Return a number and what it counts.

    >>> counted(1, "record"), counted(2, "record")
    ('1 record', '2 records')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def talk(sentence: str) -> None:
    """Say something to the person, on standard error."""
    click.echo(sentence, file=sys.stderr)  # which a progress bar stands in for, so that it is printed above the bar


def hint(sentence: str) -> None:
    """Say what to do next, on standard error."""
    click.echo(click.style(f"Next: {sentence}", fg="cyan"), err=True)


def is_readable(value: bytes) -> bool:
    """Return whether the bytes are text that a terminal can show."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n" for character in text)


def hex_pane(value: bytes) -> str:
    r"""Return bytes as offset, hexadecimal and text, 16 a line.

    >>> print(hex_pane(b"AB\x00"))
    00000000  41 42 00                                         AB.
    """
    lines = []
    for offset in range(0, len(value), HEX_BYTES_PER_LINE):
        row = value[offset : offset + HEX_BYTES_PER_LINE]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{offset:08x}  {row.hex(' '):<47}  {text}")
    return "\n".join(lines) or "(empty)"


def print_records(values: Iterable[bytes], *, is_binary: bool) -> None:
    """Print raw records on standard output and hand them over before returning.

    Text is printed one record a line. Binary records are shown in hexadecimal on a terminal, and go into a pipe as they
    are, nothing between them.
    """
    out = sys.stdout.buffer
    if sys.stdout.isatty():
        out.writelines((value if is_readable(value) else hex_pane(value).encode()) + b"\n" for value in values)
    else:
        out.writelines(value if is_binary else value + b"\n" for value in values)
    out.flush()
