"""From the encoding of a stream to the schema registry that it names."""

from __future__ import annotations

from pathlib import Path

from engine.schema_registry import Access, RegistryConnection, SchemaRegistry
from engine.streams.encoding import RegistryEncoding
from engine.transports.secrets import is_reference, resolve_secret


def open_registry(encoding: RegistryEncoding, secrets: Path) -> SchemaRegistry:
    """Return the registry; nothing is asked yet.

    Parameters
    ----------
    encoding : RegistryEncoding
        The descriptor's.
    secrets : Path
        The folder of secrets; see `engine.settings.Settings`.

    Raises
    ------
    ConfigError
        A secret that the descriptor names is not there, or is no address or user.
    """
    access = Access(
        resolve_secret(encoding.url, secrets),
        encoding.username and resolve_secret(encoding.username, secrets),
        encoding.password and resolve_secret(encoding.password, secrets),
        encoding.timeout_ms / 1000,
        encoding.ca_file,
        encoding.url if is_reference(encoding.url) else "",
    )
    return SchemaRegistry(RegistryConnection(access))


def check_registry(encoding: RegistryEncoding, subject: str | None, secrets: Path) -> str:
    """Ask the registry for a subject, and return what it has as a sentence.

    Raises
    ------
    ConfigError
        A secret is not there.
    RegistryRefused, RegistryUnreachable
        What is wrong.
    """
    registry = open_registry(encoding, secrets)
    try:
        latest = registry.latest(subject or "any")  # that it answers is what counts then
    finally:
        registry.close()
    if subject is None:
        return f"The schema registry at {registry.name} answers."
    number = "no schema yet" if latest is None else f"schema {latest.id}"
    return f"The schema registry at {registry.name} has {number} for subject {subject!r}."
