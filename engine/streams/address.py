"""Addresses in a descriptor: http or https, and nothing in them that must stay secret."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from engine.errors import DescriptorError
from engine.streams.words import expected
from engine.transports.secrets import is_reference


def check_url(value: Any, field: str, fix: str) -> Any:
    """Return an address as it is.

    Parameters
    ----------
    value : Any
        What the descriptor has; the whole of it may be a reference to a secret.
    field : str
        Where, for the error.
    fix : str
        Where a user and a password belong.

    Raises
    ------
    DescriptorError
        It is no address, or holds a user or a password.
    """
    if not isinstance(value, str) or is_reference(value):
        return value
    try:
        url = urlsplit(value)
        is_address = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError as exc:
        raise DescriptorError(field, str(exc)) from exc
    if not is_address or not value.isascii() or not value.isprintable() or " " in value:
        raise expected(field, "http://HOST/PATH or https://HOST/PATH", value)
    if url.username is not None or url.password is not None:
        raise DescriptorError(field, f"a descriptor holds no secrets such as its user and password; {fix}")
    return value
