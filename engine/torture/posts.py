"""What was posted to the receiver, as it has noted it."""

from __future__ import annotations

import base64
import json
from pathlib import Path


def read_posts(log: Path) -> tuple[list[tuple[str, bytes]], int]:
    """Return the requests that count, by key in order of arrival, and how many came again with another body."""
    bodies: dict[str, bytes] = {}
    n_changed = 0
    noted = log.read_bytes() if log.exists() else b""
    for line in noted[: noted.rfind(b"\n") + 1].splitlines():  # the last one may be under way
        request = json.loads(line)
        body = base64.b64decode(request["body"])
        n_changed += bodies.setdefault(request["key"], body) != body
    return list(bodies.items()), n_changed
