"""A schema registry in the test's own process, as small as can be, which fails when it is told."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from uuid import UUID


@dataclass
class StubRegistry:
    """Answers as Confluent's does. The GUID of a schema is its number.

    `status` and `body` are answered to everything while they are set. `refused` holds the subjects that take nothing
    new, `messages` what it says of that. With `user`, whoever is somebody else is turned away.
    """

    schemas: list[dict[str, Any]] = field(default_factory=list)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    messages: list[str] | None = None
    status: int = 0
    body: bytes = b""
    user: str = ""
    requests: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http{'' if self.tls is None else 's'}://127.0.0.1:{self._server.server_address[1]}/path"

    def add(self, schema: object, /, subject: str = "", **fields: Any) -> int:
        """Keep a schema; return its number."""
        entry = {"schema": json.dumps(schema)} | fields
        if entry not in self.schemas:
            self.schemas.append(entry)
        number = self.schemas.index(entry) + 1
        if subject and number not in self.subjects.setdefault(subject, []):
            self.subjects[subject].append(number)
        return number

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        for pattern, find in self._routes.items():
            if match := re.fullmatch(pattern, f"{method} {path}"):
                return find(*match.groups(), **({"body": body} if method == "POST" else {}))
        return 404, "nobody lives here"

    @property
    def _routes(self) -> dict[str, Callable[..., tuple[int, Any]]]:
        return {
            r"GET /schemas/ids/(\d+)": lambda number: self._schema(int(number)),
            r"GET /schemas/guids/(.+)": lambda guid: self._schema(UUID(guid).int),
            r"GET /subjects/(.+)/versions/latest": lambda subject: self._version(subject, -1),
            r"GET /subjects/(.+)/versions/(\d+)": lambda subject, version: self._version(subject, int(version) - 1),
            r"POST /subjects/([^/]+)/versions": self._register,
            r"POST /subjects/([^/]+)": self._find,
            r"POST /compatibility/subjects/([^/]+)/versions/latest": self._is_compatible,
        }

    def _schema(self, number: int) -> tuple[int, Any]:
        if not 1 <= number <= len(self.schemas):
            return 404, {"error_code": 40403, "message": f"Schema {number} not found"}
        return 200, self.schemas[number - 1]

    def _version(self, subject: str, version: int) -> tuple[int, Any]:
        numbers = self.subjects.get(subject, [])
        if not numbers or version >= len(numbers):
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        return 200, self.schemas[numbers[version] - 1] | {"id": numbers[version], "subject": subject}

    def _find(self, subject: str, body: Any) -> tuple[int, Any]:
        for number in self.subjects.get(subject, []):
            if self.schemas[number - 1]["schema"] == body["schema"]:
                return 200, {"id": number, "guid": str(UUID(int=number))}
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def _register(self, subject: str, body: Any) -> tuple[int, Any]:
        if subject in self.refused:
            return 409, {"error_code": 409, "message": "Schema being registered is incompatible"}
        number = self.add(json.loads(body["schema"]), subject)
        return 200, {"id": number, "guid": str(UUID(int=number))}

    def _is_compatible(self, subject: str, body: Any) -> tuple[int, Any]:
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": "Subject not found."}
        said = {} if self.messages is None else {"messages": self.messages}
        return 200, {"is_compatible": subject not in self.refused} | said


def _handler(registry: StubRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together: apart, the second waits for the first to be acknowledged

        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def _respond(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"null")
            path = self.path.partition("?")[0].removeprefix("/path")
            registry.requests.append(f"{self.command} {path}")
            if registry.status:
                self._send(registry.status, registry.body)
            elif registry.user and self.headers.get("authorization") != registry.user:
                self._send(401, b'{"error_code": 40101, "message": "Unauthorized"}')
            else:
                status, value = registry.answer(self.command, path, body)
                self._send(status, json.dumps(value).encode())

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
