"""Records that only a schema registry can make readable, as JSON for a person."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from engine.codecs.registry_codec import RegistryCodec
from engine.errors import DataError
from engine.schema_registry import SchemaRegistry
from engine.streams.registering import open_registry
from engine.streams.stream import Stream


class _Asked:
    """A registry as a codec asks it; nothing is written."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry

    def written(self, key: int | UUID) -> Any:
        """As `SchemaSource.written`."""
        return self._registry.schema(key)

    def to_write(self) -> tuple[int, Any]:
        """Refuse: a sample is only read."""
        raise TypeError("A sample is only read.")


def readable(stream: Stream, records: Iterable[bytes], secrets: Path) -> list[bytes]:
    """Return records as a person can read them: those of a registry as JSON, others as they are.

    A record that cannot be decoded is an object that says why, with the record in base64.

    Raises
    ------
    ConfigError
        A secret that the descriptor names is not there.
    RegistryRefused, RegistryUnreachable
        The registry does not say what they were written with.
    """
    if stream.registry is None:
        return list(records)
    registry = open_registry(stream.registry, secrets)
    try:
        codec = RegistryCodec(_Asked(registry), stream.own_schema, None)
        return [_as_json(codec, record) for record in records]
    finally:
        registry.close()


def _as_json(codec: RegistryCodec, record: bytes) -> bytes:
    try:
        value = codec.decode(record)
    except DataError as exc:
        value = {"undecoded": base64.b64encode(record).decode(), "reason": str(exc)}
    return json.dumps(value, ensure_ascii=False, default=_shown).encode("utf-8", "backslashreplace")


def _shown(value: Any) -> str:
    """Return what JSON has no form for: bytes as Avro writes them there, a character for each; else its text."""
    return bytes(value).decode("latin-1") if isinstance(value, bytes | bytearray | memoryview) else str(value)
