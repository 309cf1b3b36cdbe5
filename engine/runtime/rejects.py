"""Records that were not scored: counted, logged once they are kept, and shown."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from engine.errors import StreamError
from engine.log import get_logger
from engine.runtime.info import RejectInfo
from engine.state.commits import Reject
from engine.state.json_rejects import reject_fields

log = get_logger(__name__)

N_LATEST = 100
"""Rejects that are shown without opening the store."""

HEAD_CHARS = 200
"""What is shown of a record."""


class LatestRejects:
    """The last rejects that were kept, in the store or on a stream of their own."""

    def __init__(self) -> None:
        self.latest: deque[RejectInfo] = deque(maxlen=N_LATEST)
        self.n_rejects = 0

    def note(self, reject: Reject) -> None:
        """Take one that is kept, and log it."""
        self.n_rejects += 1
        head = reject.value[:HEAD_CHARS].decode("utf-8", "backslashreplace")
        place = str(reject.place or "")
        self.latest.append(RejectInfo(reject.slot, reject.seq_no, reject.stage, reject.reason, head, place))
        found: dict[str, Any] = {"slot": reject.slot, "seq_no": reject.seq_no, "stage": reject.stage}
        if reject.place is not None:
            found |= {"topic": reject.topic, "partition": reject.partition, "offset": reject.offset}
        log.warning("record.rejected", **found, reason=reject.reason.partition("\n")[0])


def pack_reject(reject: Reject) -> bytes:
    """Return a reject as it is written to a stream: a JSON object, with the record's bytes as base64."""
    entry = reject_fields(reject)
    del entry["number"]  # it is none of the reject log's
    return json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace")


def choose_rejects(rejects: Iterable[Reject], numbers: Sequence[int] | None) -> dict[int, list[Reject]]:
    """Return the rejects to score once more, by input slot.

    Parameters
    ----------
    rejects : iterable of Reject
        The reject log.
    numbers : sequence of int, optional
        Which. By default all but those of which only an output was rejected: their other outputs were written.

    Raises
    ------
    StreamError
        A number is not in the log.
    """
    known = {reject.number: reject for reject in rejects}
    if numbers is None:
        numbers = [number for number, reject in known.items() if reject.stage != "output"]
    chosen: dict[int, list[Reject]] = {}
    for number in dict.fromkeys(numbers):
        if number not in known:
            raise StreamError(f"The reject log has no record {number}.")
        chosen.setdefault(known[number].slot, []).append(known[number])
    return chosen
