"""The bodies of frames: records packed column by column, and msgpack for the rest.

Layouts, little-endian, each array as long as the count before it::

    BATCH   u64 batch, u16 slot, u16 flags, u32 n, u64 first sequence number, u32 task, u32 keys' length,
            [u32[n] lengths of keys, keys], [i64[n] timestamps (ms)], lengths, values
    OUTPUT  u64 batch, u32 flags, u32 done, u32 first, u32 n, u32 failures' length, u32 labels' length,
            u64 action time (ns), [u32[n] sources, u16[n] slots], lengths,
            failures (msgpack), labels (msgpack), values

Lengths are u32[n]; a single u32 where a flag says that all values have that one; none where another says that the
values are lines, with a line feed between them and in none of them.

A length of 2^32 - 1 is a record without a key, and the least of all timestamps one without a timestamp.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgpack

from engine.channel.failures import Failure, dump_error, load_error
from engine.channel.frames import Kind, pack_frame
from engine.record import Joined

_BATCH = struct.Struct("<QHHIQII")
_OUTPUT = struct.Struct("<QIIIIIIQ")
# A frame up to its only value, so that a record that somebody waits for is packed and unpacked in one go each.
_ONE_BATCH = struct.Struct(f"<IB{_BATCH.format[1:]}I")
_ONE_OUTPUT = struct.Struct(f"<IB{_OUTPUT.format[1:]}I")
_SYNCHRONOUS, _KEYS, _TIMESTAMPS, _CAREFUL = 1, 2, 4, 8
_LAST, _PLAIN, _HALTED = 1, 2, 4
_JOINED, _LINES = 16, 32  # of both
_LENGTH = struct.Struct("<I")
_NO_KEY, _NO_TIMESTAMP = 2**32 - 1, -(2**63)

LabelPart = dict[str, Any]
"""The fields of a `Label` that a script has set for an output, by name: ``label._replace(**part)`` is the output's."""


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


def _packed_values(values: Sequence[bytes]) -> tuple[int, bytes, bytes]:
    """Return the flag of the form that the values take, their lengths, and their bytes."""
    if type(values) is Joined:
        return _JOINED, _LENGTH.pack(values.size), values.data
    n = len(values)
    lengths = array("I", map(len, values)) if n < 2 or len(values[0]) == len(values[-1]) else None
    if n > 1 and lengths is not None and lengths[0] > 0 and lengths.count(lengths[0]) == n:
        return _JOINED, _LENGTH.pack(lengths[0]), b"".join(values)
    lines = b"\n".join(values)
    if n > 1 and lines.count(b"\n") == n - 1:  # most texts are: to split them takes a fifth of cutting by lengths
        return _LINES, b"", lines
    return 0, (lengths or array("I", map(len, values))).tobytes(), b"".join(values)


def _unpacked_lengths(body: memoryview, at: int, n: int, form: int) -> tuple[Sequence[int], int]:
    return _column("I", body, at, 0 if form & _LINES else 1 if form & _JOINED else n)


def _unpacked_values(body: memoryview, lengths: Sequence[int], form: int) -> Sequence[bytes]:
    data = bytes(body)
    if form & _LINES:
        return data.split(b"\n")
    return Joined(data, lengths[0]) if form & _JOINED else _cut(data, lengths)


def _cut(data: bytes, lengths: Sequence[int]) -> list[bytes]:
    values, start = [], 0
    for length in lengths:
        end = start + length
        values.append(data[start:end])
        start = end
    return values


def _cut_keys(body: memoryview, lengths: Sequence[int]) -> list[bytes | None]:
    keys = _cut(bytes(body), [0 if length == _NO_KEY else length for length in lengths])
    return [None if length == _NO_KEY else key for key, length in zip(keys, lengths, strict=True)]


def _packed_keys(keys: Sequence[bytes | None]) -> tuple[bytes, bytes]:
    lengths = array("I", [_NO_KEY if key is None else len(key) for key in keys])
    return lengths.tobytes(), b"".join([key for key in keys if key is not None])


def _packed_timestamps(timestamps_ms: Sequence[int | None]) -> bytes:
    try:
        return array("q", cast("Sequence[int]", timestamps_ms)).tobytes()
    except TypeError:  # some have none
        return array("q", [_NO_TIMESTAMP if time_ms is None else time_ms for time_ms in timestamps_ms]).tobytes()


def _packed_labels(labels: Mapping[int, LabelPart]) -> bytes:
    return msgpack.packb(list(labels.items())) if labels else b""


