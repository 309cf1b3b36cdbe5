"""Words of a descriptor: upper and lower case mean the same, and a wrong one is answered with the right one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from engine.errors import DescriptorError, NotBuilt, nearest

WHERE = "Stream descriptor"

TRANSPORTS = ("REST", "file", "inline", "discard", "HTTP", "Kafka", "kafka-offset")
TRANSPORTS_NOT_BUILT = ("S3", "ODBC", "HDFS", "TCP", "UDP", "exec", "debug", "console", "time")
DURABLE = ("disk", "process")
SELF_DELIMITING = ("avro-binary",)
ENVELOPES = ("delimited",)
ENVELOPES_NOT_BUILT = ("fixed", "ocf-block", "delimited-csv")

_LONGEST_SHOWN = 60  # characters of a wrong value: enough to find it by, and fits a line


def shown(value: Any) -> str:
    """Return a value as JSON, cut to a length that fits a sentence."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def one_of(words: Iterable[str]) -> str:
    """Return the words as a choice."""
    *others, last = map(shown, words)
    return f"{', '.join(others)} or {last}" if others else last


def expected(field: str, what: str, got: Any) -> DescriptorError:
    """Return the error for a value of the wrong kind."""
    return DescriptorError(field, f"{what} expected, got {shown(got)}")


def canonical(field: str, word: Any, known: Iterable[str], not_built: Iterable[str] = ()) -> str:
    """Return the word as the descriptor's documents spell it.

    Raises
    ------
    DescriptorError
        Not a text, or a word that nothing is called by.
    NotBuilt
        A word for something that does not exist yet.
    """
    known, not_built = tuple(known), tuple(not_built)
    if not isinstance(word, str):
        raise expected(field, "a text", word)
    by_folded = {each.casefold(): each for each in (*known, *not_built)}
    found = by_folded.get(word.casefold())
    if found is None:
        near = nearest(word, known) or nearest(word, not_built)
        raise DescriptorError(field, f"{one_of(known)} expected, got {shown(word)}", near)
    if found in not_built:
        raise NotBuilt(f"{field.split('.')[0]} {shown(found)}", WHERE)
    return found
