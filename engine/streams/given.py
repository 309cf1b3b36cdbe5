"""A stream that is given where it is used, and not by its name in the library."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from engine.errors import DescriptorError, nearest
from engine.schema import Schema
from engine.streams.literals import LITERALS, parse_literal
from engine.streams.parsing import parse_descriptor
from engine.streams.stream import Stream, resolve_stream

_WORD = re.compile(r"[A-Za-z][\w-]*")  # nothing that begins so is a descriptor's JSON


def given_stream(
    source: str | dict[str, Any], schemas: Callable[[str], Schema], stored: Callable[[str], bytes] | None = None
) -> Stream:
    """Return the stream that a descriptor, its text, or a literal such as ``rest:`` stands for.

    Parameters
    ----------
    source : str or dict
        What was given.
    schemas : callable
        Returns the schema of a name.
    stored : callable, optional
        Returns the text of a stream's descriptor by its name.

    Raises
    ------
    DescriptorError, NotBuilt
        See `parse_descriptor`, `parse_literal` and `resolve_stream`.
    """
    if isinstance(source, dict):
        return resolve_stream("", parse_descriptor(source), schemas, stored)
    text = source.strip()
    if (literal := parse_literal(text)) is not None:
        return resolve_stream(text, literal, schemas, stored)
    if (word := _WORD.match(text)) is not None:
        reason = f"{text!r} is neither a JSON object nor a literal, which are {', '.join(LITERALS)}"
        raise DescriptorError("", reason, nearest(f"{word[0]}:", LITERALS))
    return resolve_stream("", parse_descriptor(source), schemas, stored)
