"""Outputs from an output slot to standard output, acknowledged once they are written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.cli.printing import print_records

if TYPE_CHECKING:
    from engine.client import EngineVerbs

MAX_RECORDS = 1000  # in one answer
# Between two questions to an engine that has nothing to say, when somebody wants more of it.
PAUSE_S = 0.1
# Of one question, when somebody waits for outputs however late they come.
WAIT_S = 1.0
_NO_MORE = ("FINISHED", "ERROR")
BINARY_ENCODINGS = ("avro-binary", "null")


@dataclass
class Collected:
    """What was printed."""

    n_records: int = 0
    is_eof: bool = False


def collect(
    engine: EngineVerbs,
    slot: int,
    *,
    n_records: int | None,
    is_following: bool,
    timeout_s: float | None,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Collected:
    """Print outputs, and acknowledge what was printed, also when interrupted.

    Parameters
    ----------
    engine : EngineVerbs
        Gives them.
    slot : int
        An output slot.
    n_records : int, optional
        Wait for so many, and stop.
    is_following : bool
        Stop only at the end of the stream.
    timeout_s : float, optional
        Wait so long until what was accepted before is scored; None takes what is there.
    pause, clock : callable
        Wait for so many seconds; say what time it is.
    """
    is_binary = any(one["slot"] == slot and one["encoding"] in BINARY_ENCODINGS for one in engine.inspect()["slots"])
    is_patient = is_following or n_records is not None
    give_up_s = clock() + (timeout_s or 0.0)
    is_settled = timeout_s is None
    collected = Collected()
    printed_to: int | None = None
    try:
        while n_records is None or collected.n_records < n_records:
            limit = MAX_RECORDS if n_records is None else min(MAX_RECORDS, n_records - collected.n_records)
            wait_s = None if is_settled else WAIT_S if is_patient else max(0.0, give_up_s - clock())
            outputs = engine.output(slot, after=printed_to, limit=limit, wait_s=wait_s)
            print_records(outputs.values, is_binary=is_binary)
            collected.n_records += len(outputs.values)
            collected.is_eof = outputs.is_eof
            if not is_patient:
                is_settled = is_settled or outputs.is_settled or clock() >= give_up_s
            if outputs.values:
                printed_to = outputs.last_seq
            elif outputs.is_eof or outputs.state in _NO_MORE or (is_settled and not is_patient):
                break
            elif is_patient:
                pause(PAUSE_S)
    finally:
        if printed_to is not None:
            engine.output(slot, after=printed_to, limit=0)
    return collected
