"""Records that were not scored: counted, logged, and kept with what is needed to see why and to try again."""

from __future__ import annotations

import base64
import json
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import EngineError
from engine.log import get_logger
from engine.record import Position
from engine.runtime.info import RejectInfo

log = get_logger(__name__)

N_LATEST = 100
"""Rejects that are shown without opening the file."""

HEAD_CHARS = 200
"""What is shown of a record."""


class RejectLog:
    """Appends to ``rejects.jsonl`` in the state directory: one JSON object a record, its bytes as base64.

    Parameters
    ----------
    folder : Path
        The state directory; made with the first reject, not before.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "rejects.jsonl"
        self.latest: deque[RejectInfo] = deque(maxlen=N_LATEST)
        self.n_rejects = 0

    def add(
        self, slot: int, seq_no: int, position: Position | None, stage: str, value: bytes, error: EngineError
    ) -> None:
        """Keep a record and why it was rejected."""
        self.n_rejects += 1
        reason, traceback = str(error), getattr(error, "traceback", "")
        head = value[:HEAD_CHARS].decode("utf-8", "backslashreplace")
        self.latest.append(RejectInfo(slot, seq_no, stage, reason, head))
        log.warning("record.rejected", slot=slot, seq_no=seq_no, stage=stage, reason=reason.partition("\n")[0])
        entry = {
            "time": datetime.now(UTC).isoformat(),
            "slot": slot,
            "seq_no": seq_no,
            "position": position,
            "stage": stage,
            "error": type(error).__name__,
            "reason": reason,
            "traceback": traceback,
            "value": base64.b64encode(value).decode(),
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as exc:
            log.error("reject.not_kept", path=str(self._path), reason=str(exc), record=entry["value"])
