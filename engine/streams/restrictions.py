"""What the fields of a descriptor allow together, as one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import ConfigError, DescriptorError, NotBuilt, SchemaInvalid
from engine.schema import Schema, parse_schema
from engine.streams.descriptor import INHERIT, StreamDescriptor
from engine.streams.encoding import REGISTRY, RegistryEncoding
from engine.streams.kafka import KafkaFields, KafkaOffsetTransport, KafkaTransport
from engine.streams.transport import FileTransport, HttpTransport, RestTransport
from engine.streams.words import WHERE


@dataclass(frozen=True, slots=True)
class Use:
    """A descriptor and how it is to be used.

    Parameters
    ----------
    descriptor : StreamDescriptor
        What the table is about.
    schema_type : str or None
        The Avro type of its schema, such as ``record``; None while that is not known, or when there is none.
    direction : str or None
        ``input``, ``output``, or None when either may come.
    """

    descriptor: StreamDescriptor
    schema_type: str | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class Restriction:
    """One rule: when it is broken, which field to blame, and the sentence."""

    field: str
    sentence: str
    is_broken: Callable[[Use], bool]


def _breaks_boundaries(use: Use) -> bool:
    transport = use.descriptor.transport
    is_tolerated = isinstance(transport, RestTransport)  # with a note: see `verify_descriptor`
    return transport.keeps_boundaries and use.descriptor.envelope is not None and not is_tolerated


def _is_kafka(use: Use) -> bool:
    return isinstance(use.descriptor.transport, KafkaTransport)


def _has_fields_of_inputs(use: Use) -> bool:
    transport = use.descriptor.transport
    return isinstance(transport, KafkaTransport) and (
        transport.group is not None or transport.partition is not None or transport.max_wait_time_ms is not None
    )


def _has_rejects(use: Use) -> bool:
    return use.descriptor.rejects is not None


def _has_no_subject(use: Use) -> bool:
    encoding = use.descriptor.encoding
    return isinstance(encoding, RegistryEncoding) and encoding.subject is None and not _is_kafka(use)


RESTRICTIONS = (
    Restriction(
        "Transport",
        "inline data can only be read, and discard and kafka-offset can only be written",
        lambda use: use.direction is not None and use.direction not in use.descriptor.transport.directions,
    ),
    Restriction("Rejects", "only an input has them", lambda use: use.direction == "output" and _has_rejects(use)),
    Restriction(
        "Transport.Append",
        "only a file that is written can be appended to",
        lambda use: (
            use.direction == "input"
            and isinstance(use.descriptor.transport, FileTransport)
            and use.descriptor.transport.append
        ),
    ),
    Restriction(
        "Transport",
        "only an input has Group, Partition and MaxWaitTime: an output's records go where their keys say",
        lambda use: use.direction == "output" and _has_fields_of_inputs(use),
    ),
    Restriction(
        "Loop",
        "a topic of Kafka has no end to begin again at",
        lambda use: use.descriptor.loop and _is_kafka(use),
    ),
    Restriction(
        "Loop",
        "only a transport that can go back to its beginning can loop: a file or inline data",
        lambda use: use.descriptor.loop and not use.descriptor.transport.is_seekable,
    ),
    Restriction("Loop", "only an input can loop", lambda use: use.descriptor.loop and use.direction == "output"),
    Restriction(
        "SkipTo",
        "only a seekable stream of bytes can skip to one: a file, or inline data that is a text",
        lambda use: (
            use.descriptor.skip_to is not None
            and (not use.descriptor.transport.is_seekable or use.descriptor.transport.keeps_boundaries)
        ),
    ),
    Restriction(
        "SkipToRecord",
        'Kafka needs one: an offset, "earliest" or "latest"',
        lambda use: (
            _is_kafka(use)
            and "skip_to_record" in use.descriptor.model_fields_set
            and use.descriptor.skip_to_record is None
        ),
    ),
    Restriction(
        "SkipToRecord",
        "only a seekable stream of records can skip to one: Kafka, or inline data that is a list",
        lambda use: (
            use.descriptor.skip_to_record is not None
            and not (use.descriptor.transport.is_seekable and use.descriptor.transport.keeps_boundaries)
        ),
    ),
    Restriction(
        "SkipTo",
        "only an input can skip",
        lambda use: (
            use.direction == "output"
            and (use.descriptor.skip_to is not None or use.descriptor.skip_to_record is not None)
        ),
    ),
    Restriction(
        "Durable",
        "only REST has it: what another transport keeps, it keeps on disk",
        lambda use: (
            "durable" in use.descriptor.model_fields_set and not isinstance(use.descriptor.transport, RestTransport)
        ),
    ),
    Restriction(
        "Envelope",
        "a transport that keeps record boundaries takes none",
        _breaks_boundaries,
    ),
    Restriction(
        "Envelope",
        "records of Avro cannot be delimited, since any byte may be part of one",
        lambda use: use.descriptor.envelope is not None and use.descriptor.encoding_name in ("avro-binary", REGISTRY),
    ),
    Restriction(
        "Encoding",
        "avro-registry needs a transport that keeps records apart: Kafka, REST in simple mode, or inline data that is a"
        " list",
        lambda use: use.descriptor.encoding_name == REGISTRY and not use.descriptor.transport.keeps_boundaries,
    ),
    Restriction(
        "Encoding.Subject",
        "missing: only Kafka has a topic by which it could go",
        lambda use: use.direction == "output" and _has_no_subject(use),
    ),
    Restriction(
        "Schema",
        "avro-binary needs one",
        lambda use: use.descriptor.encoding_name == "avro-binary" and use.descriptor.avro is None,
    ),
    Restriction(
        "Schema",
        'without an Encoding a record is its bytes, so that the schema must be "bytes"',
        lambda use: use.descriptor.encoding_name == "null" and use.schema_type not in (None, "bytes"),
    ),
    Restriction(
        "Schema",
        'the utf-8 encoding needs the schema "string"',
        lambda use: use.descriptor.encoding_name == "utf-8" and use.schema_type not in (None, "string"),
    ),
)

_SPLIT_NOTE = (
    "Transport is REST in simple mode, which keeps record boundaries; with an Envelope each body is split at the "
    "separator, and a record also ends where its body ends."
)

_OFFSET_NOTE = "CommitOffset changes nothing: offsets are committed together with the outputs of their records."
_OFFSET_STREAM_NOTE = (
    "Transport is kafka-offset: what is written there is let go, since offsets are committed together with the outputs"
    " of their records. Take the stream out of the model when you can."
)
_BATCHING_NOTE = "Batching changes nothing for Kafka: what has arrived is scored, and a commit writes what was scored."
_CLEAR_NOTE = "The password is sent to the broker in the clear: take the Protocol SASL_SSL, or a SCRAM Mechanism."


def _is_split(descriptor: StreamDescriptor) -> bool:
    transport = descriptor.transport
    return isinstance(transport, RestTransport) and transport.keeps_boundaries and descriptor.envelope is not None


def _commits_itself(descriptor: StreamDescriptor) -> bool:
    return isinstance(descriptor.transport, KafkaTransport) and not descriptor.transport.commit_offset


def _batches_kafka(descriptor: StreamDescriptor) -> bool:
    return isinstance(descriptor.transport, KafkaTransport) and "batching" in descriptor.model_fields_set


def _sends_clear_password(descriptor: StreamDescriptor) -> bool:
    security = descriptor.transport.security if isinstance(descriptor.transport, KafkaFields) else None
    return security is not None and not security.is_tls and security.mechanism == "PLAIN"


_NOTES: Sequence[tuple[str, Callable[[StreamDescriptor], bool]]] = (
    (_SPLIT_NOTE, _is_split),
    (_OFFSET_NOTE, _commits_itself),
    (_BATCHING_NOTE, _batches_kafka),
    (_OFFSET_STREAM_NOTE, lambda descriptor: isinstance(descriptor.transport, KafkaOffsetTransport)),
    (_CLEAR_NOTE, _sends_clear_password),
)


def verify_descriptor(descriptor: StreamDescriptor, slot: int | None = None, schema: Schema | None = None) -> list[str]:
    """Return notes on what is allowed and probably not meant.

    Parameters
    ----------
    descriptor : StreamDescriptor
        What `parse_descriptor` returned.
    slot : int, optional
        Where it is to be attached: even numbers read from it, odd ones write to it.
    schema : Schema, optional
        What the descriptor's ``$ref`` names. An inline schema is looked at without it.

    Raises
    ------
    DescriptorError
        The fields do not fit together, or do not fit the slot.
    NotBuilt
        Reading from HTTP.
    SchemaInvalid
        The inline schema is no Avro schema.
    """
    for fault in check_together(descriptor, slot, schema):
        raise fault
    return [note for note, is_due in _NOTES if is_due(descriptor)]


def check_together(
    descriptor: StreamDescriptor, slot: int | None = None, schema: Schema | None = None
) -> Iterator[ConfigError]:
    """Yield all that the fields do not allow together, or on that slot; as `verify_descriptor` raises the first."""
    is_inline = descriptor.avro is not None and descriptor.avro != INHERIT and reference_of(descriptor) is None
    if schema is None and is_inline:
        try:
            schema = parse_schema(descriptor.avro)
        except SchemaInvalid as exc:
            yield exc
    direction = None if slot is None else "output" if slot % 2 else "input"
    if direction == "input" and isinstance(descriptor.transport, HttpTransport):
        yield NotBuilt('Transport "HTTP" for an input', WHERE)
    use = Use(descriptor, _type_of(schema.parsed) if schema is not None else None, direction)
    for restriction in RESTRICTIONS:
        if restriction.is_broken(use):
            yield DescriptorError(restriction.field, restriction.sentence)


def reference_of(descriptor: StreamDescriptor) -> str | None:
    """Return the name in ``{"$ref": name}``, if that is the descriptor's Schema."""
    return descriptor.avro.get("$ref") if isinstance(descriptor.avro, dict) else None


def _type_of(parsed: Any) -> str:
    while isinstance(parsed, dict):
        parsed = parsed["type"]
    return "union" if isinstance(parsed, list) else str(parsed)
