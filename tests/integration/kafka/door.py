"""A door in front of a broker: shut, nobody gets through, and the broker notices nothing."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from typing import Self

CHUNK_BYTES = 1 << 16


class Door:
    """Passes connections on to a server while it is open. Its address stays the same; it begins shut.

    Parameters
    ----------
    server : str
        Where to, ``HOST:PORT``.
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._target = host, int(port)
        self._listener: socket.socket | None = None
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port: int = found.getsockname()[1]

    @property
    def address(self) -> str:
        """Where to knock."""
        return f"127.0.0.1:{self._port}"

    def open(self) -> None:
        """Let whoever comes through."""
        self._listener = socket.create_server(("127.0.0.1", self._port), reuse_port=False)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def shut(self) -> None:
        """Let nobody through any more; who is inside stays there."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it is shut
            while True:
                came, _ = listener.accept()
                threading.Thread(target=self._pass, args=[came], daemon=True).start()

    def _pass(self, came: socket.socket) -> None:
        with came, socket.create_connection(self._target) as there, selectors.DefaultSelector() as selector:
            selector.register(came, selectors.EVENT_READ, there)
            selector.register(there, selectors.EVENT_READ, came)
            with contextlib.suppress(OSError):
                while True:
                    for key, _ in selector.select():
                        assert isinstance(key.fileobj, socket.socket)
                        if not (chunk := key.fileobj.recv(CHUNK_BYTES)):
                            return
                        key.data.sendall(chunk)
