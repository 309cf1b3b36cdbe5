"""``python -m engine.torture.receiver PORT LOG``: takes posted outputs, notes them, and answers badly now and then.

It is a process of its own, so that nobody who is killed takes it along. Every request that it has heard is a line of
the log, with its ``Idempotency-Key``, before it is answered: one in eight is then answered with 503, and one in eight
not at all, so that the sender must ask again.
"""

from __future__ import annotations

import base64
import json
import os
import random
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_BAD_SHARE = 0.125


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_fd: int

    def do_POST(self) -> None:
        """Note the request, and answer it."""
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender was killed within it
            self.close_connection = True
            return
        line = {"key": self.headers.get("Idempotency-Key", ""), "body": base64.b64encode(body).decode()}
        os.write(self.log_fd, json.dumps(line).encode() + b"\n")
        chance = random.random()  # noqa: S311 - no secret
        if chance < _BAD_SHARE:
            self.close_connection = True
            return
        self.send_response(503 if chance < 2 * _BAD_SHARE else 200)
        if chance < 2 * _BAD_SHARE:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a sender that is killed resets its connections."""


def main() -> None:
    """Listen until killed."""
    port, log = int(sys.argv[1]), Path(sys.argv[2])
    _Handler.log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _Server(("127.0.0.1", port), _Handler).serve_forever()


if __name__ == "__main__":
    main()
