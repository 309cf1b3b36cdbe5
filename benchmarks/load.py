"""A client that costs little: raw sockets, one thread, as many requests under way as there are connections.

It runs as a process of its own (``python -m benchmarks.load``) and imports nothing heavy.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

_RECV_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for: the bodies, in order, over so many connections, after so many calls to warm up.

    Everything is posted to `path`, as JSON: some servers take nothing that does not say what it is.
    """

    port: int
    n_connections: int
    n_warm: int
    warm_body: str
    bodies: list[str]
    path: str = "/score"


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.nth = 0
        self.sent_ns = 0

    def ask(self, nth: int, request: bytes) -> None:
        self.nth, self.sent_ns = nth, time.perf_counter_ns()
        self.socket.sendall(request)

    def receive(self) -> tuple[int, bytes] | None:
        """Return status and body of the answer, or None while it is not whole."""
        data = self.socket.recv(_RECV_BYTES)
        if not data:
            raise ConnectionError("the server closed a connection")
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        status, head = int(head[9:12]), head.lower()
        at = head.find(b"content-length:")
        length = 0 if at < 0 or status == 204 else int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return None
        self.buffer = rest[length:]
        return status, rest[:length]


def run(load: Load) -> dict[str, Any]:
    """Return nanoseconds and answer of each request, in their order, and the seconds of all."""
    connections = [_Connection(load.port) for _ in range(load.n_connections)]
    _ask_all(connections[:1], [_request(load.path, load.warm_body)] * load.n_warm)
    requests = [_request(load.path, body) for body in load.bodies]
    started_s = time.perf_counter()
    latencies_ns, answers = _ask_all(connections, requests)
    seconds = time.perf_counter() - started_s
    for connection in connections:
        connection.socket.close()
    return {"latencies_ns": latencies_ns, "answers": answers, "seconds": seconds}


def _request(path: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def _ask_all(connections: list[_Connection], requests: list[bytes]) -> tuple[list[int], list[Any]]:
    latencies_ns, answers = [0] * len(requests), [None] * len(requests)
    n_sent = n_answered = 0
    with selectors.DefaultSelector() as selector:
        for connection in connections[: len(requests)]:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask(n_sent, requests[n_sent])
            n_sent += 1
        while n_answered < len(requests):
            for key, _ in selector.select():
                connection = key.data
                answer = connection.receive()
                if answer is None:
                    continue
                nth = connection.nth
                latencies_ns[nth] = time.perf_counter_ns() - connection.sent_ns
                n_answered += 1
                if n_sent < len(requests):
                    connection.ask(n_sent, requests[n_sent])
                    n_sent += 1
                status, body = answer
                if status not in (200, 202, 204):
                    raise RuntimeError(f"{status}: {body.decode()}")
                answers[nth] = json.loads(body) if body else None
    return latencies_ns, answers


if __name__ == "__main__":
    json.dump(run(Load(**json.load(sys.stdin))), sys.stdout)
