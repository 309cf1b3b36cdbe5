"""Where to a group's offsets are to be moved, as a person says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from engine.errors import ConfigError

WORDS = ("earliest", "latest", "group", "state")
"""The first and the last record that there is, where the group stands, and where the state does."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The first record of that time or later, in milliseconds since 1970."""

    timestamp_ms: int


Where: TypeAlias = str | int | Moment


def parse_where(text: str) -> Where:
    """Return what a text says.

    Parameters
    ----------
    text : str
        One of `WORDS`, an offset, or a time such as ``2026-11-21T09:30:00+01:00``; one without a zone is UTC.

    Raises
    ------
    ConfigError
        It is none of these.

    Examples
    --------
    >>> parse_where("Earliest"), parse_where("1200"), parse_where("1970-01-01T00:00:01")
    ('earliest', 1200, Moment(timestamp_ms=1000))
    """
    word = text.strip()
    if word.casefold() in WORDS:
        return word.casefold()
    if re.fullmatch(r"[0-9]{1,18}", word):
        return int(word)
    try:
        moment = datetime.fromisoformat(word)
    except ValueError as exc:
        raise ConfigError(
            f"{text!r} is no place in a topic. Write {', '.join(WORDS)}, an offset, or a time such as"
            " 2026-11-21T09:30:00Z."
        ) from exc
    return Moment(round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))
