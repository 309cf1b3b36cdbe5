"""``engine serve``: one engine behind one port, until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
import uvloop

from engine import log
from engine.errors import BrokerUnreachable, EngineError, StreamTimeout
from engine.registry import Library
from engine.runtime import Engine
from engine.runtime.collector import sparing_collector
from engine.runtime.steps import Killer
from engine.server.app import build_app
from engine.server.autostart import Autostart
from engine.server.connection import Scores, connections
from engine.server.listening import is_local_only, listen, url_of
from engine.server.printed import PrintedLog
from engine.server.resumed import begun_sentences, resumed_sentences
from engine.settings import Settings
from engine.state.anew import open_anew
from engine.state.commits import CommitLog
from engine.state.jobs import SERVE, job_folder
from engine.state.sqlite import SqliteStore

# Longer than clients let a connection wait for its next use, so that it is they who close it and no request is lost
# between the two.
_KEEP_ALIVE_S = 75
_LAST_ANSWERS_S = 2.0

_log = log.get_logger(__name__)


def serve(
    settings: Settings, library: Library | None = None, *, is_fresh: bool = False, autostart: Autostart | None = None
) -> None:
    """Run an engine and its server on the calling thread, which must be the main one, until SIGTERM or SIGINT.

    It goes on with what the engine before it committed in the same state directory, before it answers anyone.

    The first signal drains: nothing more is accepted, and what was accepted is finished. A second one does not wait.

    Parameters
    ----------
    settings : Settings
        Where to listen, and every limit.
    library : Library, optional
        What models are loaded from; by default the settings' own.
    is_fresh : bool
        Forget what was committed, all but the rejects.
    autostart : Autostart, optional
        What runs by itself.

    Raises
    ------
    StateError
        It cannot go on with what was committed, or another engine works with it.
    PolicyViolation, ConfigError
        It may not, or cannot, listen where the settings say.
    StreamTimeout
        It was told to stop, and the engine did not end in time.
    """
    log.configure(settings.is_log_json)
    logging.getLogger().setLevel(settings.log_level)
    library = library or Library(settings.library or settings.state_dir / "library")
    folder = job_folder(settings.state_dir, SERVE)
    with (
        listen(settings) as listener,
        contextlib.closing(_open(folder, Killer(settings.kill_at), is_fresh=is_fresh)) as store,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(settings, library, listener, store, autostart))


def _open(folder: Path, on_step: Killer, *, is_fresh: bool) -> CommitLog:
    return open_anew(folder, on_step, _say) if is_fresh else SqliteStore(folder, on_step=on_step)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again once it has stopped."""
        yield


async def _serve(
    settings: Settings, library: Library, listener: socket.socket, store: CommitLog, autostart: Autostart | None
) -> None:
    engine = Engine(settings, store=store, job=SERVE, on_console=PrintedLog())
    app = build_app(engine, library, settings, is_local_only=is_local_only(listener))
    config = uvicorn.Config(
        app,
        http=connections(Scores(app)),
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
    stopping = asyncio.create_task(n_signals.acquire())
    serving: asyncio.Task[None] | None = None
    url = url_of(listener)

    def on_wait(error: BrokerUnreachable) -> None:
        """Say who is waited for, to whoever asks, too."""
        nonlocal serving
        app.waits_for = f"The engine goes on when its Kafka brokers answer. {error}"
        _say(f"{error} The engine waits, and goes on when one answers: {url}/health says when. Stop with Ctrl-C.")
        serving = serving or asyncio.create_task(server.serve(sockets=[listener]))

    try:
        if await _resume(engine, library, stopping, on_wait, autostart):
            app.waits_for = ""
            serving = serving or asyncio.create_task(server.serve(sockets=[listener]))
            _log.info("server.started", url=url)
            _say(f"The engine listens on {url}")
            if autostart is None:
                _say(f"Load a model with: engine model load NAME    API: {url}/docs    Stop with Ctrl-C")
            with sparing_collector():
                await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await _drain(engine, n_signals, settings.drain_timeout_s)
    finally:
        if serving is not None:
            # The engine is closed: what waited for it is answered within this, or never.
            server.should_exit = True
            await asyncio.wait({serving}, timeout=_LAST_ANSWERS_S)
            server.force_exit = True
            await serving
        stopping.cancel()
        _log.info("server.stopped")


async def _resume(
    engine: Engine,
    library: Library,
    stopping: asyncio.Task[bool],
    on_wait: Callable[[BrokerUnreachable], None],
    autostart: Autostart | None,
) -> bool:
    """Go on with what was committed, before anyone is answered; return whether that is done and nobody said stop.

    Brokers that do not answer are waited for; whoever asks for anything meanwhile is told so.

    Raises
    ------
    EngineError
        The engine cannot go on; it is closed, and nothing of what was committed is lost.
    """
    is_anew = engine.store.job is None
    resuming = asyncio.create_task(
        engine.resume(library, on_wait) if autostart is None else autostart.begin(engine, library, on_wait, _say)
    )
    await asyncio.wait({resuming, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not resuming.done():
        resuming.cancel()
        await asyncio.wait({resuming})
        return False
    try:
        resumed = await resuming
    except EngineError as exc:
        stopping.cancel()
        _log.error("server.not_resumed", error=type(exc).__name__, reason=str(exc))
        if isinstance(exc, BrokerUnreachable):
            _say("The engine cannot go on where it was. Start the broker and try again: nothing is lost.")
        elif not is_anew:
            _say("The engine cannot go on where it was. Mend that, or begin anew with: engine serve --fresh")
        await engine.close()
        raise
    if resumed is not None:
        for sentence in resumed_sentences(resumed, engine.inspect()):
            _say(sentence)
    if autostart is not None:
        for sentence in begun_sentences(engine.inspect()):
            _say(sentence)
    return True


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
