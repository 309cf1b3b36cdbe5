"""One HTTP connection to a schema registry, with what goes wrong turned into our errors."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from engine.errors import ConfigError, RegistryRefused, RegistryUnreachable

_AGAIN = frozenset({408, 425, 429})  # and every 5xx: what goes by itself
_ANSWERS = frozenset({404, 409, 422})  # with a code of the registry's: there is none, it does not fit, it is none
_SHOWN = 300  # characters of what it says, in a sentence
_TYPE = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True, slots=True)
class Access:
    """Where a registry is, and how it is got at.

    Parameters
    ----------
    url : str
        In front of ``/subjects`` and ``/schemas``.
    username, password : str, optional
        For HTTP's basic authentication; both or none.
    timeout_s : float
        How long it may take to connect, and to answer.
    ca_file : str, optional
        The certificates to trust, in place of the system's.
    name : str
        What the address is called where it is itself a secret.
    """

    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0
    ca_file: str | None = None
    name: str = ""


class RegistryAnswer(NamedTuple):
    """What the registry said: its JSON value, or its own code for why there is none."""

    value: Any
    error_code: int = 0
    message: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it did what it was asked for."""
        return not self.error_code


class RegistryConnection:
    """Asks one registry. Used by one thread at a time.

    Parameters
    ----------
    access : Access
        Where it is.

    Raises
    ------
    ConfigError
        The address, the user or the certificates are none.
    """

    def __init__(self, access: Access) -> None:
        self.name = access.name or access.url
        self._timeout_s = access.timeout_s
        auth = None if access.username is None else (access.username, access.password or "")
        try:
            trusted = ssl.create_default_context(cafile=access.ca_file) if access.ca_file else True
        except OSError as exc:
            raise ConfigError(f"{access.ca_file}: no certificates can be read from it: {exc}.") from exc
        try:
            self._http = httpx.Client(base_url=access.url, auth=auth, timeout=access.timeout_s, verify=trusted)
            is_address = self._http.base_url.scheme in ("http", "https") and bool(self._http.base_url.host)
        except (httpx.InvalidURL, ValueError, TypeError):
            # Without what caused it: its words may hold a secret.
            raise ConfigError(f"{self.name}: the address or the user of the schema registry cannot be sent.") from None
        if not is_address:
            raise ConfigError(f"{self.name} is no address such as https://HOST:PORT.")

    def get(self, *path: str | int, **params: str) -> RegistryAnswer:
        """Return what is there; raises as `post`."""
        return self._ask("GET", path, None, params)

    def post(self, *path: str | int, body: Any, **params: str) -> RegistryAnswer:
        """Send a JSON value and return the answer.

        Raises
        ------
        RegistryUnreachable
            It may be asked again.
        RegistryRefused
            It would say the same again: a wrong password, an address that is no registry's.
        """
        return self._ask("POST", path, json.dumps(body).encode(), params)

    def _ask(self, method: str, path: tuple[str | int, ...], body: bytes | None, params: Any) -> RegistryAnswer:
        place = "/".join(quote(str(step), safe="") for step in path)
        headers = {"Accept": f"{_TYPE}, application/json", **({"Content-Type": _TYPE} if body is not None else {})}
        try:
            response = self._http.request(method, place, content=body, headers=headers, params=params)
        except httpx.TimeoutException as exc:
            raise RegistryUnreachable(self.name, f"it took longer than {self._timeout_s:g} s") from exc
        except httpx.HTTPError as exc:
            raise RegistryUnreachable(self.name, str(exc) or type(exc).__name__) from exc
        return self._judge(response)

    def _judge(self, response: httpx.Response) -> RegistryAnswer:
        value = _value_of(response)
        if response.is_success:
            if value is None:
                raise RegistryRefused(self.name, "it answered with no JSON, so that it is no schema registry")
            return RegistryAnswer(value)
        said = value if isinstance(value, dict) else {}
        message, code = str(said.get("message", "")) or response.text, said.get("error_code")
        text = " ".join(message.split())[:_SHOWN]
        if response.status_code in _ANSWERS and isinstance(code, int):
            return RegistryAnswer(None, code, text)
        what = f"it answered {response.status_code}{f': {text}' if text else ''}".rstrip(".")
        if response.status_code in _AGAIN or response.is_server_error:
            raise RegistryUnreachable(self.name, what)
        raise RegistryRefused(self.name, f"{what}{_fix(response.status_code)}")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def _fix(status: int) -> str:
    if status in (401, 403):
        return ". Look at Username and Password of the Encoding, and at what they are allowed to do"
    if status == 404:  # with no code of the registry's: something else answers, or an older registry
        return ". What was asked for is nothing that it serves: look at the path of the Encoding's Url"
    return ""


def _value_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
