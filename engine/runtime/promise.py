"""What is promised for the streams that are attached, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.runtime.topics import Topics
from engine.streams import Stream

_LOST = "what was accepted and not scored is lost in a crash"
_INPUTS = {
    "disk": "exactly once from the answer to the request on, also after a power loss",
    "process": "exactly once from the answer to the request on; a power loss may take the last of it",
    False: f"at most once: {_LOST}",
}


def promise_of(
    streams: Iterable[tuple[int, Stream]], topics: Topics | None = None, *, is_volatile: bool = False
) -> list[str]:
    """Return one sentence for each slot, from what is attached, and what else is to be known of where it is committed.

    Parameters
    ----------
    streams : iterable of int and Stream
        Slots and what is attached to them.
    topics : Topics, optional
        What of the job is Kafka, once it is open.
    is_volatile : bool
        Nothing survives the end of the engine.
    """
    said = [f"Slot {slot} ({stream.name}): {_promise(slot, stream, is_volatile)}." for slot, stream in streams]
    return said if topics is None else [*said, *_of_job(topics)]


def _of_job(topics: Topics) -> Iterator[str]:
    if topics.has_changelog:
        yield f"State is kept in the topic {topics.changelog}."
    if topics.is_bound:
        whose = f"group {topics.group!r}" if topics.inlets else "this job"
        yield (
            "Some of the streams, or the cells, are only here: no other engine may work for"
            f" {whose}, and it goes on with this state directory only."
        )


def _promise(slot: int, stream: Stream, is_volatile: bool) -> str:
    transport = stream.transport
    if transport == "kafka-offset":
        return "let go: offsets are committed with the outputs"
    if stream.kafka is not None:
        if slot % 2 == 0:
            return "exactly once: its group goes on where outputs, state and offsets were committed together"
        return "exactly once, for readers of what is committed (isolation.level=read_committed)"
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
