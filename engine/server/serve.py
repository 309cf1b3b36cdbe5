"""``engine serve``: one engine behind one port, until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn
import uvloop

from engine import log
from engine.errors import StreamTimeout
from engine.registry import Library
from engine.runtime import Engine
from engine.server.app import build_app
from engine.server.listening import is_local_only, listen, url_of
from engine.server.printed import PrintedLog
from engine.settings import Settings

# Longer than clients let a connection wait for its next use, so that it is they who close it and no request is lost
# between the two.
_KEEP_ALIVE_S = 75
_LAST_ANSWERS_S = 2.0

_log = log.get_logger(__name__)


def serve(settings: Settings, library: Library | None = None) -> None:
    """Run an engine and its server on the calling thread, which must be the main one, until SIGTERM or SIGINT.

    The first signal drains: nothing more is accepted, and what was accepted is finished. A second one does not wait.

    Parameters
    ----------
    settings : Settings
        Where to listen, and every limit.
    library : Library, optional
        What models are loaded from; by default the settings' own.

    Raises
    ------
    PolicyViolation, ConfigError
        It may not, or cannot, listen where the settings say.
    StreamTimeout
        It was told to stop, and the engine did not end in time.
    """
    log.configure(settings.is_log_json)
    library = library or Library(settings.library or settings.state_dir / "library")
    with listen(settings) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, library, listener))


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again once it has stopped."""
        yield


async def _serve(settings: Settings, library: Library, listener: socket.socket) -> None:
    engine = Engine(settings, on_console=PrintedLog())
    app = build_app(engine, library, settings, is_local_only=is_local_only(listener))
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    server = _Server(config)
    n_signals = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, n_signals.release)
    url = url_of(listener)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    _log.info("server.started", url=url)
    _say(f"The engine listens on {url}")
    _say(f"Load a model with: engine model load NAME    API: {url}/docs    Stop with Ctrl-C")
    stopping = asyncio.create_task(n_signals.acquire())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    try:
        await _drain(engine, n_signals, settings.drain_timeout_s)
    finally:
        # The engine is closed: what waited for it is answered within this, or never.
        await asyncio.wait({serving}, timeout=_LAST_ANSWERS_S)
        server.force_exit = True
        await serving
        stopping.cancel()
        _log.info("server.stopped")


async def _drain(engine: Engine, n_signals: asyncio.Semaphore, timeout_s: float) -> None:
    """Close the engine. It keeps the time-out itself, for what was accepted and for ``end()``; ours is a backstop."""
    _log.info("server.draining", timeout_s=timeout_s)
    started_s = asyncio.get_running_loop().time()
    closing = asyncio.create_task(engine.close())
    impatient = asyncio.create_task(n_signals.acquire())
    await asyncio.wait(
        {closing, impatient}, timeout=2 * timeout_s + _LAST_ANSWERS_S, return_when=asyncio.FIRST_COMPLETED
    )
    impatient.cancel()
    if closing.done():
        await closing
        return
    closing.cancel()
    await asyncio.wait({closing})
    raise StreamTimeout("The engine was told to stop and did not end", asyncio.get_running_loop().time() - started_s)


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
