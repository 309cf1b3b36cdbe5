"""A codec put together from its parts: what reads the bytes, what the two schemas ask for, what writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

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
    """The schema of the stream and that of the script's slot, either of them perhaps the other's.

    Raises
    ------
    SchemaMismatch
        When asked for a resolver that cannot be.
    """

    stream: Schema
    model: Schema

    def resolve_input(self, read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """Return `read` followed by the resolution from stream to script."""
        resolve = Resolver(self.stream, self.model)
        return read if resolve.is_identity else lambda raw: resolve(read(raw))

    def resolve_output(self, check: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return `check` followed by the resolution from script to stream."""
        resolve = Resolver(self.model, self.stream)
        return check if resolve.is_identity else lambda value: resolve(check(value))
