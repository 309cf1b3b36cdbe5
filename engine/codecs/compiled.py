"""A codec put together from its parts: what reads the bytes, what the two schemas ask for, what writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from engine.errors import SchemaMismatch
from engine.schema import Extras, Resolver, Schema


@dataclass(slots=True)
class CompiledCodec:
    """A codec whose `decode` and `encode` are functions made for its schemas; see `engine.ports.Codec`."""

    name: str
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]
    extras: Extras = field(default_factory=Extras)

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

    def resolve_output(self, check: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return `check` followed by the resolution from script to stream."""
        resolve = self.to_stream
        if resolve is None:
            return lambda value: Resolver(self.model, self.stream)(check(value))  # raises what is wrong
        return check if resolve.is_identity else lambda value: resolve(check(value))
