"""Frames: length, kind and body, however the bytes are cut."""

from __future__ import annotations

import enum
import struct

PROTOCOL_VERSION = 5
"""Raised whenever a frame changes its meaning: a jet may run another installation's interpreter."""

PIPE_BYTES = 1 << 20
"""What a pipe of ours holds: the most that Linux grants without privileges (`/proc/sys/fs/pipe-max-size`)."""

MAX_FRAME_BYTES = 1 << 30
"""A longer frame is taken for garbage on the pipe."""

_HEAD = struct.Struct("<IB")


class Kind(enum.IntEnum):
    """What a frame says; see the package's docstring for who says it when."""

    SETUP = 1
    LOADED = 2
    FAILED = 3
    SLOT = 4
    BEGIN = 5
    BATCH = 6
    OUTPUT = 7
    END = 8
    STOP = 9
    STATE = 10
    RESTORE = 11
    RESTORED = 12
    COMMIT = 13
    CHANGED = 14
    ASK = 15
    REPLY = 16
    FORGET = 17
    PREDICTORS = 18


_KINDS = {kind.value: kind for kind in Kind}  # a look-up costs a fifth of `Kind(...)`


def pack_frame(kind: Kind, *parts: bytes) -> bytes:
    """Return one frame made of the parts of its body."""
    return b"".join((_HEAD.pack(1 + sum(map(len, parts)), kind), *parts))


class FrameReader:
    """Finds the frames in a stream of bytes; does no reading of its own."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed_bytes = 0

    def feed(self, data: bytes) -> list[tuple[Kind, memoryview]]:
        """Take bytes and return the frames that they complete, each as its kind and its body.

        Raises
        ------
        ValueError
            The bytes are not frames: a length or a kind that no peer of ours writes.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed_bytes:
                return []
            data = bytes(self._rest)
        view, frames = memoryview(data), []
        at, end = 0, len(data)
        self._needed_bytes = 0
        while end - at >= _HEAD.size:
            length, kind = _HEAD.unpack_from(view, at)
            if not 1 <= length <= MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            stop = at + 4 + length
            if stop > end:
                self._needed_bytes = stop - at
                break
            frames.append((_KINDS.get(kind) or Kind(kind), view[at + _HEAD.size : stop]))
            at = stop
        if at < end or self._rest:
            self._rest = bytearray(view[at:])
        return frames
