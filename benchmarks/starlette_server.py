"""What ``/score`` costs in a usual framework: Starlette, on uvicorn as `engine serve` has it, with a no-op of its own.

It parses the body as JSON and writes it as JSON; it knows no schema, and no process of its own runs the script.
"""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def score(request: Request) -> JSONResponse:
    """Answer with what came."""
    return JSONResponse(await request.json())


def main() -> None:
    """Serve until the process is ended; say on which port on standard output."""
    app = Starlette(routes=[Route("/score", score, methods=["POST"])])
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
