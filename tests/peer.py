"""An HTTP server in the test's own process that answers as it is told: well, badly, late or not at all."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Request:
    """What came: the first line, the headers by their names in lower case, and the body."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass
class Peer:
    """Takes one request after the other on each connection.

    `answers` says what happens to the next ones: a status, a status with headers and a body, ``hang`` (never an
    answer), ``reset`` (the connection breaks before one) or ``half`` (in the middle of one). When they are used up,
    everything is answered with 200.
    """

    answers: deque[int | str | tuple[int, dict[str, str], bytes]] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._changed = threading.Condition()
        self._is_closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            connection.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/hook"

    def expect(self, answers: Iterable[int | str | tuple[int, dict[str, str], bytes]]) -> None:
        self.answers.extend(answers)

    def wait_for(self, n_requests: int) -> list[Request]:
        """Return the requests once there are so many; a test that waits for one that never comes is ended."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.requests) >= n_requests)
            return list(self.requests)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                while line := reader.readline():
                    headers = {}
                    while (header := reader.readline().strip()) != b"":
                        name, _, value = header.decode().partition(":")
                        headers[name.lower()] = value.strip()
                    body = reader.read(int(headers.get("content-length", 0)))
                    with self._changed:
                        self.requests.append(Request(line.decode().strip(), headers, body))
                        answer = self.answers.popleft() if self.answers else 200
                        self._changed.notify_all()
                    if not self._answer(connection, answer):
                        return
        except (OSError, ValueError):  # the other side has gone, or this one was closed
            pass
        finally:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket, answer: int | str | tuple[int, dict[str, str], bytes]) -> bool:
        if answer == "hang":
            self._is_closed.wait()
            return False
        if answer == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if answer == "half":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
            return False
        status, headers, body = (answer, {}, b"") if isinstance(answer, int) else answer
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
        connection.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        return True
