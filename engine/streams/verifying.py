"""All that there is to say of a descriptor at once: every fault, or what it means and what it reaches."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import ConfigError, DescriptorError, restore
from engine.streams.descriptor import StreamDescriptor
from engine.streams.kafka import KafkaTransport
from engine.streams.parsing import parse_descriptor
from engine.streams.reaching import reach
from engine.streams.restrictions import check_together, verify_descriptor
from engine.streams.transport import RestTransport

MAX_FAULTS = 20
"""As many faults of one descriptor as somebody reads."""


_UNSAID: Mapping[str, Sequence[Any]] = {
    "Description": ("",), "Loop": (False,), "SkipTo": (None,), "SkipToRecord": (None,), "Envelope": (None,),
    "Rejects": (None,),
}  # fmt: skip
"""By field what it is where nobody has said anything, and is refused for some streams even so."""


class Verified(NamedTuple):
    """A descriptor as it could be written, what a person should know about it, and what it was found to reach."""

    descriptor: dict[str, Any]
    notes: list[str]
    found: str | None


def verify_source(source: bytes, name: str, slot: int | None, secrets: Path) -> Verified:
    """Check a descriptor as a whole.

    Parameters
    ----------
    source : bytes
        Its JSON.
    name : str
        The stream's.
    slot : int, optional
        Where it is to be attached.
    secrets : Path
        The folder of secrets; see `engine.settings.Settings`.

    Raises
    ------
    ConfigError
        It does not hold: the sentence says all that is wrong.
    StreamError
        What it stands for is not reached; the same.
    """
    faults = list(find_faults(source, name, slot))
    if len(faults) == 1:
        raise faults[0]
    if faults:
        first = next((one for one in faults if isinstance(one, DescriptorError)), faults[0])
        raise restore(type(first).__name__, "\n".join(map(str, faults)), vars(first))
    descriptor = parse_descriptor(source, name)
    notes = verify_descriptor(descriptor, slot)
    if isinstance(descriptor.transport, KafkaTransport) and descriptor.transport.group is None and not (slot or 0) % 2:
        notes.append(_group_note(descriptor.transport))
    return Verified(write_descriptor(descriptor), notes, reach(descriptor, slot, secrets))


def find_faults(source: bytes, name: str, slot: int | None) -> Iterator[ConfigError]:
    """Yield all that is wrong with a descriptor, each once.

    Where reading it stops at a field, the rest is read without that field.
    """
    fields: Any = source
    seen: set[str] = set()
    for _ in range(MAX_FAULTS):
        try:
            descriptor = parse_descriptor(fields, name)
        except DescriptorError as exc:
            if exc.field in seen:
                return  # it is missed because it was taken away, or written wrong
            yield exc
            seen |= {exc.field, _beside(exc.field, exc.near)}
            if not exc.field or (fields := _without(fields, exc.field)) is None:
                return
        except ConfigError as exc:
            yield exc
            return
        else:
            yield from check_together(descriptor, slot)
            return


def _beside(path: str, name: str | None) -> str:
    """Return the path of a field that stands beside another one."""
    outer, dot, last = path.rpartition(".")
    return f"{outer}{dot}{name or last}"


def _without(source: Any, path: str) -> dict[str, Any] | None:
    """Return the object without a field; None where it has no such thing."""
    fields = copy.deepcopy(source) if isinstance(source, dict) else json.loads(source)
    *steps, last = path.split(".")
    inner = fields
    for step in steps:
        inner = inner.get(step) if isinstance(inner, dict) else None
    if not isinstance(inner, dict):
        return None
    key = next((key for key in inner if key == last or path.endswith(f".{key}")), None)
    if key is None:
        return None
    del inner[key]
    return dict(fields)


def write_descriptor(descriptor: StreamDescriptor) -> dict[str, Any]:
    """Return a descriptor with its defaults filled in, as the library takes it; what does not apply is left out.

    >>> write_descriptor(parse_descriptor('{"Transport": "rest", "Encoding": "json"}'))["Transport"]
    {'Type': 'REST', 'Mode': 'simple'}
    """
    fields = descriptor.model_dump(by_alias=True)
    fields["Transport"] = descriptor.transport.model_dump(by_alias=True, exclude_none=True)
    fields["Encoding"] = descriptor.encoding and descriptor.encoding.model_dump(by_alias=True, exclude_none=True)
    if descriptor.framing is not None:
        fields["Envelope"] = descriptor.framing.model_dump(by_alias=True)
    if descriptor.first_record is not None:
        fields["SkipToRecord"] = descriptor.first_record
    if not isinstance(descriptor.transport, RestTransport):
        del fields["Durable"]
    if isinstance(descriptor.transport, KafkaTransport):
        del fields["Batching"]
    return {name: value for name, value in fields.items() if value not in _UNSAID.get(name, ())}


def _group_note(transport: KafkaTransport) -> str:
    suffix = "" if transport.partition is None else f"-{transport.partition}"
    return f"No Group is named: it is read as the group MODEL{suffix}, after the model that it is attached to."
