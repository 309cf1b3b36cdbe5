"""What is scored: the records of a topic, and for every key the outputs that there must be."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

N_KEYS = 20  # as many symbols as the demo has
N_PARTITIONS = 4
WINDOW = 30  # what the sample model looks back
TOLERANCE = 1e-5  # of a score of the LSTM; the others are exact

pack_double = struct.Struct("<d").pack
unpack_double = struct.Struct("<d").unpack

Series = Mapping[bytes, np.ndarray[Any, np.dtype[np.float64]]]


def key_of(nth: int) -> bytes:
    """Return the key of a record."""
    return b"S%03d" % (nth % N_KEYS)


def partition_of(nth: int) -> int:
    """Return the partition of a record: a key stays in one."""
    return nth % N_KEYS % N_PARTITIONS


@dataclass(frozen=True)
class Load:
    """Some records, and what must come of them.

    Parameters
    ----------
    name : str
        Which script scores them.
    n_records : int
        How many; a multiple of the number of keys.
    draw : callable
        From the number of records to their values.
    score : callable
        From the values of one key to its outputs.
    tolerance : float
        How far an output may be off.
    """

    name: str
    n_records: int
    draw: Callable[[int], np.ndarray[Any, np.dtype[np.float64]]]
    score: Callable[[np.ndarray[Any, np.dtype[np.float64]]], np.ndarray[Any, np.dtype[np.float64]]]
    tolerance: float = 0.0

    @cached_property
    def values(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The records, in the order in which they are written."""
        return self.draw(self.n_records)

    @cached_property
    def expected(self) -> Series:
        """The outputs of each key, in order."""
        return {key_of(nth): self.score(self.values[nth::N_KEYS]) for nth in range(N_KEYS)}

    @property
    def n_outputs(self) -> int:
        """How many outputs there must be."""
        return sum(len(outputs) for outputs in self.expected.values())

    def check(self, got: Mapping[bytes, Sequence[float]]) -> str:
        """Return what is wrong with some outputs, as a sentence; nothing if they are right."""
        for key in itertools.chain(self.expected, got.keys() - self.expected.keys()):
            wanted, found = self.expected.get(key, np.empty(0)), np.asarray(got.get(key, ()), float)
            if len(wanted) != len(found):
                return f"{len(found)} outputs of {key.decode()} came, and {len(wanted)} are right."
            if len(wanted) and not (worst := float(np.abs(wanted - found).max())) <= self.tolerance:
                return f"An output of {key.decode()} is off by {worst:.3g}."
        return ""


def counting(n_records: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return 0, 1, 2 and so on: each record says which it is."""
    return np.arange(n_records, dtype=float)


def wandering(n_records: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return values that look like adjusted prices: each key's wanders about 0."""
    steps = np.random.default_rng(3).normal(size=(n_records // N_KEYS, N_KEYS))
    prices = np.empty_like(steps)
    price = np.zeros(N_KEYS)
    for nth, step in enumerate(steps):
        price = prices[nth] = 0.9 * price + step
    return prices.ravel()
