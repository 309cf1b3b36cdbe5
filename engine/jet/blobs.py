"""The packed state of one key as one piece of memory: of a million keys, every object more would cost 50 MB.

A blob is the time of its last use (u32, in seconds since 1970; 0 where nobody asks), and of every part that is there
its number (u16), its length (u32) and its bytes. It lives in a jet's memory only, so its form may change at any time.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_USED, _PART = struct.Struct("<I"), struct.Struct("<HI")

EMPTY = _USED.pack(0)
"""A blob without parts."""


def join_parts(used_s: int, parts: Sequence[bytes | None]) -> bytes:
    """Return the blob of parts; None for one that is not there."""
    pieces = [_USED.pack(used_s)]
    for number, part in enumerate(parts):
        if part is not None:
            pieces += (_PART.pack(number, len(part)), part)
    return b"".join(pieces)


def split_parts(blob: bytes, n: int) -> list[bytes | None]:
    """Return the `n` parts of a blob."""
    parts: list[bytes | None] = [None] * n
    at, end = _USED.size, len(blob)
    while at < end:
        number, length = _PART.unpack_from(blob, at)
        at += _PART.size + length
        parts[number] = blob[at - length : at]
    return parts


def with_part(blob: bytes, number: int, part: bytes) -> bytes:
    """Return a blob with one part more."""
    return b"".join((blob, _PART.pack(number, len(part)), part))


def used_s(blob: bytes) -> int:
    """Return when it was last used."""
    return int.from_bytes(blob[: _USED.size], "little")


def with_used(blob: bytes, seconds: int) -> bytes:
    """Return a blob with another time of last use."""
    return _USED.pack(seconds) + blob[_USED.size :]
