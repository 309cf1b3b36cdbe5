"""By what part of a record a script wants its state kept, for how long, and whether a schema has that part."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from engine.errors import AnnotationError, ConfigError, nearest
from engine.schema import Schema
from engine.schema.types import Type
from engine.script.annotations import Annotation
from engine.script.slots import SlotMap

MESSAGE_KEY = "$key"
"""In place of a path: the key that a record's message has beside its value, as Kafka's have."""

_KINDS = frozenset({"string", "bytes", "int", "long", "boolean", "enum", "fixed", "null"})
"""Types of which two values are the same key or are not; of two floats that is hard to say."""


def read_keys(
    slot_map: SlotMap, inputs: Collection[int], *, is_stateful: bool
) -> tuple[dict[int, str], dict[int, float]]:
    """Return, by input slot, the path of its key, and the seconds after which a key is forgotten.

    Raises
    ------
    AnnotationError
        A slot has no key where another one has; or a path is none; or keys live for different times.
    """
    keys = {slot: found for slot in inputs if (found := slot_map.setting("key", slot)) is not None}
    lives = {slot: found for slot in inputs if (found := slot_map.setting("key_ttl", slot)) is not None}
    for slot, key in keys.items():
        if key.value != MESSAGE_KEY and (key.value.startswith("$") or not all(key.value.split("."))):
            reason = f"{key.value!r} is not the path of a field, such as symbol or trade.symbol, nor {MESSAGE_KEY}"
            raise AnnotationError(key.line, reason)
        if not is_stateful:
            raise AnnotationError(key.line, f"slot {slot} has a key, and the script has no state to keep by it")
    _refuse_gap("key", keys, inputs, "FIELD")
    if lives and not keys:
        raise AnnotationError(
            next(iter(lives.values())).line, "key_ttl says when a key is forgotten, and there is no key"
        )
    if lives:
        _refuse_gap("key_ttl", lives, inputs, "7d")
    values = {slot: life.value for slot, life in lives.items()}
    if len(set(values.values())) > 1:
        line = max(life.line for life in lives.values())
        raise AnnotationError(line, "key_ttl must be the same for all input slots: they share what is kept for a key")
    return {slot: key.value for slot, key in keys.items()}, values


def _refuse_gap(tag: str, found: Mapping[int, Annotation], inputs: Collection[int], example: str) -> None:
    missing = sorted(set(inputs) - found.keys())
    if found and missing:
        slot, line = missing[0], min(annotation.line for annotation in found.values())
        fix = f"say # engine.{tag}.{slot}: {example}, or # engine.slot.{slot}: unused"
        raise AnnotationError(line, f"slot {slot} has no {tag}, and another input slot has one; {fix}")


def check_keys(keys: Mapping[int, str], schemas: Mapping[int, Schema]) -> None:
    """Check that the keys of slots whose schema is known are there, and can be keys.

    Parameters
    ----------
    keys : mapping of int to str
        `Script.keys`.
    schemas : mapping of int to Schema
        For each slot that has one, the schema of what the script is given.

    Raises
    ------
    ConfigError
        A record of the slot has no such field, or it is of no type that can be a key.
    """
    for slot, path in keys.items():
        if slot in schemas and path != MESSAGE_KEY:
            try:
                _check(_find(schemas[slot].root, path.split(".")))
            except ValueError as exc:
                raise ConfigError(f"Slot {slot} cannot have the key {path!r}: {exc}.") from exc


def _find(root: Type, steps: list[str]) -> list[Type]:
    """Return the types that a path may lead to: more than one where it passes a union."""
    found = [root]
    for depth, step in enumerate(steps):
        found = [part for kind in found for part in _branches(kind)]
        inner: list[Type] = []
        known: list[str] = []
        for kind in found:
            if kind.kind == "map":
                inner.append(kind.parts[0])
            known += [field.name for field in kind.fields]
            inner += [field.type for field in kind.fields if field.name == step]
        if not inner:
            where = f"{'.'.join(steps[:depth])!r}" if depth else f"the schema, {root},"
            near = nearest(step, known)
            raise ValueError(f"{where} has no field {step!r}{f', did you mean {near!r}' if near else ''}")
        found = inner
    return found


def _branches(kind: Type) -> tuple[Type, ...]:
    return kind.parts if kind.kind == "union" else (kind,)


def _check(found: list[Type]) -> None:
    for kind in (part for several in found for part in _branches(several)):
        if kind.kind not in _KINDS or kind.logical is not None:
            allowed = "a string, bytes, an int, a long, a boolean, an enum, a fixed or null"
            raise ValueError(f"it is of type {kind}, and a key is {allowed}")
