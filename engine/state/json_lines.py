"""The state as lines of JSON: one entry a line, for people, for other programs, and to be read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from engine.errors import ConfigError, EngineError, StateError
from engine.state.commits import SCRIPT, Entry
from engine.state.json_form import from_json, to_json
from engine.state.values import pack

FIELDS = ("scope", "key", "name", "value")
FAILURE = "failure"
"""The one field of a line that says that what is before it is not all."""

_CELLS, _POOLS = "cells", "pools/"


def write_line(entry: Entry) -> str:
    """Return an entry as a line, without its end; the key is null where the script has none.

    Raises
    ------
    StateCorrupt
        Its bytes are damaged.
    """
    return json.dumps(entry_fields(entry), ensure_ascii=False, allow_nan=False)


def entry_fields(entry: Entry) -> dict[str, Any]:
    """Return what a line says."""
    key = key_json(entry.key)
    value = None if entry.value is None else to_json(entry.value)
    return {"scope": entry.scope, "key": key, "name": entry.name, "value": value}


def key_json(key: bytes) -> Any:
    """Return a packed key as JSON: null where there is none, and for a key that is None."""
    return to_json(key) if key else None


def key_of(shown: Any, *, is_keyed: bool) -> bytes:
    """Return the packed key that `key_json` showed, of a scope that has keys or has none.

    Raises
    ------
    ValueError
        There is a key, and the scope has none.
    StateUnkept
        It stands for no value.
    """
    if is_keyed:
        return from_json(shown, "key")
    if shown is not None:
        msg = "it has a key, and what it would belong to has none: null expected"
        raise ValueError(msg)
    return b""


def keys_named(text: str) -> frozenset[bytes]:
    """Return the packed keys that a person may mean by a text: the text itself, or what it is as JSON.

    >>> from engine.state import unpack
    >>> sorted(unpack(key) for key in keys_named("5") if not isinstance(unpack(key), str))
    [5, 5.0]
    """
    keys = {pack(text)}
    try:
        value = json.loads(text)
        keys.add(from_json(value))
    except (ValueError, RecursionError, StateError):
        return frozenset(keys)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53:  # a double holds it
        keys.add(pack(float(value)))
    return frozenset(keys)


def select(entries: Iterable[Entry], key: str | None = None, name: str | None = None) -> Iterator[Entry]:
    """Return the entries of a key, as a person names it, and of a name; None is any."""
    keys = None if key is None else keys_named(key)
    return (entry for entry in entries if (keys is None or entry.key in keys) and name in (None, entry.name))


def write_failure(exc: BaseException) -> str:
    """Return the line that ends what was not written to its end: `read_lines` refuses it."""
    return json.dumps({FAILURE: str(exc)}, ensure_ascii=False)


def read_lines(lines: Iterable[bytes], *, is_keyed: bool) -> Iterator[Entry]:
    """Yield the entries of lines; blank ones are none.

    Parameters
    ----------
    lines : iterable of bytes
        In UTF-8.
    is_keyed : bool
        The script has keys: a null is the key None then.

    Raises
    ------
    ConfigError
        A line is wrong, or says again what one before it said; the sentence begins with its number.
    """
    seen: dict[tuple[str, bytes, str], int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = _read(line.decode(), is_keyed=is_keyed)
        except UnicodeDecodeError as exc:
            raise ConfigError(f"Line {number}: not UTF-8, so no line of `engine state export`.") from exc
        except (ValueError, ConfigError, StateError, RecursionError) as exc:
            raise ConfigError(f"Line {number}: {_sentence(exc)}") from exc
        before = seen.setdefault((entry.scope, entry.key, entry.name), number)
        if before != number:
            raise ConfigError(f"Line {number}: line {before} holds the same name of the same key.")
        yield entry


def _sentence(exc: Exception) -> str:
    if isinstance(exc, RecursionError):
        return "it is nested too deep."
    return str(exc) if isinstance(exc, EngineError) else f"{exc}."


def _read(line: str, *, is_keyed: bool) -> Entry:
    fields = json.loads(line, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    if isinstance(fields, dict) and fields.keys() == {FAILURE}:
        raise ConfigError(f"the export failed here, so that this is not all of the state. It said: {fields[FAILURE]}")
    if not isinstance(fields, dict) or fields.keys() != set(FIELDS):
        msg = f"an object with {', '.join(FIELDS)} expected"
        raise ValueError(msg)
    scope, name = fields["scope"], fields["name"]
    if not isinstance(scope, str) or not (scope in (SCRIPT, _CELLS) or (scope.startswith(_POOLS) and scope != _POOLS)):
        msg = f"{scope!r} is no scope: it is {SCRIPT}, {_CELLS} or {_POOLS}NAME"
        raise ValueError(msg)
    if not isinstance(name, str) or (not name and not scope.startswith(_POOLS)):
        msg = f"{name!r} is no name"
        raise ValueError(msg)
    has_keys = is_keyed if scope == SCRIPT else scope != _CELLS
    return Entry(scope, key_of(fields["key"], is_keyed=has_keys), name, from_json(fields["value"], name or scope))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        msg = f"{next(name for name in names if names.count(name) > 1)!r} is given twice in one object"
        raise ValueError(msg)
    return fields


def _refuse_constant(word: str) -> Any:
    msg = f'{word} is not JSON: write {{"$float": "{word.lower().replace("infinity", "inf")}"}}'
    raise ValueError(msg)
