"""What of a record is its key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from engine.errors import KeyMissing, SchemaMismatch
from engine.schema.mismatch import show

Key = str | bytes | int | bool | None

_KEY_TYPES = frozenset({str, bytes, int, bool, type(None)})
_EXPECTED = "a key (a string, bytes, an integer, a boolean or null)"


def key_reader(path: str) -> Callable[[Any], Key]:
    """Return what takes the key out of a record, and raises `SchemaMismatch` where there is none.

    >>> key_reader("trade.symbol")({"trade": {"symbol": "AAPL"}})
    'AAPL'
    """
    first, *rest = path.split(".")

    def read(record: Any) -> Key:
        try:
            found = record[first]
            for step in rest:
                found = found[step]
        except (KeyError, TypeError, IndexError):
            raise SchemaMismatch(path, _EXPECTED, "nothing") from None
        if type(found) not in _KEY_TYPES:
            if type(found) is UUID:
                return str(found)
            raise SchemaMismatch(path, _EXPECTED, show(found))
        key: Key = found
        return key

    return read


def message_key(raw: bytes | None) -> Key:
    r"""Return the key of a message: text where it is UTF-8, as most are, else the bytes; raises `KeyMissing`.

    >>> message_key(b"AAPL"), message_key(bytes([0xFF, 7]))
    ('AAPL', b'\xff\x07')
    """
    if raw is None:
        raise KeyMissing
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
