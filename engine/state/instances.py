"""Instances of a script's own classes, which say themselves what is to be kept of them."""

from __future__ import annotations

import sys
from functools import reduce
from typing import Any

from engine.errors import StateError, StateIncompatible
from engine.state.form import Form
from engine.state.reader import Reader
from engine.state.refusal import Unkept, refused, type_name
from engine.state.scalars import read_str, write_str
from engine.state.writer import Writer


def loaded_class(module: str, name: str) -> type:
    """Return a class of a module that is imported already.

    Raises
    ------
    StateIncompatible
        There is none of that name, or it does not say how it is kept.
    """
    found = reduce(lambda place, part: getattr(place, part, None), name.split("."), sys.modules.get(module))
    if not isinstance(found, type) or not _is_kept(found):
        raise StateIncompatible(f"{module}.{name} is not a class with state() and restore()")
    return found


def _is_kept(kind: type) -> bool:
    return callable(getattr(kind, "state", None)) and callable(getattr(kind, "restore", None))


def write(writer: Writer, value: Any) -> bool:
    """Append an instance by its ``state()``, or refuse it; return True."""
    kind = type(value)
    if isinstance(value, type) or not _is_kept(kind):
        raise refused(value)
    try:
        is_found = loaded_class(kind.__module__, kind.__qualname__) is kind
    except StateIncompatible:
        is_found = False
    if not is_found:
        raise Unkept(f"{type_name(kind)} cannot be kept: its class is not found by its name", "Define it in a module.")
    writer.out.append(INSTANCE.tag)
    _write_instance(writer, value)
    return True


def _write_instance(writer: Writer, value: Any) -> None:
    kind = type(value)
    write_str(writer, kind.__module__)
    write_str(writer, kind.__qualname__)
    try:
        state = value.state()
    except (Exception, SystemExit) as exc:  # the script may raise anything
        raise Unkept(f"{type_name(kind)}.state() raised {type(exc).__name__}: {exc}") from exc
    writer.part(value, state, ".state()")


def _read_instance(reader: Reader) -> Any:
    module, name = read_str(reader), read_str(reader)
    kind: Any = reader.resolve(module, name)
    state = reader.read()
    instance = kind.__new__(kind)
    try:
        instance.restore(state)
    except StateError:
        raise
    except (Exception, SystemExit) as exc:  # the script may raise anything
        raise StateIncompatible(f"{module}.{name}.restore() raised {type(exc).__name__}: {exc}") from exc
    return instance


INSTANCE = Form(ord("O"), object, _write_instance, _read_instance)
"""Not looked up by type."""
