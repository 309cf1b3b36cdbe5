"""One connection to the server: uvicorn's, except that a score is answered from within its callbacks.

A request through ASGI costs a task, an event, a future, two timers and two writes, as much as everything else that is
done for a score. None of that is needed where the whole request is there and nothing has to be waited for but the
engine, which calls. Whatever is not quite that goes through uvicorn and the application, as all other requests do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from engine.log import get_logger
from engine.server.data import form_score, score_query
from engine.server.front import Front
from engine.server.origin import check_sender
from engine.server.problem import BodyTooLarge, InternalError, is_internal, problem_response

_PATHS = (b"/score", b"/predict")
# Of the headers these are looked at; a request with an Idempotency-Key may have to wait for another one.
_KEY, _HOST, _ORIGIN, _SITE, _ACCEPT = b"idempotency-key", b"host", b"origin", b"sec-fetch-site", b"accept"
_KNOWN = frozenset((_KEY, _HOST, _ORIGIN, _SITE, _ACCEPT))

_log = get_logger(__name__)


class Scores:
    """What all connections share.

    Parameters
    ----------
    front : Front
        The application, which answers everything else.
    """

    def __init__(self, front: Front) -> None:
        self.front, self.service, self.is_local_only = front, front.service, front.is_local_only
        self.max_bytes = front.service.settings.max_record_bytes
        self._headers: list[tuple[bytes, bytes]] = []
        self._joined = b""

    def joined(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return the lines of headers that every response has; the list is another one each second."""
        if headers is not self._headers:
            self._headers, self._joined = headers, _lines(headers)
        return self._joined


class _Signal:
    """What uvicorn sets when something comes on a connection while it is answered: nobody waits for that here."""

    def set(self) -> None:
        """Do nothing."""


class _Exchange:
    """A score under way. To uvicorn, which sees it as the connection's last request, it has these attributes."""

    message_event = _Signal()
    __slots__ = ("accept", "connection", "disconnected", "keep_alive", "output_slot", "response_complete")

    def __init__(self, connection: Connection, accept: bytes | None, *, keep_alive: bool) -> None:
        self.connection, self.accept, self.keep_alive = connection, accept, keep_alive
        self.output_slot = 1
        self.response_complete = self.disconnected = False

    def begin(self, scores: Scores, found: dict[bytes, bytes], query_string: bytes, body: bytes) -> None:
        """Hand the record to the engine; raises what the client is to be told."""
        if scores.is_local_only:
            check_sender(*(_text(found.get(name)) for name in (_HOST, _ORIGIN, _SITE)))
        input_slot, self.output_slot, timeout_s = score_query(query_string)
        if len(body) > scores.max_bytes:
            raise BodyTooLarge(scores.max_bytes)
        scores.service.engine.call(body, self.tell, input_slot, self.output_slot, timeout_s)

    def tell(self, values: list[bytes] | None, error: BaseException | None) -> None:
        """Answer the request."""
        if values is None:
            self.refuse(error)
            return
        try:
            self._answer(values)
        except Exception as exc:  # noqa: BLE001 - one request's failure is told to its client, and the server goes on
            self.refuse(exc)

    def _answer(self, values: list[bytes]) -> None:
        if not values:
            self.connection.answer(self, HTTPStatus.NO_CONTENT, b"engine-records: 0\r\n", b"")
            return
        content, media_type = form_score(self.connection.scores.service, values, self.output_slot, _text(self.accept))
        head = b"engine-records: %d\r\ncontent-length: %d\r\ncontent-type: %b\r\n" % (
            len(values),
            len(content),
            media_type.encode(),
        )
        self.connection.answer(self, HTTPStatus.OK, head, content)

    def refuse(self, exc: BaseException | None) -> None:
        """Answer with a problem."""
        if not isinstance(exc, Exception):
            exc = InternalError()
        if is_internal(exc):
            _log.error("request.failed", method="POST", path="/score", exc_info=exc)
        response = problem_response(exc)
        if response.headers.get("Connection") == "close":
            del response.headers["Connection"]
            self.keep_alive = False
        self.connection.answer(self, response.status_code, _lines(response.raw_headers), bytes(response.body))


class Connection(HttpToolsProtocol):
    """One connection.

    Parameters
    ----------
    scores : Scores
        What all of them share.
    **options
        uvicorn's.
    """

    def __init__(self, scores: Scores, **options: Any) -> None:
        super().__init__(**options)
        self.scores = scores
        self._held: list[bytes] | None = None
        """The body of a request that may be a score to be answered here, while it is read."""
        self._found: dict[bytes, bytes] = {}
        self._query = b""
        self._idle_s: float | None = None
        """Since when nothing is asked."""

    def data_received(self, data: bytes) -> None:
        """Take bytes; what is not whole by their end goes the other way."""
        super().data_received(data)
        if self._held is not None:
            pieces, self._held = self._held, None
            if not self.transport.is_closing():
                super().on_headers_complete()
                for piece in pieces:
                    super().on_body(piece)

    def on_headers_complete(self) -> None:
        """Look whether this is a score."""
        if self._is_score():
            self._held = []
        else:
            super().on_headers_complete()

    def _is_score(self) -> bool:
        path, _, query = self.url.partition(b"?")
        parser, cycle = self.parser, self.cycle
        if (
            path not in _PATHS
            or parser.get_method() != b"POST"
            or (cycle is not None and not cycle.response_complete)
            or self.expect_100_continue
            or self.flow.write_paused
            or parser.get_http_version() != "1.1"
            or parser.should_upgrade()
            or self.scores.front.waits_for
        ):
            return False
        found: dict[bytes, bytes] = {}
        for name, value in self.headers:
            if name in _KNOWN and name not in found:
                found[name] = value
        self._found, self._query = found, query
        return _KEY not in found

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        """Score the record, if that is what was asked for."""
        if self._held is None:
            super().on_message_complete()
            return
        body, self._held = b"".join(self._held), None
        exchange = _Exchange(self, self._found.get(_ACCEPT), keep_alive=self.parser.should_keep_alive())
        self.cycle = cast("Any", exchange)
        try:
            exchange.begin(self.scores, self._found, self._query, body)
        except Exception as exc:  # noqa: BLE001 - told to the client
            exchange.refuse(exc)

    def answer(self, exchange: _Exchange, status: int, head: bytes, content: bytes) -> None:
        """Write a response, unless the client has gone."""
        exchange.response_complete = True
        if self.transport.is_closing():
            return
        shared = self.scores.joined(self.server_state.default_headers)
        closing = b"" if exchange.keep_alive else b"connection: close\r\n"
        self.transport.write(b"".join((STATUS_LINE[status], shared, head, closing, b"\r\n", content)))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Go on with what was asked meanwhile, or wait: for so long that a timer for each request would be a waste."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        self._idle_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait(self.timeout_keep_alive)

    def _wait(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was not used for long enough."""
        self.timeout_keep_alive_task = None
        if self._idle_s is None:
            return  # in use; the next response sees to it
        left_s = self.timeout_keep_alive - (self.loop.time() - self._idle_s)
        if left_s > 0:
            self._wait(left_s)
        elif not self.transport.is_closing():
            self.transport.close()

    def _unset_keepalive_if_required(self) -> None:
        self._idle_s = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self._held = None
        super().connection_lost(exc)


def connections(scores: Scores) -> type[asyncio.Protocol]:
    """Return what makes a connection, for uvicorn's ``http`` option."""
    make: Callable[..., Connection] = partial(Connection, scores)
    return cast("type[asyncio.Protocol]", make)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
