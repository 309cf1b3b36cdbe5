"""A reject as JSON."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from engine.state.commits import Reject


def reject_fields(reject: Reject) -> dict[str, Any]:
    """Return what there is to say of a reject; its record is in base64."""
    return {
        "number": reject.number,
        "time": datetime.fromtimestamp(reject.time_s, UTC).isoformat(),
        "slot": reject.slot,
        "seq_no": reject.seq_no,
        "position": reject.position,
        "topic": reject.topic or None,
        "partition": reject.partition,
        "offset": reject.offset,
        "stage": reject.stage,
        "error": reject.error,
        "reason": reject.reason,
        "traceback": reject.traceback,
        "value": base64.b64encode(reject.value).decode(),
    }
