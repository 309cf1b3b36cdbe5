"""What an asset may be called."""

from __future__ import annotations

import re

from engine.errors import AssetInvalid

# A file name on Linux holds 255 bytes; the rest is for suffixes such as ".avsc".
MAX_NAME_BYTES = 200

_LEGAL = re.compile(r"[\w-][\w.-]*")


def check_name(kind: str, name: str) -> None:
    """Raise `AssetInvalid` unless `name` is made of word characters of any script, ``.`` and ``-``."""
    if not _LEGAL.fullmatch(name):
        rule = "is not a legal name: use letters, digits, '_', '-' and '.', and do not begin with '.'"
        raise AssetInvalid(kind, name, rule)
    if len(name.encode()) > MAX_NAME_BYTES:
        raise AssetInvalid(kind, name, f"is too long a name: {MAX_NAME_BYTES} bytes of UTF-8 is the most")


def is_legal(name: str) -> bool:
    """Tell whether an asset may have this name."""
    try:
        check_name("", name)
    except AssetInvalid:
        return False
    return True
