"""The bodies of frames: records packed column by column, and msgpack for the rest.

Layouts, little-endian, each array as long as the count before it::

    BATCH   u64 batch, u16 slot, u16 flags, u32 n, u64 first sequence number,
            u32[n] lengths, values
    OUTPUT  u64 batch, u32 flags, u32 done, u32 first, u32 n, u32 failures' length, u64 action time (ns),
            [u32[n] sources, u16[n] slots], u32[n] lengths, failures (msgpack), values
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from engine.channel.failures import Failure, dump_error, load_error
from engine.channel.frames import Kind, pack_frame

_BATCH = struct.Struct("<QHHIQ")
_OUTPUT = struct.Struct("<QIIIIIQ")
_SYNCHRONOUS = 1
_LAST, _PLAIN, _HALTED = 1, 2, 4


def pack_message(kind: Kind, message: object) -> bytes:
    """Return a frame whose body is msgpack."""
    return pack_frame(kind, msgpack.packb(message))


def unpack_message(body: memoryview) -> Any:
    """Return the message of such a frame."""
    return msgpack.unpackb(body, strict_map_key=False)


def _column(code: str, body: memoryview, at: int, n: int) -> tuple[array[int], int]:
    column = array(code)
    end = at + n * column.itemsize
    column.frombytes(body[at:end])
    return column, end


def _cut(body: memoryview, at: int, lengths: Sequence[int]) -> list[bytes]:
    data = bytes(body[at:])
    if len(lengths) > 1 and lengths.count(lengths[0]) == len(lengths):  # as all doubles are: a fifth of the time
        return list(struct.unpack(f"{lengths[0]}s" * len(lengths), data))
    values, start = [], 0
    for length in lengths:
        end = start + length
        values.append(data[start:end])
        start = end
    return values


@dataclass(slots=True)
class BatchFrame:
    """Records on their way to a jet.

    Parameters
    ----------
    batch : int
        The engine's number for this batch, which answers carry.
    slot : int
        The input slot.
    first_seq : int
        Sequence number of the first record; the others follow on.
    values : list of bytes
        The records, as the stream gave them.
    is_synchronous : bool
        Somebody waits for the answer: an error is theirs, and never stops the jet.
    """

    batch: int
    slot: int
    first_seq: int
    values: list[bytes]
    is_synchronous: bool = False

    def pack(self) -> bytes:
        """Return the frame."""
        head = _BATCH.pack(self.batch, self.slot, _SYNCHRONOUS * self.is_synchronous, len(self.values), self.first_seq)
        return pack_frame(Kind.BATCH, head, array("I", map(len, self.values)).tobytes(), *self.values)

    @classmethod
    def unpack(cls, body: memoryview) -> BatchFrame:
        """Return the batch of a frame's body."""
        batch, slot, flags, n, first_seq = _BATCH.unpack_from(body)
        lengths, at = _column("I", body, _BATCH.size, n)
        return cls(batch, slot, first_seq, _cut(body, at, lengths), bool(flags & _SYNCHRONOUS))


@dataclass(slots=True)
class OutputFrame:
    """What a jet made of a batch, or of a part of it.

    Parameters
    ----------
    batch : int
        The batch that is answered.
    n_done : int
        Records of the batch that are done, counted from its first, with this frame and those before it.
    values : list of bytes
        Encoded outputs.
    sources : list of int
        For each output, the index in the batch of the record that it came from.
    slots : list of int
        For each output, its slot.
    failures : list of Failure
        What went wrong, by record.
    action_ns : int
        Nanoseconds spent on the records of this frame: decode, action and encode.
    is_last : bool
        No more frames answer this batch.
    is_halted : bool
        The last failure stopped the jet, as the script's policy asks: the records behind it were not touched.
    """

    batch: int
    n_done: int = 0
    values: list[bytes] = field(default_factory=list)
    sources: Sequence[int] = field(default_factory=list)
    slots: Sequence[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    action_ns: int = 0
    is_last: bool = True
    is_halted: bool = False

    def pack(self) -> bytes:
        """Return the frame. One output a record on slot 1, the common case, needs no columns to say so."""
        n = len(self.values)
        first = self.sources[0] if n else 0
        is_plain = self.sources == list(range(first, first + n)) and self.slots == [1] * n
        failures = (
            msgpack.packb([(f.index, f.stage, dump_error(f.error)) for f in self.failures]) if self.failures else b""
        )
        flags = _LAST * self.is_last | _PLAIN * is_plain | _HALTED * self.is_halted
        return pack_frame(
            Kind.OUTPUT,
            _OUTPUT.pack(self.batch, flags, self.n_done, first, n, len(failures), self.action_ns),
            b"" if is_plain else array("I", self.sources).tobytes() + array("H", self.slots).tobytes(),
            array("I", map(len, self.values)).tobytes(),
            failures,
            *self.values,
        )

    @classmethod
    def unpack(cls, body: memoryview) -> OutputFrame:
        """Return the answer of a frame's body."""
        batch, flags, n_done, first, n, failed, action_ns = _OUTPUT.unpack_from(body)
        at = _OUTPUT.size
        sources: Sequence[int] = range(first, first + n)
        slots: Sequence[int] = [1] * n
        if not flags & _PLAIN:
            sources, at = _column("I", body, at, n)
            slots, at = _column("H", body, at, n)
        lengths, at = _column("I", body, at, n)
        failures = [
            Failure(index, stage, load_error(error))
            for index, stage, error in (unpack_message(body[at : at + failed]) if failed else ())
        ]
        values = _cut(body, at + failed, lengths)
        is_last, is_halted = bool(flags & _LAST), bool(flags & _HALTED)
        return cls(batch, n_done, values, sources, slots, failures, action_ns, is_last, is_halted)
