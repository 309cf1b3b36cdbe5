"""What was lost and what came twice: the outputs beside those that there should be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN_BYTES = 120


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with some outputs.

    A wrong output counts twice: the right one is lost, and another is there that should not be.

    Parameters
    ----------
    n_lost, n_repeated : int
        Outputs that are missing, and outputs that are too many.
    reason : str
        The first of them, as a sentence; empty when nothing is wrong.
    """

    n_lost: int = 0
    n_repeated: int = 0
    reason: str = ""


def compare(expected: Sequence[bytes], got: Sequence[bytes]) -> Verdict:
    """Return how outputs differ from those of a run that nobody killed."""
    if list(expected) == list(got):
        return Verdict()
    wanted, found = Counter(expected), Counter(got)
    n_lost, n_repeated = (wanted - found).total(), (found - wanted).total()
    if not n_lost and not n_repeated:
        n_repeated = sum(a != b for a, b in zip(expected, got, strict=True))  # in another order
    return Verdict(n_lost, n_repeated, _first_difference(expected, got))


def _first_difference(expected: Sequence[bytes], got: Sequence[bytes]) -> str:
    at = next((nth for nth, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), None)
    if at is None:
        return f"{len(got)} outputs came, and {len(expected)} were expected."
    return f"Output {at + 1} is {_shown(got[at])}, and {_shown(expected[at])} was expected."


def count(n_expected: int, got: Sequence[bytes]) -> Verdict:
    """Return how the number of outputs differs: all that can be said when no two runs give the same."""
    difference = n_expected - len(got)
    reason = f"{len(got)} outputs came, and {n_expected} were expected." if difference else ""
    return Verdict(max(difference, 0), max(-difference, 0), reason)


def follow(n_by_slot: dict[int, int], got: Sequence[bytes]) -> Verdict:
    """Return where outputs do not follow each other, whatever the script threw or the order in which slots came.

    Each says ``slot``, ``id``, ``value``, and ``n`` and ``total`` as its state has them: ids count from 0 in each slot,
    n counts all, and total is the sum of the values so far.
    """
    next_id = dict.fromkeys(n_by_slot, 0)
    n = total = n_lost = n_repeated = 0
    reason = ""
    for nth, line in enumerate(got):
        output = json.loads(line)
        missing = output["id"] - next_id[output["slot"]]
        n_lost += max(missing, 0)
        n_repeated += missing < 0
        next_id[output["slot"]] = max(output["id"] + 1, next_id[output["slot"]])
        is_sum_right = (output["n"], output["total"]) == (n + 1, total + output["value"])
        n_lost += not is_sum_right and not missing
        n, total = output["n"], output["total"]
        if not reason and (missing or not is_sum_right):
            before = _shown(got[nth - 1]) if nth else "the beginning"
            reason = f"Output {nth + 1} is {_shown(line)}, which does not follow {before}."
    for slot, n_expected in n_by_slot.items():
        n_lost += n_expected - next_id[slot]
        if not reason and n_expected != next_id[slot]:
            reason = f"Slot {slot} gave outputs for {next_id[slot]} of {n_expected} records."
    return Verdict(n_lost, n_repeated, reason)


def _shown(line: bytes) -> str:
    text = line.decode(errors="replace")
    return text if len(text) <= _SHOWN_BYTES else text[: _SHOWN_BYTES - 1] + "…"
