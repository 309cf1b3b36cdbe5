"""What of our environment variables the building of a model's environment sees: it runs code of strangers."""

from __future__ import annotations

import os
import re

# What finds programs, folders and the network, and the configuration of uv, whose tokens for publishing are no part of
# it. An allow-list, since no list could name every secret that a service is started with.
_KEPT = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|XDG_\w+|SSL_\w+|\w+_(PROXY|proxy)|PIP_\w+|UV_(?!PUBLISH_)\w+", flags=re.ASCII
)


def build_variables() -> dict[str, str]:
    """Return the environment variables of uv and of what it starts."""
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    return {**kept, "NO_COLOR": "1", "UV_NO_PROGRESS": "1"}
