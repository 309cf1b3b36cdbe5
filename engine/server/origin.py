"""Who may talk to a server that listens to this machine alone.

A web page from anywhere can make the browser on this machine send requests here: under a host name of its own that
leads to 127.0.0.1 (DNS rebinding), or across origins. Both show in the request's headers. A plain GET, such as that of
an image, carries no ``Origin``, but browsers say in ``Sec-Fetch-Site`` where it comes from (W3C, Fetch Metadata).
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from engine.errors import PolicyViolation
from engine.server.header import find_header

# Every request asks, and nearly all of them for the same host; bounded, since it is clients who choose.
_N_HOSTS = 64
_OWN_SITES = (None, "same-origin", "none")  # not a browser; a page of this server; an address that somebody typed


@lru_cache(_N_HOSTS)
def is_this_machine(host: str) -> bool:
    """Return whether a host, without a port, can only be this machine.

    >>> [is_this_machine(host) for host in ("localhost", "127.0.0.1", "::1", "127.0.0.1.example.org", "0.0.0.0")]
    [True, True, True, False, False]
    """
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761: these never leave the machine
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_origin(scope: Scope) -> None:
    """Raise `PolicyViolation` unless the request was meant for this machine, and comes from no page of another site."""
    check_sender(*(find_header(scope, name) for name in (b"host", b"origin", b"sec-fetch-site")))


def check_sender(host: str | None, origin: str | None, site: str | None) -> None:
    """Do the same by the values of ``Host``, ``Origin`` and ``Sec-Fetch-Site``."""
    name = _host_of(f"//{host or ''}")
    if not is_this_machine(name):
        raise PolicyViolation(
            f"Requests for the host {name!r} are not answered: this server is for its own machine. "
            "Ask for 127.0.0.1 or localhost."
        )
    if origin is not None and not is_this_machine(_host_of(origin)):
        raise PolicyViolation(f"A page of {origin!r} may not talk to this server: it is for its own machine.")
    if site not in _OWN_SITES:
        raise PolicyViolation("A page of another site may not talk to this server: it is for its own machine.")


@lru_cache(_N_HOSTS)
def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # a broken IPv6 address
        return ""
