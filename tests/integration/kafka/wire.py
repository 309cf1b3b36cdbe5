"""A wire between clients and a broker that can be cut in one direction."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Wire:
    """Passes bytes on to a port, and back, until it is told to swallow some."""

    def __init__(self) -> None:
        self.to_port = 0
        """Of the broker."""
        self._is_cut = {"there": False, "back": False}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._listener.getsockname()[1])

    def cut(self, direction: str) -> None:
        """Swallow what goes there, or what comes back."""
        self._is_cut[direction] = True

    def mend(self) -> None:
        """Pass on again; connections of which something was swallowed are at their end."""
        self._is_cut = {"there": False, "back": False}
        self._hang_up()

    def _hang_up(self) -> None:
        for end in list(self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.to_port))
                except OSError:
                    near.close()
                    continue
                self._ends |= {near, far}
                for source, target, direction in ((near, far, "there"), (far, near, "back")):
                    threading.Thread(target=self._pass, args=(source, target, direction), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if not self._is_cut[direction]:
                    target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()
        self._hang_up()
