"""A server, as the command line sees it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Self

import httpx

from engine.client.collection import Collection, Put
from engine.client.connection import Connection, path_of
from engine.client.keeping import KeptVerbs
from engine.client.verbs import EngineVerbs

LINES_PER_REQUEST = 1000  # a few megabytes of ordinary records


class Client:
    """Everything that one server offers.

    Parameters
    ----------
    url : str
        Such as ``http://127.0.0.1:8000``.
    transport : httpx.BaseTransport, optional
        For tests.
    """

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._connection = Connection(url, transport=transport)
        self.models = Collection(self._connection, "model", "/models")
        self.schemas = Collection(self._connection, "schema", "/schemas")
        self.streams = Collection(self._connection, "stream", "/streams")
        self.engine = EngineVerbs(self._connection)
        self.kept = KeptVerbs(self._connection)

    def attachments(self, model: str) -> Collection:
        """Return the attachments of one model."""
        return Collection(self._connection, "attachment", "/attachments" + path_of(model))

    def upload(self, model: str, path: Path) -> Put:
        """Store a file as an attachment of `model`, under its own name; sent in pieces, never held as a whole."""
        with path.open("rb") as file:
            return self.attachments(model).put(path.name, file)

    def download(self, model: str, name: str) -> Iterator[bytes]:
        """Return the content of an attachment in pieces; raises AssetNotFound."""
        return self.attachments(model).download(name)

    def verify_model(self, name: str, *, is_strict: bool = False) -> dict[str, Any]:
        """Return a model's slots, state and notes; raises ModelError or ConfigError, and for a note if `is_strict`."""
        params = {"strict": "true" if is_strict else None}
        response = self._connection.request("POST", "/models" + path_of(name, "verify"), params=params)
        answer: dict[str, Any] = response.json()
        return answer

    def verify_records(self, schema: str, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        """Yield a verdict on each line: ``line_no``, ``outcome`` (ok, json, fail), ``reason``, ``text``.

        The schema itself is checked even when there are no lines.
        """
        path = "/schemas" + path_of(schema, "verify")
        rest = iter(lines)
        n_sent = 0
        while (chunk := list(islice(rest, LINES_PER_REQUEST))) or n_sent == 0:
            content = b"\n".join(line.rstrip(b"\r\n") for line in chunk)
            for verdict in self._connection.request("POST", path, content=content).json():
                yield {**verdict, "line_no": verdict["line_no"] + n_sent}
            n_sent += len(chunk)
            if not chunk:
                return

    def verify_stream(self, name: str, slot: int | None = None) -> dict[str, Any]:
        """Return the ``descriptor`` with every default filled in, ``notes``, and ``found`` where it reaches something.

        Raises
        ------
        DescriptorError, BrokerRefused, BrokerUnreachable
            The descriptor does not hold, or what it stands for cannot be reached.
        """
        response = self._connection.request("POST", "/streams" + path_of(name, "verify"), params={"slot": slot})
        answer: dict[str, Any] = response.json()
        return answer

    def sample_stream(self, name: str, n_records: int) -> list[bytes]:
        """Return the first records of a stream of the library."""
        params = {"count": n_records}
        answer = self._connection.request("GET", "/streams" + path_of(name, "sample"), params=params).json()
        return [base64.b64decode(record) for record in answer["records"]]

    def sample_literal(self, literal: str, n_records: int) -> list[bytes]:
        """Return the first records of a stream given as a literal, such as ``file:/tmp/prices.jsons``."""
        params = {"count": n_records}
        answer = self._connection.request("POST", "/streams/sample", content=literal.encode(), params=params).json()
        return [base64.b64decode(record) for record in answer["records"]]

    def seek_stream(self, stream: str, **fields: Any) -> dict[str, Any]:
        """Return where the group of a Kafka stream stands, after it was moved where `fields` ask for it.

        Parameters
        ----------
        stream : str
            A name of the library, or a literal.
        **fields
            ``to``, ``state``, ``group``, ``model``, ``slot`` and ``partition``, as the server describes them.

        Raises
        ------
        BrokerRefused
            Engines are in the group.
        """
        answer: dict[str, Any] = self._connection.request(
            "POST", "/streams/offsets", json={"stream": stream, **fields}
        ).json()
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
