"""One HTTP connection to a server, with the server's errors turned into ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx

from engine.client.problem import error_from
from engine.errors import ConfigError, ServerUnreachable, StreamTimeout

CONNECT_TIMEOUT_S = 5.0  # a server on this machine or this network answers in milliseconds
READ_TIMEOUT_S = 60.0  # the longest that an ordinary verb takes: the check of a library on a slow disk
CHUNK_BYTES = 1024 * 1024


def path_of(*parts: str | int) -> str:
    """Return a URL path with each part quoted, so that names may hold anything."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


class Connection:
    """Sends requests to one server.

    Parameters
    ----------
    url : str
        Such as ``http://127.0.0.1:8000``.
    transport : httpx.BaseTransport, optional
        For tests.
    """

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            self._http = httpx.Client(base_url=url, timeout=timeout, transport=transport)
        except httpx.InvalidURL as exc:
            raise ConfigError(f"{url!r} is not a URL: {exc}.") from exc

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | BinaryIO | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = READ_TIMEOUT_S,
    ) -> httpx.Response:
        """Send one request and return the whole response; None as `timeout_s` waits as long as it takes.

        Raises
        ------
        ServerUnreachable
            Nobody answers at that address.
        StreamTimeout
            The server took the request and did not answer in time.
        EngineError
            What the server raised.
        RetryAfter
            The server has no room now.
        """
        with _mapped_errors(self.url, timeout_s):
            response = self._http.request(
                method,
                path,
                json=json,
                content=content,
                params={name: value for name, value in (params or {}).items() if value is not None},
                headers=dict(headers or {}),
                timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            )
        return _checked(response)

    def download(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        """Return the body of a GET, in pieces as they come."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        with _mapped_errors(self.url, READ_TIMEOUT_S), self._http.stream("GET", path, params=given) as response:
            if response.is_error:
                response.read()
            yield from _checked(response).iter_bytes(CHUNK_BYTES)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise error_from(response.status_code, response.headers, response.content)
    return response


@contextmanager
def _mapped_errors(url: str, timeout_s: float | None) -> Iterator[None]:
    try:
        yield
    except httpx.UnsupportedProtocol as exc:
        raise ConfigError(f"{url!r} is not the address of a server. Write it as http://HOST:PORT.") from exc
    except httpx.ReadTimeout as exc:
        raise StreamTimeout(f"The server at {url} did not answer", timeout_s or 0.0) from exc
    except httpx.HTTPError as exc:
        raise ServerUnreachable(url, str(exc) or type(exc).__name__) from exc
