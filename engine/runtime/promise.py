"""What is promised for the streams that are attached, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from engine.streams import Stream

_LOST = "what was accepted and not scored is lost in a crash"
_INPUTS = {
    "disk": "exactly once from the answer to the request on, also after a power loss",
    "process": "exactly once from the answer to the request on; a power loss may take the last of it",
    False: f"at most once: {_LOST}",
}


def promise_of(streams: Iterable[tuple[int, Stream]], *, is_volatile: bool = False) -> list[str]:
    """Return one sentence for each slot, from what is attached.

    Parameters
    ----------
    streams : iterable of int and Stream
        Slots and what is attached to them.
    is_volatile : bool
        Nothing survives the end of the engine.
    """
    return [f"Slot {slot} ({stream.name}): {_promise(slot, stream, is_volatile)}." for slot, stream in streams]


def _promise(slot: int, stream: Stream, is_volatile: bool) -> str:
    transport = stream.transport
    if transport == "REST" and (is_volatile or stream.descriptor.durable is False):
        return _INPUTS[False] if slot % 2 == 0 else "kept in memory until acknowledged: outputs are lost in a crash"
    if slot % 2 == 0:
        if transport == "REST":
            return _INPUTS[stream.descriptor.durable]
        if not stream.is_resumable:
            return "every record once; it cannot be resumed after a crash of the engine"
        return "exactly once" + ("" if not is_volatile else "; this run cannot be resumed")
    if transport == "HTTP":
        return "at least once, repeats only after a crash and with the same Idempotency-Key"
    if transport == "REST":
        return "exactly once: kept until acknowledged"
    if transport == "discard":
        return "discarded"
    if not stream.is_resumable:
        return "at least once, repeats only after a crash"
    return "exactly once" if not is_volatile else "every record once; this run cannot be resumed"
