"""Bytes to an HTTP address, one request at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from engine.errors import ConfigError, DeliveryFailed, PeerUnavailable

_AGAIN = frozenset({408, 425, 429})  # and every 5xx: what goes by itself; any other status comes again with the request
_HEAD_BYTES = 1 << 10  # of an answer, enough to see what the peer complains of
_SHOWN = 300  # characters of it in a sentence
_LONGEST_RETRY_S = 3600.0  # a peer that names a later time is asked once an hour


class HttpPoster:
    """Sends bodies to one address. Used by one thread.

    Parameters
    ----------
    url : str
        The address.
    headers : mapping of str to str
        Sent with every request.
    timeout_s : float
        How long the peer may take to connect, to take the request and to answer.
    method : str
        ``POST`` or ``PUT``.
    name : str, optional
        What the address is called where it is itself a secret.

    Raises
    ------
    ConfigError
        The address or a header is none.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], timeout_s: float, method: str = "POST", name: str | None = None
    ) -> None:
        self.name = name or url
        self._method, self._url, self._timeout_s = method, url, timeout_s
        try:
            # An answer that is packed could not be shown.
            self._client = httpx.Client(headers={"Accept-Encoding": "identity", **headers}, timeout=timeout_s)
            address = self._client.build_request(method, url).url
        except (httpx.InvalidURL, ValueError, TypeError):
            # Without what caused it: its words may hold the secret.
            raise ConfigError(f"{self.name}: the address or a header of it cannot be sent.") from None
        if address.scheme not in ("http", "https") or not address.host:
            raise ConfigError(f"{self.name} is no address such as https://HOST/PATH.")

    def post(self, body: bytes, key: str) -> None:
        """Send one body; returns when the peer has taken it.

        Parameters
        ----------
        body : bytes
            Sent again, it has the same `key`.
        key : str
            The request's ``Idempotency-Key``.

        Raises
        ------
        PeerUnavailable
            It may be sent again.
        DeliveryFailed
            It would be refused again.
        """
        headers = {"Idempotency-Key": key}
        try:
            with self._client.stream(self._method, self._url, content=body, headers=headers) as response:
                head = self._read_head(response)
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as exc:
            raise DeliveryFailed(self.name, "no request can be made for it") from exc
        except httpx.TimeoutException as exc:
            raise PeerUnavailable(self.name, f"it took longer than {self._timeout_s:g} s") from exc
        except httpx.TransportError as exc:
            raise PeerUnavailable(self.name, str(exc) or type(exc).__name__) from exc
        if response.is_success:
            return
        said = _describe(response, head)
        if response.status_code in _AGAIN or response.is_server_error:
            raise PeerUnavailable(self.name, said, _retry_s(response.headers.get("retry-after", "")))
        raise DeliveryFailed(self.name, said)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _read_head(self, response: httpx.Response) -> bytes:
        """Return the beginning of the answer's body. The status is what counts: a body that breaks off is none."""
        head = b""
        deadline = time.monotonic() + self._timeout_s
        try:
            for piece in response.iter_raw():
                head += piece
                if len(head) >= _HEAD_BYTES or time.monotonic() > deadline:
                    break
        except httpx.TransportError:
            pass
        return head[:_HEAD_BYTES]


def _describe(response: httpx.Response, head: bytes) -> str:
    status = response.status_code
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    place = f" ({place})" if response.is_redirect and (place := response.headers.get("location", "")) else ""
    text = " ".join(head.decode("utf-8", "replace").split())
    return f"it answered {status} {phrase}".rstrip() + place + (f": {text[:_SHOWN]}" if text else "")


def _retry_s(text: str) -> float | None:
    """Return the seconds of a ``Retry-After``, which may be a date; None where it says nothing."""
    try:
        seconds = float(text) if text.strip().isdecimal() else _seconds_until(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_S)


def _seconds_until(moment: datetime) -> float:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - datetime.now(UTC)).total_seconds()
