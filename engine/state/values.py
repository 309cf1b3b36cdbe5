"""Values to bytes and back, each as the exact type it was.

The packed form is one byte, the version of the format, and one value: a byte that says what it is, and its content.
Numbers are little-endian, lengths unsigned LEB128 [1]_. A sequence of floats is packed as doubles, one of numbers and
texts by msgpack; the two are most of what scripts keep, and both run at the speed of C. The forms of a version never
change: what is written today is read by every later version.

Nothing here runs code that the bytes bring along: no pickle, and of a script's own classes only those that the script
has loaded and that say themselves how they are kept.

References
----------
.. [1] DWARF Debugging Information Format 5, section 7.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import StateCorrupt, StateError, StateIncompatible, StateUnkept
from engine.state import arrays, containers, frames, instances, scalars, times
from engine.state.reader import Reader
from engine.state.refusal import Unkept
from engine.state.writer import Writer

FORMAT_VERSION = 1

_FORMS = (*scalars.FORMS, *containers.FORMS, *times.FORMS, *arrays.FORMS)
_WRITERS = {form.type: form for form in _FORMS}
_READERS = {form.tag: form.read for form in (*_FORMS, arrays.SCALAR, frames.FRAME, instances.INSTANCE)}


def _write_other(writer: Writer, value: Any) -> None:
    """Write what is known by something else than its type; the first that knows it does."""
    _ = arrays.write_scalar(writer, value) or frames.write(writer, value) or instances.write(writer, value)


def pack(value: Any, name: str = "value") -> bytes:
    """Return the packed form of a value.

    An object that is met twice is packed twice, and comes back as two.

    Parameters
    ----------
    value : object
        None, bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, deque, date, time,
        datetime, timedelta, timezone, ZoneInfo, Decimal, a numpy scalar or array without objects in it, a pandas Series
        or DataFrame, a `Window`, or an instance of a class with ``state()`` and ``restore()``; containers of these.
    name : str
        What the script calls it, for the sentences of errors.

    Raises
    ------
    StateUnkept
        It, or a part of it, is none of these; the error says which part.
    StateTooLarge
        It takes more than `LIMIT_BYTES`.

    Examples
    --------
    >>> len(pack([0.5] * 30))
    244
    >>> unpack(pack({"total": 1.5, ("a", 1): {True, None}})) == {"total": 1.5, ("a", 1): {True, None}}
    True
    """
    writer = Writer(name, _WRITERS, _write_other)
    writer.out.append(FORMAT_VERSION)
    try:
        writer.write(value)
    except Unkept as exc:
        raise exc.as_error(name) from exc
    except (RuntimeError, MemoryError) as exc:  # a container was changed meanwhile, or the stack was deep before
        raise StateUnkept(name, f"it cannot be packed: {exc}") from exc
    writer.check_size()
    return bytes(writer.out)


def unpack(data: bytes, resolve: Callable[[str, str], type] = instances.loaded_class) -> Any:
    """Return the value of a packed form.

    Parameters
    ----------
    data : bytes
        What `pack` returned, in this version of the engine or an earlier one.
    resolve : callable
        Takes the names of a module and of a class in it, and returns the class of an instance with ``restore()``. By
        default it finds only what is imported already, as a script and its modules are in its jet.

    Raises
    ------
    StateCorrupt
        These bytes are no packed form. No bytes lead to another exception, or to more memory than a value may take.
    StateIncompatible
        They were written by a later version, or by a script that had a class which is not there now.
    """
    if data[:1] != bytes([FORMAT_VERSION]):
        if not data:
            raise StateCorrupt("there are no bytes")
        raise StateIncompatible(f"it has version {data[0]} of the format, and this engine reads {FORMAT_VERSION}")
    reader = Reader(data, 1, _READERS, resolve)
    try:
        value = reader.read()
    except StateError:
        raise
    except Exception as exc:  # what numpy, pandas and others raise on damaged bytes is not for us to list
        raise StateCorrupt(f"{type(exc).__name__}: {exc}") from exc
    if reader.at != len(data):
        raise StateCorrupt(f"{len(data) - reader.at} bytes follow its end")
    return value
