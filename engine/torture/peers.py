"""The clients of an engine that is killed: one that sends, one that reads. Neither loses anything of its own."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgpack

RECORDS_TYPE = "application/vnd.engine.records+msgpack"
TIMEOUT_S = 90.0  # an engine that answers nothing for so long is stuck
RETRY_S = 0.02  # how often a dead engine is tried again
SEND_SIZES = (1, 7, 40, 3, 100)  # records in a request, in turn


class Line:
    """A connection that is opened again whenever it breaks.

    Parameters
    ----------
    port : int
        Of the engine, on this machine.
    stop : threading.Event
        Set when there is no more reason to try.
    """

    def __init__(self, port: int, stop: threading.Event) -> None:
        self._port, self._stop = port, stop
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes] | None:
        """Send one request and return status, headers and body; None when nobody answered."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            self._connection.request(method, path, body, headers or {})
            response = self._connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            self._stop.wait(RETRY_S)
            return None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Peer(threading.Thread):
    """A client with a thread of its own; `error` says what it could not go on with."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.error = ""
        self.refusals: list[str] = []
        """The last answers that were neither yes nor no."""
        self._over = threading.Event()
        self._line = Line(port, self._over)

    def close(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()
        self._line.close()

    def _refused(self, status: int, body: bytes) -> None:
        self.refusals = [*self.refusals[-4:], f"{status} {body[:300].decode(errors='replace')}"]
        self._over.wait(RETRY_S)


class Feeder(Peer):
    """Sends records with an ``Idempotency-Key`` for each request, and repeats what was not answered.

    Parameters
    ----------
    port : int
        Of the engine.
    records : sequence of bytes
        What to send, to slot 0.
    pause_s : float
        For each record. Without any, all of them are in the journal before the first engines are dead.
    """

    def __init__(self, port: int, records: Sequence[bytes], pause_s: float) -> None:
        super().__init__(port)
        self._records, self._pause_s = records, pause_s
        self.n_accepted = 0
        """How many records the engine has said it keeps."""

    @property
    def is_through(self) -> bool:
        """Whether all were accepted."""
        return self.n_accepted == len(self._records)

    def run(self) -> None:
        """Send everything."""
        for key, size in enumerate(itertools.cycle(SEND_SIZES)):
            if self.is_through:
                return
            values = self._records[self.n_accepted : self.n_accepted + size]
            if not self._send(f"feed-{key}", values):
                return
            self.n_accepted += len(values)
            self._over.wait(len(values) * self._pause_s)

    def _send(self, key: str, values: Sequence[bytes]) -> bool:
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        while not self._over.is_set():
            answer = self._line.ask("POST", "/input/0", b"\n".join(values), headers)
            if answer is None:
                continue
            status, _, body = answer
            if status == http.client.ACCEPTED:
                return True
            if status in (http.client.BAD_REQUEST, http.client.UNPROCESSABLE_ENTITY):
                self.error = f"Records were refused: {status} {body.decode(errors='replace')}"
                return False
            self._refused(status, body)
        return False


class Reader(Peer):
    """Reads slot 1 and acknowledges what it has with its next question.

    Parameters
    ----------
    port : int
        Of the engine.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.outputs: list[bytes] = []
        self.n_settled = 0
        """How often the engine said that everything accepted before is scored, and had nothing more to give."""

    def run(self) -> None:
        """Read until closed."""
        while not self._over.is_set() and not self.error:
            after = len(self.outputs)
            answer = self._line.ask("GET", f"/output/1?after={after}&wait=100ms", None, {"Accept": RECORDS_TYPE})
            if answer is None:
                continue
            status, headers, body = answer
            if status not in (http.client.OK, http.client.NO_CONTENT):
                self._refused(status, body)
                continue
            self._take(after, headers, msgpack.unpackb(body) if body else [])

    def _take(self, after: int, headers: Any, values: list[bytes]) -> None:
        if values and (last := int(headers["Engine-Sequence"])) != after + len(values):
            self.error = f"Asked for what follows output {after}, {len(values)} outputs up to number {last} came."
        self.outputs += values
        if not values:
            self.n_settled += headers.get("Engine-Settled") == "true"
            self._over.wait(RETRY_S)


def put(port: int, path: str, body: bytes, content_type: str = "application/json") -> None:
    """Tell an engine something that it must take.

    Raises
    ------
    OSError
        It did not; the message is its own.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("PUT", path, body, {"Content-Type": content_type})
        response = connection.getresponse()
        said = response.read()
        if response.status >= http.client.BAD_REQUEST:
            raise OSError(f"PUT {path}: {response.status} {said.decode(errors='replace')}")
    finally:
        connection.close()


def is_healthy(port: int) -> bool:
    """Return whether an engine answers."""
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()
    return False
