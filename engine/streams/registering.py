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
