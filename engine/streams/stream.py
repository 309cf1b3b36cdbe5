"""A stream: a descriptor whose schema was found."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DescriptorError
from engine.schema import Schema, parse_schema
from engine.streams.descriptor import INHERIT, StreamDescriptor
from engine.streams.encoding import PlainEncoding, RegistryEncoding
from engine.streams.kafka import KafkaOffsetTransport, KafkaTransport
from engine.streams.parsing import parse_descriptor
from engine.streams.restrictions import reference_of, verify_descriptor
from engine.streams.transport import DiscardTransport, FileTransport


@dataclass(frozen=True, slots=True)
class Stream:
    """What a slot is attached to.

    Parameters
    ----------
    name : str
        In the library; made up for a literal.
    descriptor : StreamDescriptor
        Checked on its own; `open_source` and `open_sink` check the direction.
    schema : Schema, "$inherit" or None
        Found; ``"$inherit"`` takes the model's, None checks nothing.
    rejects : Stream, optional
        Where records of an input go that are not scored; None for the engine's own log of them.
    """

    name: str
    descriptor: StreamDescriptor
    schema: Schema | str | None
    rejects: Stream | None = None

    @property
    def transport(self) -> str:
        """The kind of its transport, as descriptors spell it."""
        return self.descriptor.transport.type

    @property
    def encoding(self) -> str:
        """The name of its codec."""
        return self.descriptor.encoding_name

    @property
    def tagged_unions(self) -> bool:
        """Whether JSON outputs say the branch of a union."""
        encoding = self.descriptor.encoding
        return isinstance(encoding, PlainEncoding) and encoding.unions == "tagged"

    @property
    def registry(self) -> RegistryEncoding | None:
        """The encoding of a stream whose schemas are in a registry; None for every other one."""
        encoding = self.descriptor.encoding
        return encoding if isinstance(encoding, RegistryEncoding) else None

    @property
    def subject(self) -> str | None:
        """Under what the registry keeps the schemas of its records; None where nothing says so."""
        return self.descriptor.subject

    @property
    def own_schema(self) -> Schema | None:
        """The stream's schema, unless it has none or takes the model's."""
        return self.schema if isinstance(self.schema, Schema) else None

    @property
    def kafka(self) -> KafkaTransport | None:
        """The transport of a stream that is a topic; None for everything else."""
        transport = self.descriptor.transport
        return transport if isinstance(transport, KafkaTransport) else None

    @property
    def path(self) -> Path | None:
        """The file it reads or writes; None for everything else, standard input and output too."""
        transport = self.descriptor.transport
        if isinstance(transport, FileTransport) and transport.path != "-":
            return Path(transport.path).resolve()
        return None

    @property
    def is_resumable(self) -> bool:
        """Whether another process can go on where one has stopped reading, or writing.

        A pipe or a terminal is read once; of what was written to one, nothing can be taken back.
        """
        transport = self.descriptor.transport
        return not isinstance(transport, FileTransport) or (self.path is not None and _is_regular(self.path))

    @property
    def is_synced(self) -> bool:
        """Whether what this machine commits for it has to survive a power loss, not only the end of the process.

        What is committed for a topic, its brokers keep.
        """
        is_kept_elsewhere = isinstance(
            self.descriptor.transport, DiscardTransport | KafkaTransport | KafkaOffsetTransport
        )
        return self.descriptor.durable == "disk" and not is_kept_elsewhere

    @property
    def needs_model_schema(self) -> bool:
        """Whether only the model's schema says where its records end."""
        is_cut = self.descriptor.transport.keeps_boundaries or self.descriptor.framing is not None
        return not is_cut and self.own_schema is None


def resolve_stream(
    name: str,
    descriptor: StreamDescriptor,
    schemas: Callable[[str], Schema],
    stored: Callable[[str], bytes] | None = None,
) -> Stream:
    """Return the stream with its schema, and the stream of its Rejects.

    Parameters
    ----------
    name : str
        The stream's.
    descriptor : StreamDescriptor
        What `parse_descriptor` returned.
    schemas : callable
        From a schema's name to the schema; raises `AssetNotFound`.
    stored : callable, optional
        From a stream's name to its descriptor's text; raises `AssetNotFound`. Without it there are no streams to name.

    Raises
    ------
    DescriptorError, NotBuilt
        The fields do not fit together, or the stream of its Rejects cannot be that.
    SchemaInvalid, AssetNotFound
        There is no such schema, or no such stream.
    """
    reference = reference_of(descriptor)
    schema: Schema | None = None
    if reference is not None:
        schema = schemas(reference)
    elif descriptor.avro not in (None, INHERIT):
        schema = parse_schema(descriptor.avro)
    verify_descriptor(descriptor, schema=schema)
    rejects = None if descriptor.rejects is None else _resolve_rejects(name, descriptor.rejects, schemas, stored)
    return Stream(name, descriptor, INHERIT if descriptor.avro == INHERIT else schema, rejects)


def _resolve_rejects(
    name: str, reference: str, schemas: Callable[[str], Schema], stored: Callable[[str], bytes] | None
) -> Stream:
    if stored is None:
        reason = f"there is no library here in which {reference!r} could be; say which with --library"
        raise DescriptorError("Rejects", reason, name=name)
    descriptor = parse_descriptor(stored(reference), reference)
    for is_wrong, reason in (
        (descriptor.rejects is not None, "has Rejects itself"),
        (descriptor.encoding_name != "json", 'must have the encoding "json"'),
        (descriptor.avro not in (None, INHERIT), "must have no Schema: the engine says what a reject looks like"),
    ):
        if is_wrong:
            raise DescriptorError("Rejects", f"stream {reference!r} {reason}", name=name)
    try:
        verify_descriptor(descriptor, slot=1)
    except DescriptorError as exc:
        raise DescriptorError("Rejects", f"stream {reference!r}, {exc.field}: {exc.reason}", name=name) from exc
    return resolve_stream(reference, descriptor, schemas)


def _is_regular(path: Path) -> bool:
    """Return whether there is an ordinary file, or nothing that keeps one from being there."""
    # Path's own would raise for a folder that may not be looked into, which whoever opens the file says better.
    return os.path.isfile(path) or not os.path.exists(path)  # noqa: PTH110, PTH113
