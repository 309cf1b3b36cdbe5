"""From the name that a request gives to a stream of the library."""

from __future__ import annotations

from engine.server.service import Service
from engine.streams import Stream, StreamDescriptor, parse_descriptor, resolve_stream


def stored_descriptor(service: Service, name: str) -> StreamDescriptor:
    """Return the descriptor of a stream of the library; raises AssetNotFound, DescriptorError, NotBuilt."""
    return parse_descriptor(service.library.streams.read(name), name)


def stored_stream(service: Service, name: str) -> Stream:
    """Return a stream of the library, with its schema."""
    return resolve_stream(name, stored_descriptor(service, name), service.library.schema, service.library.streams.read)
