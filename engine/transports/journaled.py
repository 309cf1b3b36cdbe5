"""How a record is written into a journal, so that one that was too long to be kept comes back as such."""

from __future__ import annotations

from struct import Struct

from engine.record import Oversized

_MARK = b"\0engine record\0"  # a record that begins like that has it twice
_SIZE = Struct("<Q")


def to_journal(value: bytes) -> bytes:
    """Return the bytes to keep; nearly always the record itself."""
    if isinstance(value, Oversized):
        return _MARK + b"\0" + _SIZE.pack(value.size_bytes) + value
    return _MARK + value if value.startswith(_MARK) else value


def from_journal(kept: bytes) -> bytes:
    """Return the record that was kept."""
    if not kept.startswith(_MARK):
        return kept
    rest = kept[len(_MARK) :]
    if rest.startswith(_MARK):
        return rest
    (size_bytes,) = _SIZE.unpack_from(rest, 1)
    return Oversized(rest[1 + _SIZE.size :], size_bytes)
