"""What an engine answers a jet that asks for a schema of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

from engine.channel.failures import dump_error, load_error
from engine.errors import EngineError


@dataclass(frozen=True, slots=True)
class SchemaAnswer:
    """A schema, or why there is none. The question is ``["schema", slot, key]``.

    Parameters
    ----------
    source : Any
        The schema's JSON value. The key was its number, the 16 bytes of its GUID, or None for that of the outputs.
    number : int
        Its number, where that was asked for.
    """

    source: Any
    number: int = 0

    def pack(self) -> bytes:
        """Return the value of a REPLY."""
        return bytes(msgpack.packb([self.number, self.source, None]))

    @staticmethod
    def refuse(error: EngineError) -> bytes:
        """Return the value of a REPLY that raises an error where it is unpacked."""
        return bytes(msgpack.packb([0, None, dump_error(error)]))

    @classmethod
    def unpack(cls, packed: bytes) -> SchemaAnswer:
        """Return the answer; raises the error that it stands for."""
        number, source, error = msgpack.unpackb(packed, strict_map_key=False)
        if error is not None:
            raise load_error(error)
        return cls(source, number)
