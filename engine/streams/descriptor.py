"""Stream descriptors: the JSON that says where records come from or go to, and how they are written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PlainSerializer, PositiveInt

from engine.errors import NotBuilt
from engine.streams.encoding import Encoding, PlainEncoding, RegistryEncoding
from engine.streams.kafka import KafkaTransport
from engine.streams.part import Part
from engine.streams.transport import RestTransport, Transport
from engine.streams.words import (
    DURABLE,
    ENVELOPES,
    ENVELOPES_NOT_BUILT,
    SELF_DELIMITING,
    WHERE,
    canonical,
    expected,
)

INHERIT = "$inherit"
"""The Schema of a stream that takes the model's."""


class Framing(Part):
    """The Envelope: how records are told apart in a stream of bytes."""

    type: Literal["delimited"] = "delimited"
    separator: Annotated[str, Field(min_length=1)] = "\n"


class Batching(Part):
    """Where a batch ends: after so many records (None: any number), or so long after its first (None: never)."""

    watermark: PositiveInt | None = 1000
    nagle_time_ms: NonNegativeInt | None = Field(default=0, alias="NagleTime")


def _as_framing(value: Any) -> Any:
    if isinstance(value, str):
        return {"Type": canonical("Envelope", value, ENVELOPES, ENVELOPES_NOT_BUILT)}
    if isinstance(value, dict):
        return value | {"Type": canonical("Envelope.Type", value.get("Type"), ENVELOPES, ENVELOPES_NOT_BUILT)}
    return value


def _as_batching(value: Any) -> Any:
    if value is None:
        return {"Watermark": 1}
    if isinstance(value, str):
        canonical("Batching", value, ("normal",), ("explicit",))
        return Batching()
    if isinstance(value, dict) and (value.get("Watermark", 0), value.get("NagleTime", 0)) == (None, None):
        raise NotBuilt('Batching without Watermark and NagleTime ("explicit")', WHERE)
    return value


def _as_durable(value: Any) -> Any:
    if isinstance(value, str):
        return canonical("Durable", value, DURABLE)
    if value is not False:
        raise expected("Durable", '"disk", "process" or false', value)
    return value


def _check_skip(value: Any) -> Any:
    word = canonical("SkipToRecord", value, ("earliest", "latest")) if isinstance(value, str) else value
    is_count = isinstance(word, int) and not isinstance(word, bool) and word >= 0
    if word is not None and not isinstance(word, str) and not is_count:
        raise expected("SkipToRecord", 'a whole number of at least 0, "earliest" or "latest"', value)
    return word


def _check_schema(value: Any) -> Any:
    if isinstance(value, dict) and "$ref" in value and (len(value) > 1 or not isinstance(value["$ref"], str)):
        raise expected("Schema", 'an Avro schema, {"$ref": "NAME"}, "$inherit" or null', value)
    return value


def _as_rejects(value: Any) -> Any:
    if value is None or (isinstance(value, dict) and value.keys() == {"$ref"} and isinstance(value["$ref"], str)):
        return value and value["$ref"]
    raise expected("Rejects", '{"$ref": "NAME"} or null', value)


class StreamDescriptor(Part):
    """A stream, checked field by field; what the fields allow together is `engine.streams.restrictions`' business.

    `model_dump` by alias, of the fields that are set, gives what `parse_descriptor` makes an equal descriptor of.
    """

    version: str = "1.2"
    description: str = ""
    transport: Transport
    loop: bool = False
    skip_to: Annotated[NonNegativeInt, Field(lt=1 << 63)] | None = None  # as far as a file can be
    skip_to_record: Annotated[int | str | None, BeforeValidator(_check_skip)] = None
    envelope: Annotated[Framing | None, BeforeValidator(_as_framing)] = None
    encoding: Encoding = None
    avro: Annotated[Any, BeforeValidator(_check_schema)] = Field(default=INHERIT, alias="Schema")
    batching: Annotated[Batching, BeforeValidator(_as_batching)] = Batching()
    linger_time_ms: NonNegativeInt | None = Field(default=3000, alias="LingerTime")
    durable: Annotated[Literal["disk", "process", False], BeforeValidator(_as_durable)] = "disk"
    rejects: Annotated[
        str | None,
        BeforeValidator(_as_rejects),
        PlainSerializer(lambda name: None if name is None else {"$ref": name}),
    ] = None

    @property
    def encoding_name(self) -> str:
        """The codec's name; ``null`` for bytes as they are."""
        return self.encoding.type if self.encoding else "null"

    @property
    def subject(self) -> str | None:
        """Under what a schema registry keeps the schemas of its records; None where nothing says so."""
        if not isinstance(self.encoding, RegistryEncoding):
            return None
        topic = self.transport.topic if isinstance(self.transport, KafkaTransport) else None
        return self.encoding.subject or (None if topic is None else f"{topic}-value")

    @property
    def framing(self) -> Framing | None:
        """The envelope in force: the given one, or else delimited where neither transport nor encoding marks ends."""
        is_marked = self.transport.keeps_boundaries or self.encoding_name in SELF_DELIMITING
        return self.envelope or (None if is_marked else Framing())

    @property
    def first_record(self) -> int | str | None:
        """Where reading begins in a stream of records, when nothing of it was read before; None for its first."""
        if self.skip_to_record is None and isinstance(self.transport, KafkaTransport):
            return "latest"
        return self.skip_to_record


def describe(descriptor: StreamDescriptor) -> dict[str, Any]:
    """Return what the engine makes of a descriptor: snake_case, defaults filled in, what does not apply left out."""
    encoding = descriptor.encoding
    form: dict[str, Any] = {
        "transport": descriptor.transport.model_dump(exclude_none=True) | {"type": descriptor.transport.type.lower()},
        "envelope": descriptor.framing.model_dump() if descriptor.framing else None,
        "schema": descriptor.avro,
        "loop": descriptor.loop,
        "skip_to": descriptor.skip_to,
        "skip_to_record": descriptor.first_record,
        "durable": descriptor.durable if isinstance(descriptor.transport, RestTransport) else None,
        "rejects": {"$ref": descriptor.rejects} if descriptor.rejects is not None else None,
    }
    return {key: value for key, value in form.items() if value is not None} | {
        "encoding": encoding.type
        if isinstance(encoding, PlainEncoding) and encoding.unions == "plain"
        else encoding and encoding.model_dump(exclude_none=True),
        "batching": {"watermark": descriptor.batching.watermark, "nagle_time": descriptor.batching.nagle_time_ms},
        "linger_time": descriptor.linger_time_ms,
    }
