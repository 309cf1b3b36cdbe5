"""Ports that are free, and stay so while a server is down."""

from __future__ import annotations

import random
import socket

# Below the ports that Linux gives to outgoing connections (from 32768 on): one of those may take the port of a server
# that is down for a moment.
_LOWEST, _HIGHEST = 20_000, 32_000


def free_ports(n: int) -> list[int]:
    """Return so many ports of 127.0.0.1 on which nobody listens.

    They are drawn by chance, so that test runs beside each other get different ones.
    """
    found: set[int] = set()
    while len(found) < n:
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311 - chance against collisions, not against attackers
        if port not in found and _is_free(port):
            found.add(port)
    return list(found)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed server's last connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
