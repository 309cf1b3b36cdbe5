"""The socket that a server listens on."""

from __future__ import annotations

import errno
import ipaddress
import socket

from engine.errors import ConfigError, PolicyViolation
from engine.settings import Settings

# Connections that wait to be accepted: as many as the kernel grants by default (net.core.somaxconn).
_BACKLOG = 4096


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens where the settings say.

    Raises
    ------
    PolicyViolation
        Others than this machine could reach it, and nobody said that they may.
    ConfigError
        The port is taken, or the host is not of this machine.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as exc:
        raise ConfigError(f"Host {host!r} is not known here. Choose one with --host (ENGINE_HOST).") from exc
    if not settings.is_auth_off and not _is_loopback(str(address[0])):
        raise PolicyViolation(
            f"Listening on {host} lets whoever can reach this machine run code on it, and tokens do not exist yet. "
            "Say --no-auth (ENGINE_NO_AUTH=1) to allow it, or leave --host at 127.0.0.1."
        )
    listener = socket.socket(family, kind, protocol)
    try:
        # A port whose last owner has just ended is taken at once, as every server does.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise ConfigError(_sentence(exc, host, port)) from exc
    listener.setblocking(False)
    return listener


def is_local_only(listener: socket.socket) -> bool:
    """Return whether only this machine can reach the socket."""
    return _is_loopback(listener.getsockname()[0])


def url_of(listener: socket.socket) -> str:
    """Return the URL that leads to the socket from this machine."""
    address, port = listener.getsockname()[:2]
    ip = ipaddress.ip_address(address.partition("%")[0])
    host = "127.0.0.1" if ip.is_unspecified else address  # "every address" is none to go to
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _sentence(exc: OSError, host: str, port: int) -> str:
    if exc.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use. Stop what listens there, or choose another with --port (ENGINE_PORT)."
    if exc.errno == errno.EACCES:
        return f"Port {port} of {host} is not for this user. Choose one above 1023 with --port (ENGINE_PORT)."
    if exc.errno == errno.EADDRNOTAVAIL:
        return f"Host {host} is not an address of this machine. Choose one with --host (ENGINE_HOST)."
    return f"The server cannot listen on port {port} of {host}: {exc.strerror}."
