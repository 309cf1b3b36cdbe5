"""Secrets by reference: a descriptor says where one is, and never what it is.

``secret://NAME`` is the file of that name in the folder of secrets, as Docker and Kubernetes put them there;
``env://NAME`` is an environment variable. A word may stand before it, as in ``Bearer secret://NAME``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from engine.errors import ConfigError

_REFERENCE = re.compile(r"(?P<word>\S+ )?(?P<kind>secret|env)://(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)")


def is_reference(text: str) -> bool:
    """Return whether a text says where a secret is."""
    return _REFERENCE.fullmatch(text) is not None


def resolve_secret(text: str, folder: Path) -> str:
    """Return the text with the secret in place of its reference; a text without one as it is.

    Raises
    ------
    ConfigError
        There is no such secret, or no header or address can be made of it.
    """
    reference = _REFERENCE.fullmatch(text)
    if reference is None:
        return text
    find = _from_file if reference["kind"] == "secret" else _from_environment
    value = find(reference["name"], folder)
    if not value or not value.isascii() or not value.isprintable():
        what = f"{reference['kind']}://{reference['name']}"
        raise ConfigError(f"{what} must be one line of printable ASCII, and not empty.")
    return (reference["word"] or "") + value


def _from_file(name: str, folder: Path) -> str:
    try:
        # A file that an editor has written ends with a line's end.
        return (folder / name).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigError(
            f"secret://{name}: {folder / name} cannot be read: {reason}. Put the secret there, or say with"
            " ENGINE_SECRETS in which folder it is."
        ) from exc


def _from_environment(name: str, _: Path) -> str:
    # Which variable it is, only the descriptor says: no setting could be read ahead of it.
    if (value := os.environ.get(name)) is None:
        raise ConfigError(f"env://{name}: the environment variable {name} is not set. Set it where the engine starts.")
    return value
