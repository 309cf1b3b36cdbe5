"""The answer to one batch, as it is put together: outputs by slot, failures by record, frames on the way."""

from __future__ import annotations

import operator
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, Literal

from engine.channel import Failure, LabelPart, OutputFrame
from engine.errors import ActionFailed, DataError, EngineError
from engine.ports import Codec
from engine.record import size_of
from engine.sdk.message import Message

FLUSH_BYTES = 1 << 18
"""A frame is sent when it holds this much: a quarter of the pipe, so that the engine reads while the jet goes on."""

MAX_OUTPUT_BYTES = 1 << 26
"""Outputs of one record are kept together until it is done; a script that yields for ever is stopped at 64 MiB."""

OUTPUT_OVERHEAD_BYTES = 64
"""What an output costs beside its bytes (three list entries and an object), so that empty ones are not free."""


MAX_NUMBERS = 4096
"""How many numbers are put off: more than a batch has records."""


Output = tuple[int, bytes, LabelPart | None]
"""An output: its slot, its bytes, and what the script has said of it."""


class Answer:
    """Collects what a batch gives, and sends it in frames that end between records.

    Parameters
    ----------
    send : callable
        Takes a frame.
    batch : int
        The batch that is answered.
    codecs : mapping of int to Codec
        For each output slot, what encodes it.
    hook, slot, first_seq
        For what errors say: the function in work, its slot, and the sequence number of the first record.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        batch: int,
        codecs: Mapping[int, Codec],
        hook: str,
        slot: int | None = None,
        first_seq: int = 0,
    ) -> None:
        self._send, self._codecs, self._hook, self._slot, self._first_seq = send, codecs, hook, slot, first_seq
        self._one = one = codecs.get(1)
        self._encode_one = one.encode if one is not None else None
        self.number: type | None = None
        """The type of outputs that may be put off: float where slot 1 takes many at once, else None.

        Whoever adds one to `numbers` adds its record's index to `number_sources`. They are outputs of slot 1, behind
        those that were `put`.
        """
        self.numbers: list[Any] = []
        self.number_sources: list[int] = []
        if one is not None and one.encode_batch((0.0,)) is not None:
            self.number = float
        self.start()
        self._begin(batch)

    def start(self) -> None:
        """Count the time of its records from now on: until now the jet was at those of others."""
        self._started_ns = time.perf_counter_ns()

    def _begin(self, batch: int) -> None:
        self._frame = OutputFrame(batch, is_last=False)
        self._values: list[bytes] = []
        self._sources: list[int] = []
        self._slots: list[int] = []
        self._frame.values, self._frame.sources, self._frame.slots = self._values, self._sources, self._slots
        self.size_bytes = 0

    def put(self, index: int, item: Any) -> None:
        """Take what the script returned or yielded for a record: a value for slot 1, or a pair ``(slot, value)``.

        A value may be a `Message`.

        Raises
        ------
        ActionFailed
            The item names no output slot of the model, or the record has given too much.
        """
        if self.numbers:
            self._settle()
        try:
            if isinstance(item, tuple) or self._encode_one is None:
                self.keep(index, *self.coded(index, item))
            else:  # as `coded` and `keep`, whose calls would cost as much as the rest
                value = self._encode_one(item)
                self._values.append(value)
                self._sources.append(index)
                self._slots.append(1)
                self.size_bytes += len(value) + OUTPUT_OVERHEAD_BYTES
        except DataError as exc:
            self.fail(index, "output", exc)
        else:
            if self.size_bytes > MAX_OUTPUT_BYTES:
                raise self.too_much(index)

    def coded(self, index: int, item: Any) -> Output:
        """Return an item's slot, its bytes, and what the script has said of it; raises as `put`, and `DataError`."""
        slot, label = 1, None
        encode = self._encode_one
        if isinstance(item, tuple):
            if not isinstance(item, Message):
                slot, item = self._route(item, index)
                encode = self._codecs[slot].encode
            if isinstance(item, Message):
                item, label = item
        if encode is None:
            raise self.failed(index, "the model has no output slot 1")
        return slot, encode(item), label

    def keep(self, index: int, slot: int, value: bytes, label: LabelPart | None) -> None:
        """Take an output of a record."""
        if label:
            self._frame.labels[len(self._values)] = label
            self.size_bytes += size_of_label(label)
        self._values.append(value)
        self._sources.append(index)
        self._slots.append(slot)
        self.size_bytes += len(value) + OUTPUT_OVERHEAD_BYTES

    def too_much(self, index: int) -> ActionFailed:
        """Return the error that says that a record gives too much."""
        return self.failed(index, f"one record gave more than {MAX_OUTPUT_BYTES >> 20} MiB of outputs")

    def _route(self, item: tuple[Any, ...], index: int) -> tuple[int, Any]:
        if len(item) != 2:
            reason = f"a tuple of {len(item)} was given, but an output to a slot is (slot, value); use a list for data"
            raise self.failed(index, reason)
        try:
            slot = operator.index(item[0])
        except TypeError:
            reason = f"a pair is (slot, value), but {item[0]!r:.40} is not a slot number; for an array use a list"
            raise self.failed(index, reason) from None
        if isinstance(item[0], bool) or slot not in self._codecs:
            kind = "an input slot" if slot % 2 == 0 else "not a slot of the model"
            raise self.failed(index, f"an output was given to slot {item[0]!r}, which is {kind}")
        return slot, item[1]

    def failed(self, index: int, reason: str, traceback: str = "") -> ActionFailed:
        """Return the error that says that the hook failed on a record."""
        seq_no = None if self._slot is None else self._first_seq + index
        return ActionFailed(self._hook, reason, self._slot, seq_no, traceback)

    def fail(self, index: int, stage: Literal["input", "action", "output"], error: EngineError) -> None:
        """Note what went wrong with a record."""
        self._frame.failures.append(Failure(index, stage, error))
        self.size_bytes += OUTPUT_OVERHEAD_BYTES + len(str(error))

    def drop(self, index: int) -> None:
        """Forget the outputs of the record in work: it failed, and gives none."""
        self._settle()
        start = bisect_left(self._sources, index)
        del self._values[start:], self._sources[start:], self._slots[start:]
        for place in [place for place in self._frame.labels if place >= start]:
            del self._frame.labels[place]

    def _settle(self, *, is_last: bool = False) -> None:
        """Encode the numbers that were put off."""
        if not self.numbers:
            return
        assert self._one is not None  # noqa: S101 -- it is what takes numbers
        values = self._one.encode_batch(self.numbers)
        if values is None:  # one of them cannot be encoded
            items = list(zip(self.number_sources, self.numbers, strict=True))
            self._forget_numbers()
            for index, number in items:
                self.put(index, number)
            return
        self._sources += self.number_sources
        self._slots += [1] * len(values)
        self.size_bytes += size_of(values) + OUTPUT_OVERHEAD_BYTES * len(values)
        if is_last and not self._values:
            self._frame.values = values  # as they are: all of one length need no list
        else:
            self._values += values
        self._forget_numbers()

    def _forget_numbers(self) -> None:
        self.numbers.clear()
        self.number_sources.clear()

    def send_part(self, n_done: int) -> None:
        """Send what there is; to be called between records, when `size_bytes` has passed `FLUSH_BYTES`."""
        self._flush(n_done)
        self._begin(self._frame.batch)

    def finish(self, n_done: int, *, is_halted: bool = False) -> None:
        """Send the last frame."""
        self._frame.is_last, self._frame.is_halted = True, is_halted
        self._flush(n_done)

    def _flush(self, n_done: int) -> None:
        self._settle(is_last=True)
        now_ns = time.perf_counter_ns()
        self._frame.n_done, self._frame.action_ns = n_done, now_ns - self._started_ns
        self._started_ns = now_ns
        self._send(self._frame.pack())


def size_of_label(label: LabelPart) -> int:
    """Return what a label takes on the channel, nearly."""
    headers = label.get("headers") or ()
    return len(label.get("key") or b"") + sum(len(name) + len(value or b"") + 8 for name, value in headers) + 32
