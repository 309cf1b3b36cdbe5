"""How the values of annotations are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import AnnotationError, nearest

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Written:
    """An annotation as it stands in the script: tag, scope (None when omitted) and the text of its value."""

    line: int
    tag: str
    scope: str | None
    text: str

    def wrong(self, reason: str, near: str | None = None) -> AnnotationError:
        """Return the error that says what is wrong with this line."""
        return AnnotationError(self.line, reason, near)


def one_word(written: Written) -> str:
    """Return a value that holds no blank."""
    if len(written.text.split()) != 1:
        raise written.wrong(f"{written.tag} takes one word, not {written.text!r}")
    return written.text


def function_name(written: Written) -> str:
    """Return a value that can be the name of a function of the script."""
    if not written.text.isidentifier():
        raise written.wrong(f"{written.text!r} is not the name of a function")
    return written.text


def choice(*words: str) -> Callable[[Written], str]:
    """Return a reader of one of `words`, in any case."""

    def read(written: Written) -> str:
        word = written.text.lower()
        if word not in words:
            raise written.wrong(not_recognized(written.text, *words), nearest(written.text, words))
        return word

    return read


def not_recognized(text: str, *words: str) -> str:
    """Return the reason for refusing a word that is none of `words`, as FastScore words it."""
    quoted = [f"'{word}'" for word in words]
    listed = f"{', '.join(quoted[:-1])}{',' if len(quoted) > 2 else ''} or {quoted[-1]}"
    return f"Value {text!r} not recognized (use {listed})"


def yes_or_no(written: Written) -> bool:
    """Return a truth value."""
    return choice("true", "false", "yes", "no")(written) in ("true", "yes")


def words(written: Written) -> tuple[str, ...]:
    """Return a list; blanks and commas separate its items."""
    return tuple(re.split(r"[\s,]+", written.text.strip(", ")))


def names(written: Written) -> tuple[str, ...]:
    """Return a list of names of the script."""
    for name in words(written):
        if not name.isidentifier():
            raise written.wrong(f"{name!r} is not a name")
    return words(written)


def duration_s(written: Written) -> float:
    """Return seconds from ``30s``, ``500ms`` or ``2m``; `h` and `d` are known too."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", written.text.lower(), re.ASCII)
    if match is None or match[2] not in _SECONDS:
        near = f"{match[1]}s" if match and not match[2] else None
        raise written.wrong(f"{written.text!r} is not a duration such as 500ms, 30s, 2m or 7d", near)
    seconds = float(match[1]) * _SECONDS[match[2]]
    if not 0.0 < seconds < float("inf"):
        raise written.wrong(f"{written.tag} must be longer than nothing and shorter than for ever, not {written.text}")
    return seconds