def _unpacked_labels(body: memoryview) -> dict[int, LabelPart]:
    labels = {}
    for index, part in unpack_message(body) if len(body) else ():
        if part.get("headers") is not None:
            part["headers"] = tuple((name, value) for name, value in part["headers"])
        labels[index] = part
    return labels


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
    values : sequence of bytes
        The records, as the stream gave them.
    is_synchronous : bool
        Somebody waits for the answer: an error is theirs, and never stops the jet.
    task : int
        Whose state the records read and change.
    keys : sequence of bytes or None, optional
        For each record its message's key, where the source knows such a thing.
    timestamps_ms : sequence of int or None, optional
        For each record when it came to be, in milliseconds since 1970, where the source knows such a thing.
    is_careful : bool
        The records were in work when a jet ended: they are scored one by one, so that the next end names its cause.
    """

    batch: int
    slot: int
    first_seq: int
    values: Sequence[bytes]
    is_synchronous: bool = False
    task: int = 0
    keys: Sequence[bytes | None] | None = None
    timestamps_ms: Sequence[int | None] | None = None
    is_careful: bool = False

    def pack(self) -> bytes:
        """Return the frame."""
        flags, columns, keys = _SYNCHRONOUS * self.is_synchronous | _CAREFUL * self.is_careful, [], b""
        if len(self.values) == 1 and self.keys is None and self.timestamps_ms is None:
            value = self.values[0]
            length = _ONE_BATCH.size - _LENGTH.size + len(value)
            one = (self.batch, self.slot, flags, 1, self.first_seq, self.task, 0, len(value))
            return _ONE_BATCH.pack(length, Kind.BATCH, *one) + value
        if self.keys is not None:
            flags |= _KEYS
            key_lengths, keys = _packed_keys(self.keys)
            columns += [key_lengths, keys]
        if self.timestamps_ms is not None:
            flags |= _TIMESTAMPS
            columns.append(_packed_timestamps(self.timestamps_ms))
        form, lengths, data = _packed_values(self.values)
        flags |= form
        head = _BATCH.pack(self.batch, self.slot, flags, len(self.values), self.first_seq, self.task, len(keys))
        return pack_frame(Kind.BATCH, head, *columns, lengths, data)

    @classmethod
    def unpack(cls, body: memoryview) -> BatchFrame:
        """Return the batch of a frame's body."""
        batch, slot, flags, n, first_seq, task, keys_bytes = _BATCH.unpack_from(body)
        at = _BATCH.size
        is_synchronous, is_careful = bool(flags & _SYNCHRONOUS), bool(flags & _CAREFUL)
        if n == 1 and not flags & (_KEYS | _TIMESTAMPS):
            value = bytes(body[at + _LENGTH.size :])
            return cls(batch, slot, first_seq, [value], is_synchronous, task, None, None, is_careful)
        keys: list[bytes | None] | None = None
        timestamps_ms: list[int | None] | None = None
        if flags & _KEYS:
            key_lengths, at = _column("I", body, at, n)
            keys = _cut_keys(body[at : at + keys_bytes], key_lengths)
            at += keys_bytes
        if flags & _TIMESTAMPS:
            known, at = _column("q", body, at, n)
            timestamps_ms = [None if time_ms == _NO_TIMESTAMP else time_ms for time_ms in known]
        lengths, at = _unpacked_lengths(body, at, n, flags)
        values = _unpacked_values(body[at:], lengths, flags)
        return cls(batch, slot, first_seq, values, is_synchronous, task, keys, timestamps_ms, is_careful)


@dataclass(slots=True)
class OutputFrame:
    """What a jet made of a batch, or of a part of it.

    Parameters
    ----------
    batch : int
        The batch that is answered.
    n_done : int
        Records of the batch that are done, counted from its first, with this frame and those before it.
    values : sequence of bytes
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
    labels : dict of int to LabelPart
        Of the outputs for which the script has said something of it, by their index in `values`.
    """

    batch: int
    n_done: int = 0
    values: Sequence[bytes] = field(default_factory=list)
    sources: Sequence[int] = field(default_factory=list)
    slots: Sequence[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    action_ns: int = 0
    is_last: bool = True
    is_halted: bool = False
    labels: dict[int, LabelPart] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return the frame. One output a record on slot 1, the common case, needs no columns to say so."""
        n = len(self.values)
        first = self.sources[0] if n else 0
        if n == 1 and self.slots[0] == 1 and not self.failures and not self.labels:
            value, flags = self.values[0], _LAST * self.is_last | _PLAIN | _HALTED * self.is_halted
            length = _ONE_OUTPUT.size - _LENGTH.size + len(value)
            one = (self.batch, flags, self.n_done, first, 1, 0, 0, self.action_ns, len(value))
            return _ONE_OUTPUT.pack(length, Kind.OUTPUT, *one) + value
        is_plain = self.sources == list(range(first, first + n)) and self.slots == [1] * n
        form, lengths, data = _packed_values(self.values)
        failures = (
            msgpack.packb([(f.index, f.stage, dump_error(f.error)) for f in self.failures]) if self.failures else b""
        )
        flags = _LAST * self.is_last | _PLAIN * is_plain | _HALTED * self.is_halted | form
        labels = _packed_labels(self.labels)
        return pack_frame(
            Kind.OUTPUT,
            _OUTPUT.pack(self.batch, flags, self.n_done, first, n, len(failures), len(labels), self.action_ns),
            b"" if is_plain else array("I", self.sources).tobytes() + array("H", self.slots).tobytes(),
            lengths,
            failures,
            labels,
            data,
        )

    @classmethod
    def unpack(cls, body: memoryview) -> OutputFrame:
        """Return the answer of a frame's body."""
        batch, flags, n_done, first, n, failed, labeled, action_ns = _OUTPUT.unpack_from(body)
        at = _OUTPUT.size
        is_last, is_halted = bool(flags & _LAST), bool(flags & _HALTED)
        if n == 1 and flags & _PLAIN and not failed and not labeled:
            value = bytes(body[at + _LENGTH.size :])
            return cls(batch, n_done, [value], (first,), (1,), [], action_ns, is_last, is_halted)
        sources: Sequence[int] = range(first, first + n)
        slots: Sequence[int] = [1] * n
        if not flags & _PLAIN:
            sources, at = _column("I", body, at, n)
            slots, at = _column("H", body, at, n)
        lengths, at = _unpacked_lengths(body, at, n, flags)
        failures = [
            Failure(index, stage, load_error(error))
            for index, stage, error in (unpack_message(body[at : at + failed]) if failed else ())
        ]
        at += failed
        labels = _unpacked_labels(body[at : at + labeled])
        values = _unpacked_values(body[at + labeled :], lengths, flags)
        return cls(batch, n_done, values, sources, slots, failures, action_ns, is_last, is_halted, labels)
