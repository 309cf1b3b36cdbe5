"""Streams: from a descriptor to a source of raw records, or to a sink for them."""

from engine.streams.batching import BatchedSource
from engine.streams.connecting import connection_of
from engine.streams.descriptor import INHERIT, StreamDescriptor, describe
from engine.streams.given import given_stream
from engine.streams.kafka import KafkaTransport
from engine.streams.literals import parse_endpoint, parse_literal
from engine.streams.opening import open_sink, open_source
from engine.streams.parsing import parse_descriptor
from engine.streams.posting import BatchPoster, open_poster
from engine.streams.reaching import check_topics, reach
from engine.streams.registering import open_registry
from engine.streams.restrictions import verify_descriptor
from engine.streams.sampling import sample
from engine.streams.stream import Stream, resolve_stream
from engine.streams.verifying import verify_source

__all__ = [
    "INHERIT",
    "BatchPoster",
    "BatchedSource",
    "KafkaTransport",
    "Stream",
    "StreamDescriptor",
    "check_topics",
    "connection_of",
    "describe",
    "given_stream",
    "open_poster",
    "open_registry",
    "open_sink",
    "open_source",
    "parse_descriptor",
    "parse_endpoint",
    "parse_literal",
    "reach",
    "resolve_stream",
    "sample",
    "verify_descriptor",
    "verify_source",
]
