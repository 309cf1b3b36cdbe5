"""How a value that does not fit is named: where it is, and what it looks like."""

from __future__ import annotations

import reprlib

from engine.errors import SchemaMismatch

# A message is read in one line of a log: the start of a value tells it apart, the rest of it does not.
MAX_SHOWN_CHARS = 80
# A path this long comes only from a linked list; its last steps are the telling ones.
MAX_PATH_CHARS = 200

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = MAX_SHOWN_CHARS
_repr.maxlevel = 3


def show(value: object) -> str:
    """Return a short text of any value with its type, whatever the value's own ``repr`` does.

    >>> show("abc"), show(None)
    ("'abc' (str)", 'null')
    """
    if value is None:
        return "null"
    kind = type(value).__name__
    try:
        text = _repr.repr(value)
    except Exception:  # noqa: BLE001  a value of the script's own class, or an int of 5,000 digits: no repr may break the report
        return f"a value of type {kind}"
    if len(text) > MAX_SHOWN_CHARS:
        text = text[: MAX_SHOWN_CHARS - 3] + "..."
    return f"{text} ({kind})"


def within(step: str, error: SchemaMismatch) -> SchemaMismatch:
    """Return the same mismatch, seen from one level further out.

    >>> within("legs", within("[2]", SchemaMismatch("symbol", "string", "3 (int)"))).path
    'legs[2].symbol'
    """
    dot = "." if error.path and not error.path.startswith(("[", "{")) else ""
    path = f"{step}{dot}{error.path}"
    if len(path) > MAX_PATH_CHARS:
        path = "..." + path[-(MAX_PATH_CHARS - 3) :]
    return SchemaMismatch(path, error.expected, error.got)
