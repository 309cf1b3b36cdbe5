"""What an engine runs, as its store keeps it: enough to run the same again after a restart."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from engine.errors import AssetError, StateIncompatible
from engine.registry import Attachment, Library, Model
from engine.schema import Schema, parse_schema
from engine.script import inspect_script
from engine.state.commits import Entry, Fence
from engine.streams import Stream, parse_descriptor


@dataclass(frozen=True, slots=True)
class Attached:
    """A stream on a slot, by the number of its attachment.

    Parameters
    ----------
    number : int
        Never comes again in a job.
    slot : int
        Where it is; an even slot for what takes the rejects of an input, too.
    stream : Stream
        What was attached.
    rejects : int or None
        The attachment number of the stream that takes its rejects.
    is_fading : bool
        Another stream has taken its place, and it has records left.
    """

    number: int
    slot: int
    stream: Stream
    rejects: int | None = None
    is_fading: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What is loaded and attached."""

    model: Model | None = None
    attached: tuple[Attached, ...] = ()
    n_jets: int = 1
    is_paused: bool = False
    last_number: int = 0
    """The highest number that an attachment has had."""
    id: str = ""
    """Tells it from other jobs of the same name."""

    def dump(self) -> dict[str, Any]:
        """Return it as numbers, texts, lists and dicts."""
        return {
            "model": None if self.model is None else _dump_model(self.model),
            "attached": [
                {
                    "number": one.number,
                    "slot": one.slot,
                    "stream": _dump_stream(one.stream),
                    "rejects": one.rejects,
                    "is_fading": one.is_fading,
                }
                for one in self.attached
            ],
            "n_jets": self.n_jets,
            "is_paused": self.is_paused,
            "last_number": self.last_number,
            "id": self.id,
        }

    @classmethod
    def load(cls, dumped: Mapping[str, Any], library: Library | None) -> Self:
        """Return what `dump` was called on.

        Raises
        ------
        StateIncompatible
            An attachment of the model is no longer what it was.
        """
        return cls(
            None if dumped["model"] is None else _load_model(dumped["model"], library),
            tuple(
                Attached(one["number"], one["slot"], _load_stream(one["stream"]), one["rejects"], one["is_fading"])
                for one in dumped["attached"]
            ),
            dumped["n_jets"],
            dumped["is_paused"],
            dumped["last_number"],
            dumped["id"],
        )


def check_state(fence: Fence, model: Model, entry: Entry | None) -> None:
    """Refuse a model that has other keys than what is committed, or no state at all; the rest its jet looks at.

    Parameters
    ----------
    fence : Fence
        Of the same model, perhaps in another version.
    model : Model
        What is to go on.
    entry : Entry or None
        One of the committed state, if there is any.

    Raises
    ------
    StateIncompatible
        The sentence names what is stored and what the script has.
    """
    name, keys = model.script.name, model.script.keys
    if fence.keys != keys:
        raise StateIncompatible(f"the state is kept by {_shown(fence.keys)}, and {name!r} has {_shown(keys)}")
    if entry is not None and model.script.is_stateless:
        raise StateIncompatible(f"{entry.name!r} was stored, and {name!r} has no state any more")


def _shown(keys: Mapping[int, str]) -> str:
    return ", ".join(f"{expression} on slot {slot}" for slot, expression in sorted(keys.items())) or "no key"


def _dump_model(model: Model) -> dict[str, Any]:
    return {
        "name": model.script.name,
        "source": model.script.source,
        "schemas": {name: schema.source for name, schema in model.schemas.items()},
        "attachments": [[one.name, one.sha256, str(one.path)] for one in model.attachments],
        "digest": model.digest,
    }


def _load_model(dumped: Mapping[str, Any], library: Library | None) -> Model:
    name = dumped["name"]
    attachments = tuple(_find(name, library, *one) for one in dumped["attachments"])
    schemas = {schema: parse_schema(source, schema) for schema, source in dumped["schemas"].items()}
    return Model(inspect_script(dumped["source"], name), schemas, attachments, dumped["digest"])


def _find(model: str, library: Library | None, name: str, sha256: str, path: str) -> Attachment:
    places = [Path(path)]
    if library is not None:
        stored = library.attachments(model)
        with contextlib.suppress(AssetError):  # it was not in the library, or is there no more
            places.insert(0, stored.locate(stored.get(name, sha256)))
    for place in places:
        if place.is_file():
            with place.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                    return Attachment(name, place, sha256)
    raise StateIncompatible(f"attachment {name!r} of model {model!r} is no longer what it was; load the model again")


def _dump_stream(stream: Stream) -> dict[str, Any]:
    schema = stream.schema
    return {
        "name": stream.name,
        "descriptor": stream.descriptor.model_dump(by_alias=True, mode="json", exclude_unset=True),
        "schema": {"name": schema.name, "source": schema.source} if isinstance(schema, Schema) else schema,
        "rejects": None if stream.rejects is None else _dump_stream(stream.rejects),
    }


def _load_stream(dumped: Mapping[str, Any]) -> Stream:
    schema = dumped["schema"]
    return Stream(
        dumped["name"],
        parse_descriptor(dict(dumped["descriptor"]), dumped["name"]),
        parse_schema(schema["source"], schema["name"]) if isinstance(schema, dict) else schema,
        None if dumped["rejects"] is None else _load_stream(dumped["rejects"]),
    )


def name_and_digest(dumped: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return which model a dumped job runs; None where it runs none."""
    model = dumped["model"]
    return None if model is None else (model["name"], model["digest"])


def renewed(dumped: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """Return a dumped job with another version of its model."""
    return {**dumped, "model": _dump_model(model)}


def is_same_stream(one: Stream | None, other: Stream) -> bool:
    """Return whether they say the same, whatever they are called."""
    if one is None:
        return False
    return {**_dump_stream(one), "name": ""} == {**_dump_stream(other), "name": ""}
