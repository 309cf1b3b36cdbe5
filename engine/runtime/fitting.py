"""Whether a model and its streams fit, and how that makes the slots coded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.errors import SchemaMismatch, SlotsUnfit
from engine.registry import Model
from engine.schema import Schema, check_resolution
from engine.script import MESSAGE_KEY, check_keys
from engine.streams import Stream


def model_schema(model: Model, slot: int) -> Schema | None:
    """Return the schema that a model's slot names."""
    name = model.script.slots[slot].schema
    return None if name is None else model.schemas[name]


def check_fit(model: Model, streams: Mapping[int, Stream]) -> None:
    """Refuse streams that the model cannot work with.

    A stream's schema is the writer's on an input, and the reader's on an output.

    Raises
    ------
    SlotsUnfit
        The sentence names the slot, the stream, and the path of the mismatch.
    """
    for slot, stream in streams.items():
        if slot not in model.script.slots:
            used = ", ".join(map(str, sorted(model.script.slots)))
            raise SlotsUnfit(
                f"Stream {stream.name!r} has no place on slot {slot}: model {model.script.name!r} uses slots {used}"
                " only."
            )
        if model.script.keys.get(slot) == MESSAGE_KEY and stream.kafka is None:
            raise SlotsUnfit(
                f"Stream {stream.name!r} cannot be on slot {slot} of model {model.script.name!r}, which keeps its state"
                f" by the message key (# engine.key.{slot}: {MESSAGE_KEY}): records of a topic have one, and those of"
                f" {stream.transport} have none. Name a field of the record as the key, or attach a topic."
            )
        inner, outer = model_schema(model, slot), stream.own_schema
        if inner is None and outer is not None and slot in model.script.keys:
            check_keys(model.script.keys, {slot: outer})
        if stream.encoding == "avro-binary" and inner is None and outer is None:
            raise SlotsUnfit(
                f"Stream {stream.name!r} on slot {slot} is avro-binary, which needs a schema: name one in the stream's"
                f' descriptor ("Schema") or in the script (# engine.schema.{slot}: NAME).'
            )
        if inner is None or outer is None:
            continue
        try:
            check_resolution(*((inner, outer) if slot % 2 else (outer, inner)))
        except SchemaMismatch as exc:
            direction = "what the model writes" if slot % 2 else "what the stream carries"
            raise SlotsUnfit(
                f"Stream {stream.name!r} does not fit slot {slot} of model {model.script.name!r}: {direction} cannot"
                f" be read as the other side asks. {exc}"
            ) from exc


def check_files(slot: int, stream: Stream, streams: Mapping[int, Stream]) -> None:
    """Refuse a file that is attached already, if one of the two writes it.

    Raises
    ------
    SlotsUnfit
        The sentence names the file and the other slot.
    """
    for path, is_written in _files(slot, stream):
        for other, attached in streams.items():
            for other_path, is_other_written in _files(other, attached):
                if path == other_path and (is_written or is_other_written):
                    verb = "writes" if is_other_written else "reads"
                    raise SlotsUnfit(f"{path} cannot be attached to slot {slot}: slot {other} {verb} it already.")


def _files(slot: int, stream: Stream) -> Iterator[tuple[Path, bool]]:
    """Yield the files of a stream, that of its rejects too, and whether it writes them."""
    if stream.path is not None:
        yield stream.path, slot % 2 == 1
    if stream.rejects is not None and stream.rejects.path is not None:
        yield stream.rejects.path, True


def missing_slots(model: Model, streams: Mapping[int, Stream]) -> list[int]:
    """Return the slots that the model uses and no stream is attached to."""
    return sorted(set(model.script.slots) - set(streams))


def coding_of(model: Model, slot: int, stream: Stream, policy: str) -> dict[str, object]:
    """Return the SLOT message: how a jet of the model decodes or encodes what the stream carries."""
    inner, outer = model_schema(model, slot), stream.own_schema
    return {
        "slot": slot,
        "encoding": stream.encoding,
        "schema": outer.source if outer is not None else None,
        "model_schema": inner.source if inner is not None else None,
        "tagged_unions": stream.tagged_unions,
        "on_error": policy,
    }
