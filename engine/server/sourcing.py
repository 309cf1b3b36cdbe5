"""From what a request names to a stream: one of the library, a descriptor, or a literal."""

from __future__ import annotations

from typing import Any

from engine.server.service import Service
from engine.streams import Stream, StreamDescriptor, parse_descriptor, parse_literal, resolve_stream


def stored_descriptor(service: Service, name: str) -> StreamDescriptor:
    """Return the descriptor of a stream of the library; raises AssetNotFound, DescriptorError, NotBuilt."""
    return parse_descriptor(service.library.streams.read(name), name)


def stored_stream(service: Service, name: str) -> Stream:
    """Return a stream of the library, with its schema."""
    return resolve_stream(name, stored_descriptor(service, name), service.library.schema)


def given_stream(service: Service, source: str | dict[str, Any]) -> Stream:
    """Return the stream that a descriptor, its text, or a literal such as ``rest:`` stands for."""
    literal = parse_literal(source.strip()) if isinstance(source, str) else None
    if literal is not None:
        return resolve_stream(str(source).strip(), literal, service.library.schema)
    return resolve_stream("", parse_descriptor(source), service.library.schema)
