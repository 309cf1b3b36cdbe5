"""A codec put together from its parts: what reads the bytes, what the two schemas ask for, what writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from engine.codecs.flat import ReadBatch, WriteBatch
from engine.errors import SchemaMismatch
from engine.schema import Extras, Resolver, Schema


def one_by_one(_records: Sequence[Any]) -> None:
    """Leave a batch to `decode` or `encode`."""


@dataclass(slots=True)
class CompiledCodec:
    """A codec whose `decode` and `encode` are functions made for its schemas; see `engine.ports.Codec`."""

    name: str
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    extras: Extras = field(default_factory=Extras)
    decode_batch: ReadBatch = one_by_one
    encode_batch: WriteBatch = one_by_one

    @property
    def extra_fields(self) -> int:
        """How many fields without a place in the schema were dropped, in both directions."""
        return self.extras.count


@dataclass(frozen=True, slots=True)
class SchemaPair:
    """The schema of the stream, that of the script's slot, and how to get from each to the other.

    A slot needs one direction only: a stream of ints can feed a script that wants doubles, and not take its outputs.
    The direction that cannot be is None; whoever uses it gets the mismatch.
    """

    stream: Schema
    model: Schema
    to_model: Resolver | None
    to_stream: Resolver | None

    @classmethod
    def fit(cls, stream: Schema, model: Schema) -> Self:
        """Return the pair.

        Raises
        ------
        SchemaMismatch
            It fits in neither direction.
        """
        try:
            to_stream = Resolver(model, stream)
        except SchemaMismatch:
            return cls(stream, model, Resolver(stream, model), None)
        try:
            return cls(stream, model, Resolver(stream, model), to_stream)
        except SchemaMismatch:
            return cls(stream, model, None, to_stream)

    def resolve_input(self, read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """Return `read` followed by the resolution from stream to script."""
        resolve = self.to_model
        if resolve is None:
            return lambda raw: Resolver(self.stream, self.model)(read(raw))  # raises what is wrong
        return read if resolve.is_identity else lambda raw: resolve(read(raw))

    def resolve_batch(self, read: ReadBatch) -> ReadBatch:
        """Return `read` followed by the resolution from stream to script."""
        resolve = self.to_model
        if resolve is None:
            return one_by_one
        return read if resolve.is_identity else lambda raws: resolve_all(read(raws), resolve)

    def resolve_output(self, check: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return `check` followed by the resolution from script to stream."""
        resolve = self.to_stream
        if resolve is None:
            return lambda value: Resolver(self.model, self.stream)(check(value))  # raises what is wrong
        return check if resolve.is_identity else lambda value: resolve(check(value))


def resolve_all(values: list[Any] | None, resolve: Resolver) -> list[Any] | None:
    """Return the values as the reader's schema has them; None if there are none, or one cannot be."""
    try:
        return None if values is None else list(map(resolve, values))
    except SchemaMismatch:
        return None
