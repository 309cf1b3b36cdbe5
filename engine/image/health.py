"""``python -m engine.image.health``: exit code 0 when the engine in this container does its work.

The standard library alone: an image runs this every few seconds.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

_PORT = 8000
_ANSWER_S = 4.0  # an image gives a check 5 seconds
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - no address to connect to
_AT_WORK = ("RUNNING", "PAUSED", "FINISHING", "FINISHED")


def problem(environ: Mapping[str, str]) -> str | None:
    """Return what keeps the engine of this machine from its work; None where nothing does.

    It is well when it answers, is not in ERROR and, where a model is to run, has begun with it and has a jet that is
    ready.
    """
    host, port = environ.get("ENGINE_HOST", ""), environ.get("ENGINE_PORT", "")
    connection = http.client.HTTPConnection(
        "127.0.0.1" if host in _EVERYWHERE else host, int(port) if port.isdecimal() else _PORT, timeout=_ANSWER_S
    )
    try:
        health, engine = _get(connection, "/health"), _get(connection, "/engine")
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return f"The engine does not answer: {exc}."
    finally:
        connection.close()
    if health.get("status") != "ok":
        # One that waits for its brokers answers a problem, whose detail says so.
        return str(health.get("detail") or f"The engine is in {health.get('state')}: {health.get('error')}")
    state = engine.get("state")
    if state not in _AT_WORK and (environ.get("ENGINE_MODEL") or environ.get("MODEL")):
        return f"The engine is in {state}; it waits for {', '.join(engine.get('waits_for', ())) or 'its model'}."
    if state == "RUNNING" and not any(jet.get("status") == "ready" for jet in engine.get("jets", ())):
        return "No jet is ready."
    return None


def _get(connection: http.client.HTTPConnection, path: str) -> dict[str, Any]:
    connection.request("GET", path)
    value = json.loads(connection.getresponse().read())
    return value if isinstance(value, dict) else {}


def main() -> int:
    """Say what is wrong, if anything is; return the exit code."""
    wrong = problem(os.environ)
    sys.stdout.write(f"{wrong or 'ok'}\n")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
