"""The verbs of a client, done on a library's folder instead of a server."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.registry import Collection, Library, Put, assemble
from engine.schema import verify_records
from engine.script import summarize

PIECE_BYTES = 1024 * 1024


class Folder:
    """A library on this machine, with the methods of `engine.client.Client` that need no engine."""

    def __init__(self, root: Path) -> None:
        self._library = Library(root)
        self.models = self._library.models
        self.schemas = self._library.schemas
        self.streams = self._library.streams

    def attachments(self, model: str) -> Collection:
        """As `Client.attachments`."""
        return self._library.attachments(model)

    def upload(self, model: str, path: Path) -> Put:
        """As `Client.upload`."""
        return self.attachments(model).put(path.name, path.read_bytes())

    def download(self, model: str, name: str) -> Iterator[bytes]:
        """As `Client.download`."""
        collection = self.attachments(model)
        with collection.locate(collection.get(name)).open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def verify_model(self, name: str, *, is_strict: bool = False) -> dict[str, Any]:
        """As `Client.verify_model`."""
        return dataclasses.asdict(summarize(assemble(self._library, name, is_strict=is_strict).script))

    def verify_records(self, schema: str, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """As `Client.verify_records`."""
        for verdict in verify_records(self._library.schema(schema), lines):
            yield dataclasses.asdict(verdict)

    def verify_stream(self, name: str, slot: int | None = None) -> dict[str, Any]:
        """As `Client.verify_stream`."""
        from engine.streams import verify_source

        return verify_source(self.streams.read(name), name, slot, _secrets_dir())._asdict()

    def sample_stream(self, name: str, n_records: int) -> list[bytes]:
        """As `Client.sample_stream`."""
        from engine.streams import parse_descriptor, resolve_stream, sample

        descriptor = parse_descriptor(self.streams.read(name), name)
        stream = resolve_stream(name, descriptor, self._library.schema, self.streams.read)
        return sample(stream, n_records, secrets=_secrets_dir())

    def sample_literal(self, literal: str, n_records: int) -> list[bytes]:
        """As `Client.sample_literal`."""
        from engine.streams import given_stream, sample

        stream = given_stream(literal, self._library.schema, self.streams.read)
        return sample(stream, n_records, secrets=_secrets_dir())

    def seek_stream(
        self, stream: str, *, to: str | None = None, state: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """As `Client.seek_stream`."""
        from engine.runtime.seeking import find_reading, seek_offsets
        from engine.streams import given_stream, parse_descriptor, resolve_stream

        if ":" in stream:
            found = given_stream(stream, self._library.schema, self.streams.read)
        else:
            descriptor = parse_descriptor(self.streams.read(stream), stream)
            found = resolve_stream(stream, descriptor, self._library.schema, self.streams.read)
        reading = find_reading(found, _secrets_dir(), **fields)
        is_kept = None if state is None else state == "keep"
        return seek_offsets(reading, to, self._library, is_kept=is_kept).as_json()


def _secrets_dir() -> Path:
    from engine.settings import Settings

    return Settings.from_env(os.environ).secrets_dir
