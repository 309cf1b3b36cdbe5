"""An output together with what it carries beside its value."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_KEPT: Any = object()
"""Stands for what the script does not say: the output has the input's then."""

_MAX_TIMESTAMP_MS = 2**63 - 1  # a Kafka record has 64 bits for it


class _Fields(NamedTuple):
    value: Any
    label: dict[str, Any]


class Message(_Fields):
    """An output with a key, a time or headers of its own; what is left out is as in the record it came from.

    Only Kafka streams write what stands beside the value; to others it is the value alone.

    Parameters
    ----------
    value : object
        The output.
    key : str, bytes or None
        Text is written as UTF-8. None: no key.
    timestamp_ms : int or None
        Milliseconds since 1970. None: the time of writing.
    headers : mapping of str to str, bytes or None, or pairs of these, or None
        All of them: those of the input are not added. None: no headers.

    Raises
    ------
    TypeError, ValueError
        One of them is something else.

    Examples
    --------
    >>> Message(0.5, key="AAPL", headers={"model": "v3"})
    Message(0.5, key=b'AAPL', headers=(('model', b'v3'),))
    """

    # A tuple, so that telling what an action returned costs a plain value no further look.
    __slots__ = ()

    def __new__(  # noqa: D102  the class says it
        cls,
        value: Any,
        *,
        key: str | bytes | None = _KEPT,
        timestamp_ms: int | None = _KEPT,
        headers: Mapping[str, str | bytes | None] | Iterable[tuple[str, str | bytes | None]] | None = _KEPT,
    ) -> Message:
        label: dict[str, Any] = {}
        if key is not _KEPT:
            label["key"] = _bytes_of(key, "key")
        if timestamp_ms is not _KEPT:
            label["timestamp_ms"] = None if timestamp_ms is None else _checked_time(timestamp_ms)
        if headers is not _KEPT:
            label["headers"] = () if headers is None else tuple(_pairs_of(headers))
        return super().__new__(cls, value, label)

    def __getnewargs_ex__(self) -> tuple[tuple[Any], dict[str, Any]]:
        """Return what makes it again, for `copy` and `pickle`."""
        return (self.value,), self.label

    def __repr__(self) -> str:
        fields = [repr(self.value), *(f"{name}={value!r}" for name, value in self.label.items())]
        return f"Message({', '.join(fields)})"


def _bytes_of(value: Any, what: str) -> bytes | None:
    if value is None or type(value) is bytes:
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"the {what} of a Message is text, bytes or None, not {value!r:.80} ({type(value).__name__})")


def _checked_time(value: Any) -> int:
    try:
        time_ms = operator.index(value)
    except TypeError:
        reason = f"timestamp_ms is a whole number of milliseconds since 1970, not {value!r:.80}"
        raise TypeError(f"{reason}; of seconds, say int(1000 * seconds)") from None
    if not 0 <= time_ms <= _MAX_TIMESTAMP_MS:
        raise ValueError(f"timestamp_ms counts milliseconds since 1970, and {time_ms} is no such time")
    return time_ms


def _pairs_of(headers: Any) -> Iterable[tuple[str, bytes | None]]:
    if not isinstance(headers, Iterable):
        raise TypeError(f"headers are a mapping or pairs of a name and a value, not {headers!r:.80}")
    for pair in headers.items() if isinstance(headers, Mapping) else headers:
        try:
            name, value = pair
        except (TypeError, ValueError):
            raise TypeError(f"headers are pairs of a name and a value, and {pair!r:.80} is none") from None
        if not isinstance(name, str):
            raise TypeError(f"the name of a header is a text, not {name!r:.80}")
        yield name, _bytes_of(value, f"header {name!r}")
