"""What the arguments INPUT and OUTPUT of ``engine run`` mean."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import AssetNotFound, ConfigError

if TYPE_CHECKING:
    from engine.registry import Library
    from engine.streams import StreamDescriptor

STANDARD = "-"


MAX_DESCRIPTOR_BYTES = 1 << 16


def slot_pairs(texts: Iterable[str], option: str, example: str = "0=rest") -> dict[int, str]:
    """Return the streams that an option names as ``SLOT=STREAM``; raises `click.BadParameter`."""
    pairs: dict[int, str] = {}
    for text in texts:
        number, _, stream = text.partition("=")
        if not number.isdecimal() or not stream:
            raise click.BadParameter(f"{text!r} is not of the form SLOT=STREAM, such as {example}.", param_hint=option)
        if int(number) in pairs:
            raise click.BadParameter(f"Slot {number} is named twice.", param_hint=option)
        pairs[int(number)] = stream
    return pairs


def find_endpoint(text: str, slot: int, library: Library | None, encoding: str | None) -> StreamDescriptor:
    """Return the stream that an argument names.

    The name of a stream in the library is that stream; anything else is a literal, such as ``inline:1,2,3``, a path, or
    ``-`` for standard input or output.

    Parameters
    ----------
    text : str
        The argument.
    slot : int
        Where it is to be attached.
    library : Library, optional
        Whose streams count.
    encoding : str, optional
        Of records in files; by default it goes by the suffix.

    Raises
    ------
    ConfigError
        The path leads to the description of a stream: as an output it would be overwritten.
    """
    from engine.streams import parse_descriptor, parse_endpoint, parse_literal

    if library is not None and text != STANDARD and not {"/", ":"} & set(text):
        try:
            return parse_descriptor(library.streams.read(text), text)
        except AssetNotFound:
            pass  # then it is a file
    if (path := existing_file(text)) is not None and _is_descriptor(path):
        fix = f"Add it to a library, and name it: engine stream add {path.stem} {text}"
        raise ConfigError(f"{text} holds the description of a stream, and no records. {fix}")
    if encoding is None or parse_literal(text) is not None:
        return parse_endpoint(text, slot % 2 == 0)
    place = text if text == STANDARD else str(Path(text).absolute())
    return parse_descriptor({"Transport": {"Type": "file", "Path": place}, "Encoding": encoding}, text)


def existing_file(text: str) -> Path | None:
    """Return the file that an argument names, where there is one."""
    path = Path(text)
    return path if text != STANDARD and path.is_file() else None


def _is_descriptor(path: Path) -> bool:
    if path.suffix != ".json" or path.stat().st_size > MAX_DESCRIPTOR_BYTES:
        return False
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and "Transport" in found
