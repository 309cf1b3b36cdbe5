"""What the engines of a group read: ticks of twenty symbols, and some records that are bad, slow or without end."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SYMBOLS = tuple(f"S{nth:02}".encode() for nth in range(20))
N_PARTITIONS = 4
SPOILT = b'{"id": '
"""A record that is none."""

BAD_SHARE = 0.004  # of each kind of bad record: some in every commit
SIZES = (1, 40, 7, 300, 100)  # records in a transaction, in turn
ABORTED_EVERY = 3  # transactions: what is in such a one must not be read

Record = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is in the input.

    Parameters
    ----------
    n_records : int
        How many records.
    pause_s : float
        What one takes.
    n_slow, slow_s : int, float
        How many take longer, and how long.
    n_hanging : int
        How many never end.
    """

    n_records: int
    pause_s: float
    n_slow: int = 0
    slow_s: float = 0.0
    n_hanging: int = 0


def mix(recipe: Recipe, seed: int) -> list[Record]:
    """Return keys and values."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    special = rng.sample(range(recipe.n_records), recipe.n_slow + recipe.n_hanging)
    pauses_s = dict.fromkeys(special, 3600.0) | dict.fromkeys(special[: recipe.n_slow], recipe.slow_s)
    records = []
    for nth in range(recipe.n_records):
        chance = rng.random() if nth not in pauses_s else 1.0
        tick = {
            "id": nth,
            "value": rng.randrange(1_000_000),
            "pause_s": pauses_s.get(nth, recipe.pause_s),
            "fails": chance < BAD_SHARE,
        }
        is_spoilt = BAD_SHARE <= chance < 2 * BAD_SHARE
        records.append((rng.choice(SYMBOLS), SPOILT if is_spoilt else json.dumps(tick).encode()))
    return records


def in_transactions(records: Sequence[Record]) -> Iterator[tuple[Sequence[Record], bool]]:
    """Cut records into transactions, some of them written twice: once aborted, and once for good."""
    at = nth = 0
    while at < len(records):
        size = SIZES[nth % len(SIZES)]
        if nth % ABORTED_EVERY == 0:
            yield records[at : at + size], False
        yield records[at : at + size], True
        at, nth = at + size, nth + 1
