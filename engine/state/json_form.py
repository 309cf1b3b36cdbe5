"""Packed values as JSON that people read and edit, and back: nothing is lost on the way.

What JSON has is plain JSON. Everything else is an object with one name that begins with a dollar sign: a tuple is
``{"$tuple": [1, 2]}``, a deque ``{"$deque": [1, 2], "maxlen": 30}``, not a number ``{"$float": "nan"}``. A dictionary
is an object if its keys are texts without such a sign, else ``{"$dict": [[key, value], ...]}``.

No class of a script's own is needed: an instance is ``{"$instance": "module:Class", "state": ...}``. A value that this
machine cannot read, such as one with a time zone that it does not know, is ``{"$packed": "..."}``, in base64.
"""

from __future__ import annotations

import struct
from typing import Any

from engine.errors import StateCorrupt, StateError, StateIncompatible, StateUnkept
from engine.state import arrays, containers, json_parts, json_plain, scalars, taken_apart, times
from engine.state.instances import loaded_class
from engine.state.json_kinds import Invalid, add_kinds, base64_of, bytes_of, decode, encode
from engine.state.reader import Reader
from engine.state.refusal import Unkept, refused
from engine.state.values import FORMAT_VERSION
from engine.state.writer import Writer

_FORMS = {
    form.tag: form for form in (*scalars.FORMS, *containers.FORMS, *times.FORMS, *arrays.FORMS, *taken_apart.FORMS)
}  # the later ones count: what is taken apart is not put together
_READERS = {tag: form.read for tag, form in _FORMS.items()}
_WRITERS = {form.type: form for form in _FORMS.values()}
add_kinds([*json_plain.KINDS, *json_parts.KINDS])


def to_json(data: bytes) -> Any:
    """Return what a packed value looks like as JSON: None, truth values, numbers, texts, lists and dicts of texts.

    Raises
    ------
    StateCorrupt
        These bytes are no packed form.

    Examples
    --------
    >>> from engine.state import pack
    >>> to_json(pack({"seen": (1, 2.5), "name": "x"}))
    {'seen': {'$tuple': [1, 2.5]}, 'name': 'x'}
    """
    if data[:1] != bytes([FORMAT_VERSION]):
        return {"$packed": base64_of(data)}
    reader = Reader(data, 1, _READERS, loaded_class)
    try:
        value = reader.read()
    except StateIncompatible:
        return {"$packed": base64_of(data)}
    except StateError:
        raise
    except Exception as exc:  # as `engine.state.unpack`: damaged bytes raise what they like
        raise StateCorrupt(f"{type(exc).__name__}: {exc}") from exc
    if reader.at != len(data):
        raise StateCorrupt(f"{len(data) - reader.at} bytes follow its end")
    return encode(value)


def from_json(value: Any, name: str = "value") -> bytes:
    """Return the packed form of what `to_json` made JSON of, or a person wrote.

    Raises
    ------
    StateUnkept
        It stands for no value; the sentence says why.
    StateTooLarge
        It takes more than `LIMIT_BYTES`.

    Examples
    --------
    >>> from engine.state import unpack
    >>> unpack(from_json({"seen": {"$tuple": [1, 2.5]}}))
    {'seen': (1, 2.5)}
    """
    if isinstance(value, dict) and value.keys() == {"$packed"}:
        try:
            return bytes_of(value["$packed"])
        except Invalid as exc:
            raise StateUnkept(name, str(exc)) from exc
    writer = Writer(name, _WRITERS, _refuse)
    writer.out.append(FORMAT_VERSION)
    try:
        writer.write(decode(value))
    except Unkept as exc:
        raise exc.as_error(name) from exc
    except StateError:
        raise
    except RecursionError as exc:
        raise StateUnkept(name, "it is nested too deep") from exc
    except (ValueError, TypeError, OverflowError, ArithmeticError, struct.error) as exc:
        raise StateUnkept(name, str(exc) or type(exc).__name__) from exc
    writer.check_size()
    return bytes(writer.out)


def _refuse(_writer: Writer, value: Any) -> None:
    raise refused(value)
