"""Where in its topic a record is, and how to get past it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from engine.errors import EngineError, restore
from engine.runtime.topics import default_group
from engine.state.commits import RecordPlace

if TYPE_CHECKING:
    from engine.runtime.work import Work


def place_of(work: Work, index: int) -> RecordPlace | None:
    """Return where one of the records of a work is; None for one of no topic."""
    transport = work.intake.stream.kafka
    if transport is None or not work.positions:
        return None
    return RecordPlace(transport.topic, work.task, work.positions[index] - 1)  # a position is behind its record


def stopped_at(error: EngineError, work: Work, index: int, model: str) -> EngineError:
    """Return the error of a record for which the engine stops, with its place in its topic and the ways past it.

    Parameters
    ----------
    error : EngineError
        What the script, or its process, came to.
    work : Work
        Of one of its records.
    index : int
        The record.
    model : str
        The script's name.
    """
    place, transport = place_of(work, index), work.intake.stream.kafka
    if place is None or transport is None:
        return error
    group = transport.group or default_group(model, transport.partition)
    words = ["engine", "stream", "seek", work.intake.stream.name, "--group", group, "--model", model]
    words += ["--slot", str(work.slot)] if work.slot else []
    words += ["--partition", str(place.partition), "--to", str(place.offset + 1), "--keep-state"]
    sentence = (
        f"At {place}: {str(error).rstrip()}\nThe next start meets the record again. Mend the script; or let it put such"
        " records aside (# engine.on_error: reject), or pass over them (skip); or go on behind this one:\n"
        f"{shlex.join(words)}"
    )
    found = restore(type(error).__name__, sentence, vars(error))
    found.__cause__ = error
    return found
