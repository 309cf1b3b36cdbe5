"""The baseline of ``/score``: an HTTP server of one asyncio protocol, with the script in the same process.

It parses no more than its client sends: a request line, a ``Content-Length``, a JSON value. It runs on uvloop, as the
engine's server does, so that what the two differ by is not the event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

_LENGTH = b"content-length:"


class Scorer(asyncio.Protocol):
    """One connection."""

    def __init__(self, action: Callable[[Any], Any]) -> None:
        self._action, self._buffer = action, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (head_end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:head_end].lower()
            at = head.index(_LENGTH) + len(_LENGTH)
            line_end = head.find(b"\r\n", at)
            length = int(head[at : line_end if line_end >= 0 else None])
            body_end = head_end + 4 + length
            if len(self._buffer) < body_end:
                return
            body, self._buffer = self._buffer[head_end + 4 : body_end], self._buffer[body_end:]
            self._transport.write(self._answer(body))

    def _answer(self, body: bytes) -> bytes:
        outputs = [json.dumps(value).encode() for value in self._action(json.loads(body))]
        if not outputs:
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        content = outputs[0]
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
            len(content),
            content,
        )


async def serve(script: Path) -> None:
    """Serve a script until the process is ended; say on which port on standard output."""
    module = runpy.run_path(str(script))
    if "begin" in module:
        module["begin"]()
    server = await asyncio.get_running_loop().create_server(lambda: Scorer(module["action"]), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    # SCRIPT FOLDER: the folder holds what the script expects to find beside itself.
    os.chdir(sys.argv[2])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
